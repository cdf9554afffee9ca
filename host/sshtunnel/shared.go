package sshtunnel

import (
	"context"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// shares notes that somebody else has m's port too, or nil that nobody has. Who goes away is looked for before the port is
// asked for again: a proof alone would tell, and while it takes its time what the server gives of the port is open to all,
// half of them for another program.
func (m *mapping) shares(f *Failure) {
	l := m.link
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.shared, m.Remote.Port)
	if f == nil {
		return
	}
	if l.shared == nil {
		l.shared = map[int]*Failure{}
	}
	l.shared[m.Remote.Port] = f
}

// stillShared is why m's port is not asked for: whoever a proof met there beside us is there, though we have handed it back.
func (m *mapping) stillShared(ctx context.Context) *Failure {
	l := m.link
	l.mu.Lock()
	f := l.shared[m.Remote.Port]
	l.mu.Unlock()
	if f == nil || m.remote.granted() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, inquiryTimeout)
	defer cancel()
	l.register(m) // a server that does not take ports back connects us with ourselves
	t := m.inquire()
	defer l.config.Crossing.settle(m.Remote.Port, t.nonce)
	for _, host := range slices.Concat(loopbacks, m.holders()[1:]) {
		ch, err := m.openForCheck(ctx, host, t.send)
		if err != nil {
			continue // nobody there, or nobody knows
		}
		asked, cancel := context.WithTimeout(ctx, wordsTimeout)
		found := m.meetAt(asked, ch, t)
		cancel()
		switch found.verdict {
		case stranger, elsewhere, noReturn:
			return f
		}
	}
	m.shares(nil)
	return nil
}

// sharedWith is f where it says that a port which the server gave is another's too.
func sharedWith(f *Failure) *Failure {
	if f != nil && f.Reason == tunnel.RemotePortHeld {
		return f
	}
	return nil
}
