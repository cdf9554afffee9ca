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
		case m.refusalLocked() != nil:
			return true, m.refusalLocked()
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
// It returns before that has happened. Where nothing can be started, because no binary lies there, or another one than the
// accepted one, of which no copy is left, it refuses: what runs would end for nothing.
func (h *Host) Restart(name tunnel.Owner) error {
	m, err := h.installed(name)
	if err != nil {
		return err
	}
	m.update(func() {
		if err = m.refusalLocked(); err != nil {
			return
		}
		m.turn++
		m.restarts = 0
		if m.firstLocked() { // else it is an Accept that tries again
			m.mute = nil
		}
	})
	return err
}

// Log yields what the module wrote, oldest first; with follow then each new line until ctx ends, whose error comes last.
func (h *Host) Log(ctx context.Context, name tunnel.Owner, follow bool) iter.Seq2[string, error] {
	m, err := h.installed(name)
	if err != nil {
		return func(yield func(string, error) bool) { yield("", err) }
	}
	return m.log.ring.lines(ctx, follow)
}
