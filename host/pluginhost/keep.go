package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// keep has the accepted binary run while a configuration is enabled or tested.
func (m *module) keep(ctx context.Context) {
	m.follow(ctx, m.dueLocked, func(turn context.Context, w want) {
		m.update(func() { m.problem = nil })
		keepTrying(turn, m.hurry, func(ctx context.Context, live func()) error { return m.serve(ctx, w, live) })
		m.update(func() { m.life, m.closed = dead, ctx.Err() != nil })
	})
}

// dueLocked is the binary that shall run. One that runs goes on whatever lies in its place now, until nothing does, and is
// started again from its copy.
func (m *module) dueLocked() want {
	switch {
	case m.pin == nil || !m.found.there || !m.neededLocked() || !m.confinedLocked(m.pin.SHA256):
		return want{}
	case m.life == starting || m.life == alive:
	case m.found.sha != m.pin.SHA256 && !m.copiedLocked():
		return want{}
	}
	return want{m.pin.SHA256, m.turn}
}

// serve is one process, from its start to its end. It returns when ctx has ended, or why the process ended.
func (m *module) serve(ctx context.Context, w want, live func()) error {
	m.update(func() {
		if m.problem != nil {
			m.restarts++
		}
		m.life, m.served, m.doors = starting, w.turn, newDoors(m.host, m.name)
	})
	defer m.doors.close()
	r, err := m.start(ctx, w.sha)
	if err == nil {
		live()
		m.update(func() { m.life, m.process, m.problem, m.contract = alive, r, nil, r.client.NegotiatedVersion() })
		err = m.runAll(ctx, r)
		m.update(func() { m.life = ending })
		r.end(termGrace)
	}
	if ctx.Err() != nil {
		m.update(func() { m.life, m.process = ending, nil }) // keep says what comes next
		return ctx.Err()
	}
	m.update(func() { m.life, m.process, m.problem = dead, nil, toUnusable(err) })
	m.host.cfg.Log.Warn("module ended", "module", m.name, "error", err)
	return err
}

func (m *module) start(ctx context.Context, sha string) (*running, error) {
	if err := m.dirs(); err != nil {
		return nil, err
	}
	if err := removeSockets(m.host.sockets.Listeners(m.name)); err != nil { // of a process before
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, m.host.startTimeout)
	defer cancel()
	granted, err := m.host.cfg.Catalog.Grants(ctx, m.name)
	if err != nil {
		return nil, err
	}
	return m.host.launch(ctx, m, sha, m.room(granted), func(ctx context.Context, w *wire.Module) error {
		return w.Connect(ctx, m.services(granted))
	})
}

// services is what this module's process alone can ask: the owner is bound here.
func (m *module) services(granted []tunnel.Grant) wire.HostServices {
	sockets := m.host.sockets
	return wire.HostServices{
		Owner:   m.name,
		Granted: granted,
		Service: m.host.cfg.Service(m.name),
		Refused: m.refused,
		SocketPath: func(_ context.Context, ref tunnel.Ref, mapping string) (string, error) {
			return sockets.Private(ref, mapping), nil
		},
		ListenPath: func(_ context.Context, ref tunnel.Ref, mapping string) (string, error) {
			return sockets.Own(ref, mapping), nil
		},
		Metrics:       m.host.Metrics,
		LocalDialPath: m.doors.dialPath, LocalListenPath: m.doors.listenPath,
	}
}

// How many refusals of one module the journal takes: a module must not be able to fill it.
const (
	refusedRate  = 10
	refusedBurst = 1000
)

// refused tells the journal that the module tried to change what is not its own.
func (m *module) refused(method string, ref tunnel.Ref) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.refusals.Allow() {
		m.unsaid++
		return
	}
	e := tunnel.Event{
		Time: time.Now().UTC(), Type: tunnel.Refused, Actor: "module:" + string(m.name), Subject: tunnel.Clean(ref.String(), 120),
		Reason: tunnel.Reason(tunnel.NotOwner), Message: tunnel.NotOwnerFinding(ref).Message, Fields: map[string]string{"call": method},
	}
	if m.unsaid > 0 {
		e.Fields["left_out"] = fmt.Sprint(m.unsaid)
		m.unsaid = 0
	}
	m.host.cfg.Tell(e)
}

// toUnusable gives any error the form of one that is shown; a plain one is the machine's, not the module's.
func toUnusable(err error) *unusable {
	var u *unusable
	if errors.As(err, &u) {
		return u
	}
	return &unusable{message: tunnel.Clean(err.Error(), 300), remedy: triedAgain}
}

// lasting reports whether another try with the same binary fails in the same way.
func lasting(err error) bool {
	switch toUnusable(err).reason {
	case tunnel.BinaryBroken, tunnel.NameMismatch, tunnel.ContractUnsupported:
		return true
	}
	return false
}
