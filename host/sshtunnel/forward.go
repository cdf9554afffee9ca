package sshtunnel

import (
	"context"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/ssh"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// bind is a remote port as the server is asked for it and as it names it in each connection from there. The address is
// always "localhost" for expose, which the server binds in both families, and empty for all addresses.
type bind struct {
	Host string
	Port uint32
}

func (m *mapping) bind() bind {
	b := bind{Host: "localhost", Port: uint32(m.Remote.Port)}
	if m.Kind == tunnel.ExposeGateway {
		b.Host = ""
	}
	return b
}

// forward is the remote port of an expose mapping.
type forward struct {
	once     sync.Once
	sent     atomic.Bool
	answered chan struct{} // closed once the server has said yes or no
	answer   answer
	prover   prover
}

func newForward() *forward { return &forward{answered: make(chan struct{}), prover: newProver()} }

// reserve asks the server for the mapping's port, once, and waits for the answer until ctx ends.
func (m *mapping) reserve(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	m.remote.once.Do(m.request)
	select {
	case <-m.remote.answered:
	case <-m.link.ctx.Done():
		return m.link.gone()
	case <-ctx.Done():
		return serverBusy("to open its port for a mapping")
	}
	switch a := m.remote.answer; {
	case a.err != nil:
		return a.err
	case !a.yes:
		return m.link.refusedForward(ctx, m)
	}
	return nil
}

// request registers the port before asking for it: the first connection from there may come before the answer.
func (m *mapping) request() {
	b := m.bind()
	m.link.mu.Lock()
	if !m.link.closing {
		m.link.asked[b] = m
	}
	m.link.mu.Unlock()
	m.remote.sent.Store(true)
	reply := m.link.ask("tcpip-forward", ssh.Marshal(&b))
	settle := func() {
		m.remote.answer = <-reply
		if m.remote.answer.yes {
			m.link.allowed()
		}
		close(m.remote.answered)
	}
	if !m.link.spawn(settle) {
		m.remote.answer = answer{err: m.link.gone()}
		close(m.remote.answered)
	}
}

// release hands the port of an expose mapping back, unless the server refused it. Requests are answered in their order,
// so it needs not wait for the answer to the port's own request.
func (l *Link) release(ctx context.Context, m *mapping) error {
	if !m.Kind.Exposes() || !m.asked() {
		return nil
	}
	b := m.bind()
	select {
	case a := <-l.ask("cancel-tcpip-forward", ssh.Marshal(&b)): // at the latest with the link
		return a.err
	case <-ctx.Done():
		return serverBusy("to close its port of a mapping")
	}
}

// asked reports whether the server has, or may yet give, the port.
func (m *mapping) asked() bool {
	if !m.remote.sent.Load() {
		return false
	}
	select {
	case <-m.remote.answered:
		return m.remote.answer.yes
	default:
		return true
	}
}

// allowed notes that this login may do something with ports.
func (l *Link) allowed() {
	l.mu.Lock()
	l.forwards = true
	l.mu.Unlock()
}
