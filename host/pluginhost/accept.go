package pluginhost

import (
	"context"
	"fmt"

	"github.com/culvert-pbx/culvert/host/pluginhost/sandbox"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Accept makes the binary that lies under the name now the accepted one and restarts the module with it. before is the
// one accepted so far, zero where that is not known. by is operator:UID.
//
// It looks at the directory first, then starts the binary for its description, which nothing else does: until then the
// binary was only read. One that cannot be used is not accepted. Where none waits it is tunnel.ErrNotFound. When ctx ends
// before, the start is broken off.
//
// Where nothing confines modules it is an *Unusable, of reason unsandboxed, unless unsandboxed says that the binary may
// run all the same: then the accepted one, which has waited for that, is accepted again. Elsewhere unsandboxed is
// refused, so that nobody takes it for a way out of the sandbox.
func (h *Host) Accept(ctx context.Context, by string, name tunnel.Owner, unsandboxed bool) (before, after Binary, err error) {
	if err := h.Look(ctx); err != nil {
		return before, after, err
	}
	m, err := h.installed(name)
	if err != nil {
		return before, after, err
	}
	if err := m.checkTrust(unsandboxed); err != nil {
		return before, after, err
	}
	if before, after, err = m.askPending(ctx, unsandboxed); err != nil {
		return Binary{}, Binary{}, err
	}
	if err := h.pin(ctx, by, name, after, unsandboxed); err != nil {
		return before, after, err
	}
	m.update(func() {
		m.pin, m.lost, m.pending = &after, nil, nil
		m.trusted = ""
		if unsandboxed {
			m.trusted = after.SHA256
		}
		m.turn++
		m.restarts, m.contract = 0, 0
	})
	return before, after, nil
}

func (h *Host) pin(ctx context.Context, by string, name tunnel.Owner, b Binary, unsandboxed bool) error {
	err := h.cfg.Catalog.PinModule(ctx, by, name, b.SHA256, b.Description)
	if err == nil && unsandboxed {
		err = h.cfg.Catalog.AllowUnsandboxed(ctx, by, name, b.SHA256)
	}
	return err
}

// checkTrust says what is wrong with accepting, or not accepting, that a binary runs unconfined.
func (m *module) checkTrust(unsandboxed bool) error {
	level := m.host.support.Level()
	switch {
	case level == sandbox.None && !unsandboxed:
		return m.unusable(m.unconfined())
	case level != sandbox.None && unsandboxed:
		return tunnel.Findings{{
			Code: tunnel.PolicyRefused, Field: "unsandboxed", Value: string(m.name),
			Message: fmt.Sprintf("modules are confined on this machine (sandbox %s), and %s would be too", level, m.name),
			WayOut:  "leave --unsandboxed out",
		}}
	}
	return nil
}

// confinedLocked reports whether the binary with that checksum may run as modules are confined here: where nothing
// confines them, only one for which the operator said so.
func (m *module) confinedLocked(sha string) bool {
	return m.host.support.Level() != sandbox.None || m.trusting > 0 || sha == "" || sha == m.trusted
}

// unconfined is why a module does not run where nothing confines it.
func (m *module) unconfined() *unusable {
	why, remedy := m.host.support.Lack()
	return &unusable{
		tunnel.Unsandboxed, why,
		remedy + "; or, if you trust the module like the daemon itself: culvert module accept " + string(m.name) + " --unsandboxed",
	}
}

// askPending has the binary that waits for acceptance describe itself.
func (m *module) askPending(ctx context.Context, unsandboxed bool) (before, after Binary, err error) {
	trust := 0
	if unsandboxed {
		trust = 1
	}
	m.update(func() {
		if m.asking++; m.asking == 1 && !m.firstLocked() {
			m.mute = nil
		}
		m.trusting += trust
	})
	defer m.update(func() { m.asking--; m.trusting -= trust })
	return m.waitPending(ctx, unsandboxed)
}

// waitPending waits for the description of the binary that waits for acceptance; with again that may be the accepted one.
func (m *module) waitPending(ctx context.Context, again bool) (before, after Binary, err error) {
	err = m.wait(ctx, func() (bool, error) {
		switch {
		case m.found.problem != nil:
			return true, m.unusable(m.found.problem)
		case m.mute != nil:
			return true, m.unusable(m.mute)
		case m.firstLocked():
			return false, nil
		case !m.otherLocked() && again:
			before, after = *m.pin, *m.pin
			return true, nil
		case !m.otherLocked():
			return true, tunnel.Findings{{
				Code: tunnel.NotFound, Field: "module", Value: string(m.name),
				Message: fmt.Sprintf("no other binary of %s waits for acceptance", m.name), WayOut: "nothing needs to be done",
			}}
		case m.pending == nil:
			return false, nil
		}
		if m.pin != nil {
			before = *m.pin
		}
		after = *m.pending
		return true, nil
	})
	return before, after, err
}
