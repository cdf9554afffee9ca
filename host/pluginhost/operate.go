package pluginhost

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Unusable says why a module cannot be used now. Reason is "" where the machine is at fault, not the module.
type Unusable struct {
	Module  tunnel.Owner
	Reason  tunnel.Reason
	Message string
	Remedy  string
}

// Error names the module and what is wrong.
func (u *Unusable) Error() string { return fmt.Sprintf("module %s: %s", u.Module, u.Message) }

// Unwrap is the same as findings: what was asked is right in itself, and refused by how things are.
func (u *Unusable) Unwrap() error {
	return tunnel.Findings{{
		Code: tunnel.PolicyRefused, Value: string(u.Module), Message: u.Error(), WayOut: u.Remedy,
	}}
}

func (m *module) unusable(u *unusable) error {
	return &Unusable{Module: m.name, Reason: u.reason, Message: u.message, Remedy: u.remedy}
}

// notInstalled matches tunnel.ErrNotFound.
func notInstalled(name tunnel.Owner) error {
	return tunnel.Findings{{
		Code: tunnel.NotFound, Field: "module", Value: tunnel.Clean(string(name), 60),
		Message: fmt.Sprintf("there is no module %s in the plugin directory", tunnel.Clean(string(name), 60)),
		WayOut:  "culvert module list shows those there are",
	}}
}

// installed returns the module of that name, if there is anything of it.
func (h *Host) installed(name tunnel.Owner) (*module, error) {
	m := h.lookup(name)
	if m == nil {
		return nil, notInstalled(name)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.listedLocked() {
		return nil, notInstalled(name)
	}
	return m, nil
}

// Described waits until the module has described itself, at most as long as a start may take; with Look before, that is
// the binary of now. It returns nil as soon as an accepted binary is known, tunnel.ErrNotFound where no such module is
// installed, and an *Unusable where it cannot be used.
func (h *Host) Described(ctx context.Context, name tunnel.Owner) error {
	m, err := h.installed(name)
	if err != nil {
		return err
	}
	return m.wait(ctx, func() (bool, error) {
		switch {
		case m.pin != nil:
			return true, nil
		case !m.found.there:
			return true, notInstalled(name)
		case m.found.problem != nil:
			return true, m.unusable(m.found.problem)
		case m.otherLocked():
			return true, m.unusable(m.needsAcceptanceLocked())
		case m.mute != nil:
			return true, m.unusable(m.mute)
		}
		return false, nil
	})
}

// wait waits until done, which is called under m.mu, says so; at most about as long as a start may take.
func (m *module) wait(ctx context.Context, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, m.host.startTimeout+time.Second)
	defer cancel()
	for {
		m.mu.Lock()
		ok, err := done()
		changed := m.changed
		m.mu.Unlock()
		if ok {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("module %s: %w", m.name, ctx.Err())
		}
	}
}

// Restart ends the module's process, if it has one, and starts it again, if it shall run, with all backoff forgotten.
// It returns before that has happened. Where another binary lies in place of the accepted one, or one that cannot be
// used, it refuses: what runs would end, and nothing could be started.
func (h *Host) Restart(name tunnel.Owner) error {
	m, err := h.installed(name)
	if err != nil {
		return err
	}
	m.update(func() {
		switch {
		case m.otherLocked():
			err = m.unusable(m.needsAcceptanceLocked())
			return
		case m.found.problem != nil:
			err = m.unusable(m.found.problem)
			return
		}
		m.turn++
		m.restarts, m.mute = 0, nil
	})
	return err
}

// Accept makes the binary that lies under the name now the accepted one and restarts the module with it. before is the
// one accepted so far, zero where that is not known. by is operator:UID.
//
// It looks at the directory first, then starts the binary for its description, which nothing else does: until then the
// binary was only read. One that cannot be used is not accepted. Where none waits it is tunnel.ErrNotFound. When ctx ends
// before, the start is broken off.
func (h *Host) Accept(ctx context.Context, by string, name tunnel.Owner) (before, after Binary, err error) {
	if err := h.Look(ctx); err != nil {
		return before, after, err
	}
	m, err := h.installed(name)
	if err != nil {
		return before, after, err
	}
	if before, after, err = m.askPending(ctx); err != nil {
		return Binary{}, Binary{}, err
	}
	if err := h.cfg.Catalog.PinModule(ctx, by, name, after.SHA256, after.Description); err != nil {
		return before, after, err
	}
	m.update(func() {
		m.pin, m.lost, m.pending = &after, nil, nil
		m.turn++
		m.restarts = 0
	})
	return before, after, nil
}

// askPending has the binary that waits for acceptance describe itself.
func (m *module) askPending(ctx context.Context) (before, after Binary, err error) {
	m.update(func() {
		if m.asking++; m.asking == 1 && !m.firstLocked() {
			m.mute = nil
		}
	})
	defer m.update(func() { m.asking-- })
	return m.waitPending(ctx)
}

// waitPending waits for the description of the binary that waits for acceptance.
func (m *module) waitPending(ctx context.Context) (before, after Binary, err error) {
	err = m.wait(ctx, func() (bool, error) {
		switch {
		case m.found.problem != nil:
			return true, m.unusable(m.found.problem)
		case m.mute != nil:
			return true, m.unusable(m.mute)
		case m.firstLocked():
			return false, nil
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

// Log yields what the module wrote, oldest first; with follow then each new line until ctx ends, whose error comes last.
func (h *Host) Log(ctx context.Context, name tunnel.Owner, follow bool) iter.Seq2[string, error] {
	m, err := h.installed(name)
	if err != nil {
		return func(yield func(string, error) bool) { yield("", err) }
	}
	return m.log.ring.lines(ctx, follow)
}
