package sshtunnel

import (
	"context"
	"sync"

	"golang.org/x/crypto/ssh"
)

// bind is a remote port as the server is asked for it and as it names it in each connection from there. What is asked for
// by localhost, the server binds in both families.
type bind struct {
	Host string
	Port uint32
}

func (m *mapping) bind() bind {
	return bind{Host: m.ListenHost(), Port: uint32(m.Remote.Port)}
}

// forward is the remote port of an expose mapping.
type forward struct {
	mu     sync.Mutex
	grant  *grant // nil before the port is asked for and after it was handed back
	kept   *grant // refused because the server has the port for us already
	prover *prover
}

// grant is the server's answer to one request for the port.
type grant struct {
	answered chan struct{} // closed when it has come, or cannot come any more
	answer   answer
}

// reserve asks the server for the mapping's port, unless that is done, and waits for the answer until ctx ends.
func (m *mapping) reserve(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	g := m.request()
	select {
	case <-g.answered:
	case <-m.link.ctx.Done():
		return m.link.gone()
	case <-ctx.Done():
		return m.link.noAnswer("to open its port for a mapping")
	}
	switch a := g.answer; {
	case a.err != nil:
		return a.err
	case !a.yes:
		return m.refused(ctx, g)
	}
	return nil
}

// refused finds out why the port was not given. That it is ours already is as good as a yes: Dropbear does not take back
// what was handed back to it.
func (m *mapping) refused(ctx context.Context, g *grant) error {
	if f := m.link.refusedForward(ctx, m); f != nil {
		return f
	}
	m.remote.mu.Lock()
	m.remote.kept = g
	m.remote.mu.Unlock()
	return nil
}

// askAgain asks once more for a port that was refused and that nobody has: it may have come free in between, as that of our
// own last session does, and then no rule forbids it.
func (m *mapping) askAgain(ctx context.Context) (given bool, _ *Failure) {
	m.remote.mu.Lock()
	m.remote.grant = nil
	m.remote.mu.Unlock()
	g := m.request()
	select {
	case <-g.answered:
		if g.answer.err != nil {
			return false, m.link.gone()
		}
		return g.answer.yes, nil
	case <-ctx.Done():
		return false, m.link.noAnswer("to open its port for a mapping")
	}
}

// request returns the present grant, asking for one if there is none. The port is registered before it is asked for:
// the first connection from there may come before the answer.
func (m *mapping) request() *grant {
	f := m.remote
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.grant != nil {
		return f.grant
	}
	b := m.bind()
	m.link.register(m)
	g := &grant{answered: make(chan struct{})}
	reply := m.link.ask("tcpip-forward", ssh.Marshal(&b))
	f.grant = g
	started := m.link.spawn(func() {
		g.answer = <-reply
		if g.answer.yes {
			m.link.allowed()
		}
		close(g.answered)
	})
	if !started {
		g.answer = answer{err: m.link.gone()}
		close(g.answered)
	}
	return g
}

// release hands the port back, if there is one that the server has not refused, and waits until ctx ends for the server to
// confirm it.
func (m *mapping) release(ctx context.Context) error {
	f := m.remote
	if f == nil {
		return nil
	}
	f.mu.Lock()
	g := f.grant
	given := g != nil && (!isClosed(g.answered) || f.hasLocked(g))
	f.grant, f.kept = nil, nil
	f.mu.Unlock()
	if !given {
		return nil
	}
	b := m.bind()
	select {
	case a := <-m.link.ask("cancel-tcpip-forward", ssh.Marshal(&b)): // at the latest with the link
		return a.err
	case <-ctx.Done():
		return m.link.noAnswer("to close its port of a mapping")
	}
}

// renew hands the port back and asks for it again: where the server got it only in part, or lost it, the whole may be
// free by now. Connections that are open stay.
func (m *mapping) renew(ctx context.Context) error {
	if err := m.release(ctx); err != nil {
		return err
	}
	return m.reserve(ctx)
}

// granted reports whether the server has given the port.
func (f *forward) granted() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.grant != nil && isClosed(f.grant.answered) && f.hasLocked(f.grant)
}

// hasLocked reports whether g, which was answered, left us with the port.
func (f *forward) hasLocked(g *grant) bool { return g.answer.yes || f.kept == g }

// register has connections from m's port taken.
func (l *Link) register(m *mapping) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m.asked = true
}

// allowed notes that this login may listen at the server.
func (l *Link) allowed() {
	l.mu.Lock()
	l.forwards = true
	l.mu.Unlock()
}

// connects notes that this login may connect to some target.
func (l *Link) connects() {
	l.mu.Lock()
	l.opens = true
	l.mu.Unlock()
}
