package sdktest

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// machine is the machine that the module runs on, among the sites: no site is called so.
const machine = "this machine"

// ServeLocal says what answers at a port of the machine that the module runs on, and grants the module to dial it, which
// its description must ask for: "dial PORT". Before, DialLocal is refused as without the grant.
func (w *World) ServeLocal(port int, serve func(net.Conn)) {
	w.t.Helper()
	w.asks(tunnel.Right{Kind: tunnel.GrantDial, Port: port})
	w.sites.change(func() { w.sites.services[machine+"/"+strconv.Itoa(port)] = serve })
}

// ConnectLocal connects to the port at which the module has the host listen, once it does, at most 10 s later. The
// description must ask for that: "serve PORT".
func (w *World) ConnectLocal(port int) (net.Conn, error) {
	w.t.Helper()
	w.asks(tunnel.Right{Kind: tunnel.GrantServe, Port: port})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return w.sites.visit(ctx, machine, strconv.Itoa(port))
}

// asks fails the test where the module does not ask for a right: no operator could grant it.
func (w *World) asks(r tunnel.Right) {
	w.t.Helper()
	if d, err := w.module.Describe(); err != nil || !slices.Contains(d.Grants, r.Grant()) {
		w.t.Errorf("the module's description does not ask for the grant %q", r.Grant())
	}
}

// DialLocal reaches what the test serves, which is what the operator granted.
func (h host) DialLocal(ctx context.Context, port int) (net.Conn, error) {
	key := machine + "/" + strconv.Itoa(port)
	h.sites.mu.Lock()
	served := h.sites.services[key] != nil
	h.sites.mu.Unlock()
	if !served {
		return nil, fmt.Errorf("dial local port %d: %w", port, tunnel.NotGranted(h.owner, tunnel.Right{Kind: tunnel.GrantDial, Port: port}))
	}
	return h.sites.dial(ctx, machine, strconv.Itoa(port))
}

func (h host) ListenLocal(_ context.Context, port int) (net.Listener, error) {
	return h.sites.listen(machine, strconv.Itoa(port))
}

func (l *line) DialLocal(ctx context.Context, port int) (c net.Conn, err error) {
	err = l.call(ctx, func(ctx context.Context) (err error) { c, err = l.host.DialLocal(ctx, port); return })
	return c, err
}

func (l *line) ListenLocal(ctx context.Context, port int) (ln net.Listener, err error) {
	err = l.call(ctx, func(ctx context.Context) (err error) { ln, err = l.host.ListenLocal(ctx, port); return })
	return ln, err
}
