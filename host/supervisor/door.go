package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// waitersPerDoor bounds the connections of one mapping that wait for a link or its target.
const waitersPerDoor = 64

// openPatience is how long a target may take to answer.
const openPatience = 30 * time.Second

// door is the private socket of one mapping and the connections through it.
type door struct {
	p        *private
	name     string
	listener *net.UnixListener
	waiters  chan struct{}
	ctx      context.Context
	cancel   context.CancelFunc
	warned   atomic.Int64 // when a stranger was last written of, Unix seconds
}

// openDoor listens on the socket of the mapping of that name, in place of one that an earlier process left.
func openDoor(p *private, name string) (*door, error) {
	if err := p.sockets.Prepare(p.ref.Owner); err != nil {
		return nil, err
	}
	path := p.sockets.Path(p.ref, name)
	if err := removeSocket(path); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(p.ctx)
	d := &door{p: p, name: name, listener: l, waiters: make(chan struct{}, waitersPerDoor), ctx: ctx, cancel: cancel}
	p.crew.Go(d.accept)
	return d, nil
}

// removeSocket removes the socket at path, if there is one, and nothing else.
func removeSocket(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is in the way and no socket", path)
	}
	return os.Remove(path)
}

// shut takes the socket away and ends the connections through it. It waits for none of them: a relay whose other end
// takes nothing may be slow to notice.
func (d *door) shut() {
	d.cancel()
	d.listener.Close()
}

func (d *door) accept() {
	for {
		conn, err := d.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors, most likely: wait for some
			if !sleepUntil(d.ctx, time.Now().Add(100*time.Millisecond)) {
				return
			}
			continue
		}
		d.p.crew.Go(func() { d.receive(conn) })
	}
}

// receive looks at who connected: the host for a proof, which is answered before anything is opened, the module that
// owns the mapping, or somebody who is sent away without a word.
func (d *door) receive(conn *net.UnixConn) {
	defer conn.Close()
	stop := context.AfterFunc(d.ctx, func() { conn.Close() })
	defer stop()
	pid, err := peer(conn)
	switch {
	case err == nil && pid == os.Getpid():
		_ = d.greet(conn, nil)
	case err == nil && d.p.sockets.Allowed(d.p.ref.Owner, pid):
		d.carry(conn)
	default:
		d.warn(pid, err)
	}
}

// warn writes of a stranger, once a minute: whoever wants to fill the log finds no way here.
func (d *door) warn(pid int, err error) {
	last, now := d.warned.Load(), time.Now().Unix()
	if now-last >= 60 && d.warned.CompareAndSwap(last, now) {
		d.p.log.Warn("refused a stranger on a private socket", "mapping", d.name, "pid", pid, "error", err)
	}
}

// carry opens the target for the module, tells it how that went, and relays.
func (d *door) carry(conn *net.UnixConn) {
	far, err := d.wait(conn)
	if err != nil {
		if d.ctx.Err() == nil && !errors.Is(err, context.Canceled) {
			_ = d.greet(conn, err)
		}
		return
	}
	defer far.Close()
	stop := context.AfterFunc(d.ctx, func() { far.Close() })
	defer stop()
	if d.greet(conn, nil) == nil {
		d.p.relay(conn, far)
	}
}

// wait opens the target as soon as that can be done, and gives up when the module hangs up.
func (d *door) wait(conn *net.UnixConn) (Conn, error) {
	select {
	case d.waiters <- struct{}{}:
		defer func() { <-d.waiters }()
	default:
		return nil, d.p.refusal(d.name, tunnel.Down, Failure{
			Message: fmt.Sprintf("%d connections wait for it already", waitersPerDoor),
			Remedy:  "wait for those before opening more",
		})
	}
	ctx, cancel := context.WithCancel(d.ctx)
	defer cancel()
	end := watchHangup(conn, readable, cancel)
	defer end()
	return d.p.open(ctx, d.name, string(d.p.ref.Owner))
}
