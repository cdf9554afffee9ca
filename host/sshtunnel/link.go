package sshtunnel

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/crypto/ssh"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Link is one SSH connection that is logged in, with the mappings it carries. All methods are safe for concurrent use
// and fail with a *Failure; once the link is gone, with LinkLost.
type Link struct {
	config  *Config
	log     hclog.Logger
	sock    *socket
	conn    ssh.Conn
	server  string // the fingerprint of its host key
	version string // what it calls itself, as it may be quoted

	channels <-chan ssh.NewChannel // what comes over the connection
	requests <-chan *ssh.Request

	ctx    context.Context // ends when the link is over: gone, with the Failure as its cause, or told to end
	cancel context.CancelCauseFunc
	leave  func()         // see Run; nil where nobody was told of the link
	work   sync.WaitGroup // every goroutine of the link

	ended    atomic.Bool   // nothing more comes over the connection
	closed   chan struct{} // closed when everything is
	alive    keepalive
	places   places
	naming   naming
	patience atomic.Int64  // as it was when the path was last measured, 0 before
	measured atomic.Int64  // when that was, by monotonic
	opening  atomic.Int32  // channels asked for and not answered
	overdue  atomic.Int32  // channels that gave their places back and have not gone
	refusing chan struct{} // one token per refusal that the server has not taken yet; nil before the first. The receiver's

	mu       sync.Mutex
	closing  bool
	asked    []*request // that wait for their turn
	sending  bool       // they are sent, one after the other
	mappings []*mapping // few, in the order in which they came
	forwards bool       // some forward was allowed on this link
	opens    bool       // some connection to a target was
	rule     rule       // what the server told of its rules

	shared map[int]*Failure // the ports that were given and are somebody else's too, see shares; nil before the first
}

// newLink takes over a connection. What comes over it has to be received until it is closed.
func newLink(ctx context.Context, c *Config, w *wire) *Link {
	l := &Link{
		config: c, log: c.Log, sock: w.sock, conn: w.conn, server: w.pin.Fingerprint,
		version:  tunnel.Clean(c.mask.over(string(w.conn.ServerVersion())), 100),
		channels: w.channels, requests: w.requests,
		closed: make(chan struct{}), places: places{of: "of one link", most: c.waits.maxOfLink},
	}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	l.sock.pulse.begin()
	return l
}

// remember tells the pin when it is news.
func (l *Link) remember(pin tunnel.Pin) error {
	if known := l.config.Pin; pin.State == known.State && pin.Fingerprint == known.Fingerprint {
		return nil
	}
	return l.config.Learned(l.ctx, pin)
}

// spawn runs f as a goroutine of the link, or not at all when the link is closing.
func (l *Link) spawn(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return false
	}
	l.work.Go(f)
	return true
}

// End ends the link, and has Run return err, unless the link is over already. Its ports are handed back.
func (l *Link) End(err error) { l.cancel(err) }

// why is the error of Run for a link that is over.
func (l *Link) why() error {
	if f := l.lost(); f != nil {
		return f
	}
	if err := context.Cause(l.ctx); err != context.Canceled {
		return err
	}
	return nil
}

// lose ends the link because of f; the first cause stands.
func (l *Link) lose(f *Failure) {
	l.cancel(f)
	_ = l.sock.Close() // not conn.Close, which may wait for a write to a peer that reads nothing
}

// lost returns why the link is gone, nil while it stands or when it was only told to end.
func (l *Link) lost() *Failure {
	var f *Failure
	if errors.As(context.Cause(l.ctx), &f) {
		return f
	}
	return nil
}

// gone is the failure to return once the link has ended.
func (l *Link) gone() *Failure {
	if f := l.lost(); f != nil {
		return f
	}
	return linkLost(context.Cause(l.ctx))
}

// close waits until nobody uses the link any more, hands the remote ports back, ends the connection and waits until nothing
// of the link is left.
func (l *Link) close() {
	if l.leave != nil {
		l.leave()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), farewell)
	defer cancel()
	l.handBack(ctx)
	l.cancel(nil)
	l.mu.Lock()
	l.closing = true
	all := l.mappings
	l.mappings = nil
	l.mu.Unlock()
	for _, m := range all {
		m.end()
	}
	_ = l.sock.Close()
	close(l.closed)
	l.finish()
}

// finish waits until nothing of the link runs any more.
func (l *Link) finish() {
	done := make(chan struct{})
	go func() { defer close(done); l.work.Wait() }()
	late := time.NewTicker(lateOpen)
	defer late.Stop()
	for {
		select {
		case <-late.C:
			if l.ended.Load() {
				freeOpens(l.conn)
			}
		case <-done:
			return
		}
	}
}

// handBack cancels all forwards side by side, so that the ports are free before the server notices that we are gone. A
// server that does not answer is not told.
func (l *Link) handBack(ctx context.Context) {
	if l.lost() != nil || !l.sock.pulse.answers() {
		return
	}
	var all sync.WaitGroup
	for _, m := range l.all() {
		all.Go(func() { _ = m.release(ctx) })
	}
	all.Wait()
}

func (l *Link) all() []*mapping {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.mappings)
}

// mapping returns the mapping of that name.
func (l *Link) mapping(name string) (*mapping, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.mappingLocked(name); m != nil {
		return m, nil
	}
	if l.ctx.Err() != nil {
		return nil, l.gone()
	}
	return nil, &Failure{
		Reason:  tunnel.LinkLost,
		Message: "the mapping " + tunnel.Clean(name, 60) + " is not carried by this link",
		Remedy:  "nothing to do: it is applied by itself",
	}
}

func (l *Link) mappingLocked(name string) *mapping {
	if i := slices.IndexFunc(l.mappings, func(m *mapping) bool { return m.Name == name }); i >= 0 {
		return l.mappings[i]
	}
	return nil
}

// ServerVersion is the SSH version line of the server, escaped and without what it may have repeated of a password.
func (l *Link) ServerVersion() string { return l.version }

// Traffic returns what the mapping of that name has carried on this link.
func (l *Link) Traffic(name string) Traffic {
	m, err := l.mapping(name)
	if err != nil {
		return Traffic{}
	}
	return m.traffic.read()
}
