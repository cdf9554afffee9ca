package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// Bounds of one door.
const (
	doorConns    = 256              // connections at once
	doorRoom     = time.Second / 4  // for one of them to go when another comes
	doorPatience = 5 * time.Second  // for the module to listen where it said it would
	dialPatience = 10 * time.Second // for a service of this machine to accept
)

// doors are the ports of this machine's loopback that one process of a module dials or serves through the host, because
// the operator granted it: behind each is a unix socket, at whose other end only that process is heard. They open when
// the process asks and end with it.
type doors struct {
	name    tunnel.Owner
	sockets Sockets
	granted func(context.Context, tunnel.Owner) ([]tunnel.Grant, error)
	present func(pid int) bool // whether that is the module's process
	watch   time.Duration

	ctx  context.Context
	end  context.CancelFunc
	work sync.WaitGroup

	mu   sync.Mutex
	open map[tunnel.Right]*door // nil once closed
}

// door is one of them.
type door struct {
	right    tunnel.Right
	listener net.Listener
	path     string // of the unix socket
	ctx      context.Context
	end      context.CancelFunc
	slots    chan struct{}  // a token per connection
	through  sync.WaitGroup // their connections

	asked time.Time // of serve: when the module last said that it would listen
	heard bool      // and whether it has since
}

func newDoors(h *Host, name tunnel.Owner) *doors {
	d := &doors{
		name: name, sockets: h.sockets, granted: h.cfg.Catalog.Grants, present: func(pid int) bool { return h.Present(name, pid) },
		watch: 250 * time.Millisecond, open: map[tunnel.Right]*door{},
	}
	d.ctx, d.end = context.WithCancel(context.Background())
	return d
}

// dialPath opens the door to a port and returns its socket.
func (d *doors) dialPath(ctx context.Context, port int) (string, error) {
	r := tunnel.Right{Kind: tunnel.GrantDial, Port: port}
	return d.enter(ctx, r, d.sockets.LocalDial(d.name, port), func(path string) (net.Listener, error) {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err // what a daemon before left
		}
		return net.Listen("unix", path)
	})
}

// listenPath takes a port and returns where the module shall listen for it.
func (d *doors) listenPath(ctx context.Context, port int) (string, error) {
	r := tunnel.Right{Kind: tunnel.GrantServe, Port: port}
	return d.enter(ctx, r, d.sockets.LocalListen(d.name, port), func(string) (net.Listener, error) {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if errors.Is(err, syscall.EADDRINUSE) {
			err = tunnel.Findings{{
				Code: tunnel.PortCollision, Field: "port", Value: strconv.Itoa(port),
				Message: fmt.Sprintf("something on this machine listens at port %d already", port),
				WayOut:  "end it, or have the module use another port",
			}}
		}
		return l, err
	})
}

// enter returns the path of the door that r is the right to, opened where it is not open yet.
func (d *doors) enter(ctx context.Context, r tunnel.Right, path string, listen func(string) (net.Listener, error)) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open == nil {
		return "", errors.New("the module is ending")
	}
	if err := d.check(ctx, r); err != nil { // locked, so that no review comes between this and the opening
		return "", err
	}
	if o := d.open[r]; o != nil {
		o.asked, o.heard = time.Now(), false
		return path, nil
	}
	l, err := listen(path)
	if err != nil {
		return "", err
	}
	o := &door{right: r, listener: l, path: path, slots: make(chan struct{}, doorConns), asked: time.Now()}
	o.ctx, o.end = context.WithCancel(d.ctx)
	d.open[r] = o
	d.work.Go(func() { d.accept(o) })
	if r.Kind == tunnel.GrantServe {
		d.work.Go(func() { d.attend(o) })
	}
	return path, nil
}

// check refuses what is not granted now.
func (d *doors) check(ctx context.Context, r tunnel.Right) error {
	granted, err := d.granted(ctx, d.name)
	if err != nil {
		return err
	}
	for _, g := range granted {
		if g == r.Grant() {
			return nil
		}
	}
	return tunnel.NotGranted(d.name, r)
}

// review closes the doors that are not granted any more, with the connections through them.
func (d *doors) review(ctx context.Context) {
	ctx = context.WithoutCancel(ctx) // that its caller has gone revokes nothing
	d.mu.Lock()
	defer d.mu.Unlock()
	for r, o := range d.open {
		if d.check(ctx, r) != nil {
			d.shutLocked(o)
			o.end()
		}
	}
}

// close closes all of them and returns when nothing is left of them.
func (d *doors) close() {
	d.end()
	d.mu.Lock()
	for _, o := range d.open {
		d.shutLocked(o)
	}
	d.open = nil
	d.mu.Unlock()
	d.work.Wait()
}

// serves reports whether the door of a served port is open.
func (d *doors) serves(port int) bool {
	if d == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open[tunnel.Right{Kind: tunnel.GrantServe, Port: port}] != nil
}

// shutLocked lets no further connection through a door.
func (d *doors) shutLocked(o *door) {
	_ = o.listener.Close()
	delete(d.open, o.right)
}

// attend gives a served port up when the module listens no longer, or never did.
func (d *doors) attend(o *door) {
	t := time.NewTicker(d.watch)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-o.ctx.Done():
			return
		}
		if !d.attended(o) {
			return
		}
	}
}

func (d *doors) attended(o *door) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open[o.right] != o {
		return false
	}
	_, err := os.Lstat(o.path)
	switch {
	case err == nil:
		o.heard = true
	case o.heard, time.Since(o.asked) > doorPatience:
		d.shutLocked(o)
		return false
	}
	return true
}

// accept takes connections until the door is closed, and returns when the last that came through has gone. One too many
// waits a moment, as others do behind it, for a module may be letting go of some; then it is dropped.
func (d *doors) accept(o *door) {
	defer func() { o.through.Wait(); o.end() }()
	for {
		c, err := o.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // no descriptors are left; some come back
			select {
			case <-time.After(100 * time.Millisecond):
				continue
			case <-o.ctx.Done():
				return
			}
		}
		if !o.room() {
			_ = c.Close()
			continue
		}
		o.through.Go(func() {
			defer func() { <-o.slots }()
			d.pass(o, c)
		})
	}
}

// room takes one of the door's places, which whoever goes gives back. It reports whether there was one within doorRoom.
func (o *door) room() bool {
	select {
	case o.slots <- struct{}{}:
		return true
	default:
	}
	select {
	case o.slots <- struct{}{}:
		return true
	case <-time.After(doorRoom):
	case <-o.ctx.Done():
	}
	return false
}

// pass connects one connection with the other side, if it may.
func (d *doors) pass(o *door, c net.Conn) {
	defer c.Close()
	var other net.Conn
	var err error
	if o.right.Kind == tunnel.GrantDial {
		other, err = d.outward(o, c)
	} else {
		other, err = d.inward(o)
	}
	if err != nil {
		return
	}
	defer other.Close()
	relay(o.ctx, c.(stream), other.(stream))
}

// outward connects a connection of the module to the port, and says how that went.
func (d *doors) outward(o *door, c net.Conn) (net.Conn, error) {
	if err := checkPeer(c, d.name, d.present); err != nil {
		return nil, err // a stranger hears nothing
	}
	ctx, cancel := context.WithTimeout(o.ctx, dialPatience)
	defer cancel()
	other, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(o.right.Port)))
	if err != nil {
		err = fmt.Errorf("nothing answers at port %d of this machine: %w", o.right.Port, bare(err))
	}
	_ = c.SetWriteDeadline(time.Now().Add(dialPatience))
	if greetErr := wire.Greet(c, err); err == nil && greetErr != nil {
		_ = other.Close()
		err = greetErr
	}
	_ = c.SetWriteDeadline(time.Time{})
	return other, err
}

// bare is what went wrong, without the addresses around it.
func bare(err error) error {
	var no syscall.Errno
	if errors.As(err, &no) {
		return no
	}
	return err
}

// inward connects to the module where it listens for a served port.
func (d *doors) inward(o *door) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(o.ctx, doorPatience)
	defer cancel()
	for {
		c, err := new(net.Dialer).DialContext(ctx, "unix", o.path)
		if err == nil {
			if err = checkPeer(c, d.name, d.present); err != nil {
				_ = c.Close()
			}
			return c, err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, err
		}
	}
}
