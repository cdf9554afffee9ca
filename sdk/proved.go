package sdk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// settleLimit is how long a tunnel may be on its way up before a test says so.
const settleLimit = 12 * time.Second

// TunnelIsUp is a [Check] of a test: whether the tunnel of a site is up as it is stored. It waits a moment for one that is
// connecting. Where the site names no server it is skipped, and it is a warning where some mapping is not up.
func (in *Instance[S]) TunnelIsUp(site Site) Check {
	return func(ctx context.Context) (string, error) {
		if site.Server == "" {
			return "", Skip("no server is set")
		}
		v, err := in.settled(ctx, in.Ref(site))
		if err != nil {
			return "", err
		}
		switch s := v.Status; s.State {
		case tunnel.Up:
			return v.Ref.String() + " is up", nil
		case tunnel.Degraded:
			return "", Warning(fmt.Sprintf("%s is connected, but some mapping is not up: %s", v.Ref, s.Message), s.Remedy)
		}
		return "", statusError(v)
	}
}

// MappingIsUp is a [Check] of a test: whether a mapping is proved to carry data, and what answers behind it. Where its
// slot is off it is skipped, and it is a warning where the server forbids the proof.
func (in *Instance[S]) MappingIsUp(mapping MappingRef) Check {
	return func(ctx context.Context) (string, error) {
		if err := mapping.checked(); err != nil {
			return "", err
		}
		if mapping.slot.Name != "" && !mapping.site.On(mapping.slot) {
			return "", Skip(fmt.Sprintf("slot %s is off", mapping.slot.Name))
		}
		tunnelName, name := wire.SplitMapping(mapping.at)
		ref := tunnel.Ref{Owner: in.owner, Name: tunnel.Name(tunnelName)}
		if mapping.slot.Name != "" {
			ref = in.Ref(mapping.site)
		}
		v, err := in.settled(ctx, ref)
		switch {
		case err != nil:
			return "", err
		case !v.Status.State.Linked():
			return "", statusError(v)
		}
		m := v.Status.Mapping(name)
		switch m.State {
		case tunnel.Up:
			return m.Target.Message, nil
		case tunnel.Unproved:
			return "", Warning(m.Message, m.Remedy)
		case tunnel.Down:
			return "", &tunnel.StatusError{Ref: v.Ref, Mapping: m.Name, State: m.State, Reason: m.Reason, Message: m.Message, Remedy: m.Remedy}
		}
		return "", Failure(fmt.Sprintf("the tunnel as it is stored has no mapping %s", name), "store the settings, and test again when the tunnel is up")
	}
}

// settled is a tunnel of the module, as soon as it is not on its way up any more.
func (in *Instance[S]) settled(ctx context.Context, ref tunnel.Ref) (v tunnel.View, err error) {
	if v, err = in.host.Get(ctx, ref); err != nil || v.Status.State != tunnel.Connecting {
		return v, in.undeclared(err)
	}
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	for c, err := range in.host.Watch(ctx) {
		switch {
		case err != nil && ctx.Err() != nil:
			return v, nil // it is connecting still
		case err != nil:
			return v, err
		case c.Tunnel.Ref != ref:
		case c.Type == tunnel.Removed:
			return v, in.undeclared(tunnel.ErrNotFound)
		case c.Tunnel.Status.State != tunnel.Connecting:
			return c.Tunnel, nil
		}
	}
	return v, nil
}

// undeclared says what to do where a tunnel is not there.
func (in *Instance[S]) undeclared(err error) error {
	if !errors.Is(err, tunnel.ErrNotFound) {
		return err
	}
	return Failure("there is no tunnel yet: the module declares it when it runs",
		fmt.Sprintf("culvert config enable %[1]s/%[2]s, or culvert config show %[1]s/%[2]s where it is enabled", in.owner, in.Configuration))
}

func statusError(v tunnel.View) error {
	s := v.Status
	return &tunnel.StatusError{Ref: v.Ref, State: s.State, Reason: s.Reason, Message: s.Message, Remedy: s.Remedy}
}
