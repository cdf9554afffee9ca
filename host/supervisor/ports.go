package supervisor

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// ports holds the local TCP ports of one tunnel's reach mappings. They stand as long as the tunnel is active, whether or
// not a link does: a client that connects while one is made sees a delay and no refusal.
type ports struct {
	opener
	relay func(client, site Conn) // nil: there are no ports
	held  *holds
	hold  time.Duration // how long a client waits for a link
	log   hclog.Logger

	ctx    context.Context // ends with close
	cancel context.CancelFunc
	crew   sync.WaitGroup // of all connections

	mu     sync.Mutex // never held for long: whoever follows orders takes it
	open   map[string]*port
	wanted []tunnel.Mapping // those that shall have a port
	failed map[string]inUse // why those have none that could not be opened
	again  *time.Timer      // set while there are such
	pause  int              // how often it was tried again
}

func newPorts(c Config, o opener, host *holds, log hclog.Logger) *ports {
	ctx, cancel := context.WithCancel(context.Background())
	return &ports{
		opener: o, relay: c.Relay, held: &holds{most: heldPerTunnel, wider: host}, hold: cmp.Or(c.holdFor, holdFor), log: log,
		ctx: ctx, cancel: cancel, open: map[string]*port{}, failed: map[string]inUse{},
	}
}

// has reports whether m has a port on the PBX.
func (p *ports) has(m tunnel.Mapping) bool {
	return p.relay != nil && m.Kind.Reaches() && !m.Private()
}

// arrange makes the ports those of ms. What is not wanted any more is closed first: its port may have passed to another
// mapping. A mapping that keeps its port notices nothing.
func (p *ports) arrange(ms []tunnel.Mapping) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = nil
	for _, m := range ms {
		if p.has(m) {
			p.wanted = append(p.wanted, m)
		}
	}
	for name, x := range p.open {
		if !slices.ContainsFunc(p.wanted, x.serves) {
			delete(p.open, name)
			x.shut()
		}
	}
	clear(p.failed)
	p.pause = 0
	p.openAllLocked()
}

// How soon a port that could not be opened is tried again: soon at first, since it may be passing from one tunnel to
// another.
const (
	portFirst = 100 * time.Millisecond
	portMost  = urgency
)

// openAllLocked opens every port that shall be, now or as soon as it can be.
func (p *ports) openAllLocked() {
	if p.again != nil {
		p.again.Stop()
		p.again = nil
	}
	failed := false
	for _, m := range p.wanted {
		failed = p.openLocked(m) != nil || failed
	}
	if failed && p.ctx.Err() == nil {
		p.again = time.AfterFunc(doubled(portFirst, portMost, p.pause), p.openAgain)
		p.pause++
	}
}

func (p *ports) openAgain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.openAllLocked()
}

// openLocked opens the port of a mapping unless it is open. Why it cannot be is logged once.
func (p *ports) openLocked(m tunnel.Mapping) error {
	if p.open[m.Name] != nil {
		return nil
	}
	x, err := openPort(p, m)
	if err == nil {
		p.open[m.Name] = x
		delete(p.failed, m.Name)
		return nil
	}
	was, known := p.failed[m.Name]
	now := was.renewed(err)
	p.failed[m.Name] = now
	if !known && p.ctx.Err() == nil {
		p.log.Warn("a port cannot be opened; it is tried again and again", "mapping", m.Name, "error", now.Message)
	}
	return &failed{now.Failure}
}

// close closes all ports and the connections through them, and waits for these as long as it has patience.
func (p *ports) close() {
	p.cancel()
	p.arrange(nil)
	if !part(&p.crew) {
		p.log.Warn("connections through ports do not end; they are left")
	}
}

// errNotWanted is that a mapping's port shall not be yet, or not any more.
var errNotWanted = errors.New("its port on the PBX is not open yet, or about to be closed")

// prove connects to the port of m, if it has one, at every address at which localhost is found, and meets the host there.
// bound is who else can connect to it; it is measured where measure is set.
func (p *ports) prove(ctx context.Context, m tunnel.Mapping, measure bool) (bound tunnel.Bound, err error) {
	if !p.has(m) {
		return tunnel.BoundUnknown, nil
	}
	p.mu.Lock()
	err = errNotWanted
	if slices.ContainsFunc(p.wanted, func(w tunnel.Mapping) bool { return w.Name == m.Name }) {
		err = p.openLocked(m)
	}
	x := p.open[m.Name]
	p.mu.Unlock()
	if err != nil {
		return tunnel.BoundUnknown, err
	}
	if err := x.prove(ctx); err != nil {
		return tunnel.BoundUnknown, err
	}
	if !measure {
		return "", nil
	}
	return x.measure(ctx)
}
