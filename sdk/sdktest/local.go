package sdktest

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"syscall"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// machine is the machine that the module runs on, among the sites: no site is called so.
const machine = "this machine"

func localKey(port int) string { return machine + "/" + strconv.Itoa(port) }

// ServeLocal says what answers at a port of the machine that the module runs on, 127.0.0.1. The module may dial it once it is
// granted ([Grant], [World.Grant]), which its description must ask for: "dial PORT".
func (w *World) ServeLocal(port int, serve func(net.Conn)) {
	w.t.Helper()
	w.asks(tunnel.Right{Kind: tunnel.GrantDial, Port: port})
	w.serve(localKey(port), serve)
}

// ConnectLocal connects to the port at which the module has the host listen, once it does, at most 10 s later. It is refused
// at once where the module is not granted to: "serve PORT".
func (w *World) ConnectLocal(port int) (net.Conn, error) {
	w.t.Helper()
	r := tunnel.Right{Kind: tunnel.GrantServe, Port: port}
	w.asks(r)
	if err := w.may(r); err != nil {
		return nil, fmt.Errorf("connect to local port %d: %w", port, err)
	}
	return w.sites.visitSoon(machine, strconv.Itoa(port))
}

// asks fails the test where the module does not ask for a right: no operator could grant it.
func (w *World) asks(r tunnel.Right) {
	w.t.Helper()
	if !slices.Contains(w.said.Grants, r.Grant()) {
		w.t.Errorf("the module's description does not ask for the grant %q", r.Grant())
	}
}

// DialLocal reaches what the test serves, if the operator granted that.
func (h host) DialLocal(ctx context.Context, port int) (net.Conn, error) {
	if err := h.w.may(tunnel.Right{Kind: tunnel.GrantDial, Port: port}); err != nil {
		return nil, fmt.Errorf("dial local port %d: %w", port, err)
	}
	if !h.w.sites.serves(localKey(port)) {
		return nil, fmt.Errorf("dial local port %d: nothing answers at port %d of this machine: %v", port, port, syscall.ECONNREFUSED)
	}
	return h.w.sites.dial(ctx, h.at(machine), strconv.Itoa(port))
}

func (h host) ListenLocal(ctx context.Context, port int) (net.Listener, error) {
	err := h.w.may(tunnel.Right{Kind: tunnel.GrantServe, Port: port})
	if err == nil && h.taken(ctx, port) {
		err = tunnel.Findings{{
			Code: tunnel.PortCollision, Field: "port", Value: strconv.Itoa(port),
			Message: fmt.Sprintf("something on this machine listens at port %d already", port),
			WayOut:  "end it, or have the module use another port",
		}}
	}
	if err != nil {
		return nil, fmt.Errorf("listen at local port %d: %w", port, err)
	}
	return h.w.sites.listen(h.at(machine), strconv.Itoa(port))
}

// taken reports whether something else listens at a port of this machine: a service that the test serves, or a tunnel that is
// active.
func (h host) taken(ctx context.Context, port int) bool {
	if h.w.sites.named(localKey(port)) {
		return true
	}
	for v, err := range h.List(ctx) {
		if err != nil || v.Status.State == tunnel.Disabled || v.Status.State == tunnel.Inactive {
			continue
		}
		if slices.ContainsFunc(v.Mappings, func(m tunnel.Mapping) bool { return m.Kind.Reaches() && m.Local.Port == port }) {
			return true
		}
	}
	return false
}

func (l *line) DialLocal(ctx context.Context, port int) (c net.Conn, err error) {
	err = l.call(ctx, func(ctx context.Context) (err error) { c, err = l.host.DialLocal(ctx, port); return })
	return c, err
}

func (l *line) ListenLocal(ctx context.Context, port int) (ln net.Listener, err error) {
	err = l.call(ctx, func(ctx context.Context) (err error) { ln, err = l.host.ListenLocal(ctx, port); return })
	return ln, err
}
