package sdktest

import (
	"context"
	"fmt"
	"net"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// host is the host as one configuration of the module under test sees it.
type host struct {
	tunnel.Service
	w   *World
	ref tunnel.ConfigurationRef
}

var _ wire.Host = host{}

// at is where a connection of this configuration leads to, or comes from.
func (h host) at(site string) origin { return origin{site, h.ref.Name} }

// Dial waits and fails as the daemon's private sockets do.
func (h host) Dial(ctx context.Context, configuration, mapping string) (net.Conn, error) {
	c, err := h.dial(ctx, configuration, mapping)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", mapping, err)
	}
	return c, nil
}

func (h host) dial(ctx context.Context, configuration, text string) (net.Conn, error) {
	site, mapping := wire.SplitMapping(text)
	ref, m, err := wire.FindReach(ctx, h.Service, h.ref.Module, configuration, site, mapping)
	if err != nil {
		return nil, err
	}
	for c, err := range h.Watch(ctx) {
		switch {
		case err != nil:
			return nil, err
		case c.Tunnel.Ref != ref:
		case c.Type == tunnel.Removed:
			return nil, tunnel.NotFoundFinding(ref)
		default:
			if wait, err := verdict(c.Tunnel, m.Name); !wait {
				if err != nil {
					return nil, err
				}
				return h.w.sites.dial(ctx, h.at(siteOf(ref)), m.Name)
			}
		}
	}
	return nil, ctx.Err()
}

// verdict is whether to wait for the mapping, to fail at once, or neither.
func verdict(v tunnel.View, mapping string) (wait bool, err error) {
	s, m := v.Status, v.Status.Mapping(mapping)
	switch {
	case s.State.Linked() && m.State == tunnel.Down:
		return false, &tunnel.StatusError{Ref: v.Ref, Mapping: mapping, State: m.State, Reason: m.Reason, Message: m.Message, Remedy: m.Remedy}
	case s.State.Linked(), s.State == tunnel.Connecting && m.State == tunnel.Up:
		return false, nil
	case s.State == tunnel.Connecting, s.State == tunnel.Waiting:
		return true, nil
	}
	return false, &tunnel.StatusError{Ref: v.Ref, State: s.State, Reason: s.Reason, Message: s.Message, Remedy: s.Remedy}
}

func (h host) Listen(ctx context.Context, configuration, text string) (net.Listener, error) {
	site, mapping := wire.SplitMapping(text)
	ref, m, err := wire.FindExpose(ctx, h.Service, h.ref.Module, configuration, site, mapping)
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", text, err)
	}
	return h.w.sites.listen(h.at(siteOf(ref)), m.Name)
}
