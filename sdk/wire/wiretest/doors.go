package wiretest

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// doors are the unix sockets between a module's process and what its host gives it.
type doors struct {
	host          wire.Host
	configuration string
	dir           string
	ctx           context.Context
	cancel        context.CancelFunc
	all           sync.WaitGroup

	mu    sync.Mutex
	paths map[string]string // by what is behind it
}

func newDoors(h wire.Host, configuration, dir string) *doors {
	d := &doors{host: h, configuration: configuration, dir: dir, paths: map[string]string{}}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

// close closes all that is open and returns when nothing is under way any more.
func (d *doors) close() {
	d.cancel()
	d.all.Wait()
}

// services are the host for the wire.
func (d *doors) services(owner tunnel.Owner, granted []tunnel.Grant) wire.HostServices {
	return wire.HostServices{
		Owner: owner, Service: d.host, Granted: granted,
		SocketPath: func(_ context.Context, ref tunnel.Ref, mapping string) (string, error) {
			return d.out("reach "+ref.String()+"/"+mapping, func(ctx context.Context) (net.Conn, error) {
				return d.host.Dial(ctx, d.configuration, d.called(ref)+"/"+mapping)
			})
		},
		ListenPath: func(_ context.Context, ref tunnel.Ref, mapping string) (string, error) {
			return d.in("expose "+ref.String()+"/"+mapping, func(ctx context.Context) (net.Listener, error) {
				return d.host.Listen(ctx, d.configuration, d.called(ref)+"/"+mapping)
			})
		},
		LocalDialPath: func(_ context.Context, port int) (string, error) {
			return d.out(fmt.Sprint("dial ", port), func(ctx context.Context) (net.Conn, error) { return d.host.DialLocal(ctx, port) })
		},
		LocalListenPath: func(_ context.Context, port int) (string, error) {
			return d.in(fmt.Sprint("serve ", port), func(ctx context.Context) (net.Listener, error) { return d.host.ListenLocal(ctx, port) })
		},
	}
}

// called is what the module calls the site of a tunnel.
func (d *doors) called(ref tunnel.Ref) string {
	return strings.TrimPrefix(string(ref.Name), d.configuration+".")
}

// place is the path of the door to what is behind, opened by the first who asks.
func (d *doors) place(behind string, open func(path string) error) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if path := d.paths[behind]; path != "" {
		return path, nil
	}
	path := filepath.Join(d.dir, fmt.Sprint("s", len(d.paths)))
	if err := open(path); err != nil {
		return "", err
	}
	d.paths[behind] = path
	return path, nil
}

// out is a door at which the module knocks.
func (d *doors) out(behind string, dial func(context.Context) (net.Conn, error)) (string, error) {
	return d.place(behind, func(path string) error {
		l, err := net.Listen("unix", path)
		if err == nil {
			d.accept(l, func(c net.Conn) { d.greet(c, dial) })
		}
		return err
	})
}

// in is a door at which the module listens.
func (d *doors) in(behind string, listen func(context.Context) (net.Listener, error)) (string, error) {
	return d.place(behind, func(path string) error {
		l, err := listen(d.ctx)
		if err == nil {
			d.accept(l, func(c net.Conn) { d.pass(c, path) })
		}
		return err
	})
}

// accept serves what arrives, until the doors are closed.
func (d *doors) accept(l net.Listener, serve func(net.Conn)) {
	d.all.Go(func() {
		defer context.AfterFunc(d.ctx, func() { _ = l.Close() })()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			d.all.Go(func() { serve(c) })
		}
	})
}

// greet connects the module to what is behind, or says why not. A module that hangs up waits no longer.
func (d *doors) greet(c net.Conn, dial func(context.Context) (net.Conn, error)) {
	ctx, cancel := context.WithCancel(d.ctx)
	defer cancel()
	left := make(chan struct{})
	go func() {
		defer close(left)
		if _, err := c.Read(make([]byte, 1)); err != nil { // it says nothing before the greeting
			cancel()
		}
	}()
	far, err := dial(ctx)
	_ = c.SetReadDeadline(time.Unix(1, 0))
	<-left
	_ = c.SetReadDeadline(time.Time{})
	if greetErr := wire.Greet(c, err); err != nil || greetErr != nil {
		_ = c.Close()
		if far != nil {
			_ = far.Close()
		}
		return
	}
	d.join(c, far)
}

// listenLimit is how long a module may take to listen where it was told to.
const listenLimit = 5 * time.Second

// pass takes a connection to the module.
func (d *doors) pass(c net.Conn, path string) {
	for end := time.Now().Add(listenLimit); ; time.Sleep(5 * time.Millisecond) {
		module, err := net.Dial("unix", path)
		if err == nil {
			d.join(module, c)
			return
		}
		if d.ctx.Err() != nil || time.Now().After(end) {
			_ = c.Close()
			return
		}
	}
}

// join carries bytes both ways, with half-close, until both are done or one fails.
func (d *doors) join(a, b net.Conn) {
	shut := func() { _ = a.Close(); _ = b.Close() }
	defer shut()
	defer context.AfterFunc(d.ctx, shut)()
	var both sync.WaitGroup
	carry := func(to, from net.Conn) {
		if _, err := io.Copy(to, from); err != nil {
			shut()
		} else if h, ok := to.(interface{ CloseWrite() error }); ok {
			_ = h.CloseWrite()
		}
	}
	both.Go(func() { carry(a, b) })
	both.Go(func() { carry(b, a) })
	both.Wait()
}
