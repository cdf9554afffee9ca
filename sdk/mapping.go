package sdk

import (
	"context"
	"fmt"
	"net"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// MappingRef names a mapping of the module's own, where it is dialled, listened for or looked at: [Site.Mapping] of a
// tunnel that the module declares, [MappingOf] of one that the operator made for it. The zero MappingRef names none.
type MappingRef struct {
	at   string // SITE/MAPPING as the host reads it
	site Site   // whose it is; none for the operator's
	slot Slot
}

// String is SITE/MAPPING, SITE being the key of the settings, or TUNNEL/MAPPING.
func (m MappingRef) String() string { return m.at }

// Mapping is the mapping of one of the module's slots at this site. Whether there is one is the operator's choice: see On.
func (s Site) Mapping(slot Slot) MappingRef {
	if s.path == "" {
		return MappingRef{}
	}
	return MappingRef{at: s.key() + "/" + slot.Name, site: s, slot: slot}
}

// MappingOf is a mapping of a tunnel that the operator made for the module: MODULE/NAME is called NAME here. Where the
// settings have a site of that name, it is that site's.
func MappingOf(tunnel tunnel.Name, mapping string) MappingRef {
	return MappingRef{at: string(tunnel) + "/" + mapping}
}

// checked refuses a MappingRef that names none.
func (m MappingRef) checked() error {
	if m.at != "" {
		return nil
	}
	return tunnel.Findings{{
		Code: tunnel.Required, Field: "mapping", Message: "no mapping is named",
		WayOut: "take it from a site of the Instance's Settings: in.Settings.Site.Mapping(slot)",
	}}
}

// Dial connects to the service behind a reach mapping of this module. Neither side needs a port for it. Deadlines and
// half-close (CloseWrite) work on the connection.
//
// While the tunnel is connecting or waiting, Dial waits, until ctx ends. When it is blocked, disabled or inactive, or
// the target refuses, it returns at once with a *tunnel.StatusError that says why. A mapping that there is not, because
// its tunnel is not declared or its slot off, is tunnel.ErrNotFound.
func (in *Instance[S]) Dial(ctx context.Context, m MappingRef) (net.Conn, error) {
	if err := m.checked(); err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	return in.host.Dial(ctx, in.Configuration, m.at)
}

// DialFunc is Dial in the form that database drivers and HTTP transports take. Network and address are passed over: the
// mapping says where the connection goes.
func (in *Instance[S]) DialFunc(m MappingRef) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) { return in.Dial(ctx, m) }
}

// Listen returns the listener at which connections through a private expose mapping of this module arrive. Its tunnel
// must be declared and the mapping on, else it is tunnel.ErrNotFound. The listener is closed when Run returns, if not
// before.
func (in *Instance[S]) Listen(m MappingRef) (net.Listener, error) {
	if err := m.checked(); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if in.testing {
		return nil, fmt.Errorf("listen for %s in a test: what arrives there is for the module's Run", m)
	}
	return in.keep(in.host.Listen(in.ctx, in.Configuration, m.at))
}

// Ref is the name of the tunnel that the module declares for a site of its settings.
func (in *Instance[S]) Ref(site Site) tunnel.Ref {
	return tunnel.Ref{Owner: in.owner, Name: tunnel.SettingsName(in.Configuration, site.path)}
}

// Get returns one tunnel of any owner as it is now, or tunnel.ErrNotFound.
func (in *Instance[S]) Get(ctx context.Context, ref tunnel.Ref) (tunnel.View, error) {
	return in.host.Get(ctx, ref)
}

// Mapping returns how a mapping of this module is now: whether it carries data, when that was last proved, who is
// connected. While its tunnel has no link it is down, for the tunnel's reason. A mapping that there is not is
// tunnel.ErrNotFound, as in Dial.
func (in *Instance[S]) Mapping(ctx context.Context, m MappingRef) (tunnel.MappingStatus, error) {
	if err := m.checked(); err != nil {
		return tunnel.MappingStatus{}, err
	}
	site, name := wire.SplitMapping(m.at)
	v, _, err := wire.FindMapping(ctx, in.host, in.owner, in.Configuration, site, name)
	return v.Status.Mapping(name), err
}
