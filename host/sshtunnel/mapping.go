package sshtunnel

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// mapping is one mapping while a link carries it.
type mapping struct {
	tunnel.Mapping
	link    *Link
	traffic *traffic

	opening  chan struct{} // one token per client whose channel the server has not answered; of the reach kinds
	checking atomic.Int32  // channels of the host's own questions

	ctx context.Context // ends when the mapping is withdrawn or the link is gone; its connections end with it
	end context.CancelFunc

	remote *forward // of the expose kinds
	asked  bool     // for its remote port: only then connections from there are taken. Guarded by the link
}

func newMapping(l *Link, m tunnel.Mapping) *mapping {
	n := &mapping{Mapping: m, link: l, traffic: newTraffic(m)}
	if m.Kind.Reaches() {
		n.opening = make(chan struct{}, maxOpening)
	} else {
		n.remote = &forward{prover: newProver(l.config.Crossing, l.server, m.Remote.Port, l.config.Label+"/"+m.Name)}
	}
	n.ctx, n.end = context.WithCancel(l.ctx)
	return n
}

// Apply begins to carry m: Open opens connections to the target of a reach kind from now on, an expose kind asks the server
// for its port, unless whoever a proof met there is there still. Applied again it does nothing, unless m differs from the
// mapping of that name: then that one is withdrawn first. ServerBusy means that the server has not answered yet; a later
// Apply waits for the same answer.
func (l *Link) Apply(ctx context.Context, m tunnel.Mapping) error {
	n, err := l.adopt(ctx, m)
	if err != nil {
		return err
	}
	if m.Kind.Reaches() {
		return nil
	}
	if err = failure(n.stillShared(ctx)); err == nil {
		err = n.reserve(ctx)
	}
	var f *Failure
	if errors.As(err, &f) && f.Reason != tunnel.ServerBusy {
		l.drop(n)
	}
	return err
}

// adopt returns the mapping to work on: the one that is there, if it is m, else a new one in its place.
func (l *Link) adopt(ctx context.Context, m tunnel.Mapping) (*mapping, error) {
	if old, err := l.mapping(m.Name); err == nil {
		if old.Mapping == m {
			return old, nil
		}
		if err := l.Withdraw(ctx, m.Name); err != nil {
			return nil, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing || l.ctx.Err() != nil {
		return nil, l.gone()
	}
	if now := l.mappingLocked(m.Name); now != nil && now.Mapping == m {
		return now, nil
	}
	n := newMapping(l, m)
	l.mappings = append(slices.DeleteFunc(l.mappings, func(old *mapping) bool { return old.Name == m.Name }), n)
	return n, nil
}

// drop forgets n and ends its connections.
func (l *Link) drop(n *mapping) {
	l.mu.Lock()
	l.mappings = slices.DeleteFunc(l.mappings, func(m *mapping) bool { return m == n })
	n.asked = false
	l.mu.Unlock()
	n.end()
}

// Withdraw stops carrying the mapping of that name: its connections end, its port at the server is handed back. Other
// mappings notice nothing. A name that is not carried is fine. ServerBusy means that the server has not confirmed it yet; it
// was told all the same.
func (l *Link) Withdraw(ctx context.Context, name string) error {
	m, err := l.mapping(name)
	if err != nil {
		return nil
	}
	l.drop(m)
	return m.release(ctx)
}

// targetHost is where the SSH server connects to for a reach mapping; its own machine is asked for as localhost, which
// is what rules at the server compare with.
func (m *mapping) targetHost() string {
	if m.Remote.Host == "" {
		return "localhost"
	}
	return m.Remote.Host
}
