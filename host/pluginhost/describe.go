package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// describe gets to know the binaries under the module's name: a process is started for its description alone. The first
// one is accepted by that, and tried until it succeeds. Another one waits for the operator, and is tried once for each
// Accept.
func (m *module) describe(ctx context.Context) {
	m.follow(ctx, m.unknownLocked, func(ctx context.Context, w want) {
		m.mu.Lock()
		first := m.firstLocked()
		m.mu.Unlock()
		if !first {
			_ = m.describeOnce(ctx, w.sha) // its failure is m.mute
			return
		}
		keepTrying(ctx, nil, func(ctx context.Context, _ func()) error { return m.describeOnce(ctx, w.sha) })
	})
}

// unknownLocked is the binary that lies there and shall be started to describe itself.
func (m *module) unknownLocked() want {
	switch {
	case m.found.sha == "", !m.firstLocked() && !m.otherLocked(), m.pending != nil && m.pending.SHA256 == m.found.sha:
		return want{}
	case !m.firstLocked() && !m.mayDescribeLocked(), !m.confinedLocked(m.found.sha):
		return want{}
	}
	return want{m.found.sha, m.turn}
}

// mayDescribeLocked reports whether another binary than the accepted one may be started for its description: only as
// part of an Accept, for however it is confined, nobody has asked for it.
func (m *module) mayDescribeLocked() bool { return m.asking > 0 && m.mute == nil }

func (m *module) describeOnce(ctx context.Context, sha string) error {
	d, err := m.ask(ctx, sha)
	if err == nil {
		err = m.introduce(ctx, Binary{SHA256: sha, Description: d})
	}
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	m.host.cfg.Log.Warn("module does not describe itself", "module", m.name, "error", err)
	m.refuse(sha, toUnusable(err))
	return err
}

// refuse notes why the binary with that checksum does not describe itself. Where it lies in the place of the accepted one,
// nobody tries it again unasked, and the daemon after this one knows it too.
func (m *module) refuse(sha string, why *unusable) {
	var r rejected
	var first bool
	m.update(func() {
		if first = m.firstLocked(); !first {
			why = why.asked(m.name)
		}
		r = rejected{sha, why.reason, why.message, why.remedy}
		m.mute, m.rejected = why, r
	})
	if first {
		return
	}
	if err := m.host.copies.refuse(m.name, r); err != nil {
		m.host.cfg.Log.Warn("why a binary cannot be used is not kept", "module", m.name, "error", err)
	}
}

// ask starts the binary for its description and ends it again. Nobody has accepted it, so it has nothing of the module's:
// it lives in an empty directory that goes with it, and has no sockets but its wire.
func (m *module) ask(ctx context.Context, sha string) (d tunnel.Description, err error) {
	dir, err := m.host.emptyDir()
	if err != nil {
		return d, err
	}
	defer m.host.tidy(dir)
	ctx, cancel := context.WithTimeout(ctx, m.host.startTimeout)
	defer cancel()
	r, err := m.host.launch(ctx, m, sha, room{dir: dir, temp: dir}, func(ctx context.Context, w *wire.Module) error {
		if d, err = w.Describe(ctx); err == nil {
			err = m.check(d)
		}
		return badDescription(err)
	})
	if err != nil {
		return d, err
	}
	d.Contract = r.client.NegotiatedVersion()
	r.end(termGrace)
	return d, nil
}

// emptyDir makes a directory for one process that describes itself.
func (h *Host) emptyDir() (string, error) {
	if err := os.MkdirAll(h.describeDir(), 0o700); err != nil {
		return "", err
	}
	return os.MkdirTemp(h.describeDir(), "")
}

// check says what is wrong with what a foreign process says of itself.
func (m *module) check(d tunnel.Description) error {
	if d.Name != string(m.name) {
		return &unusable{
			tunnel.NameMismatch,
			fmt.Sprintf("it calls itself %q, and its file is called %s", tunnel.Clean(d.Name, tunnel.MaxName), m.name),
			"give the file the name that the module has",
		}
	}
	if fs := tunnel.CheckDescription(d); len(fs) > 0 {
		return fs
	}
	if err := settings.CheckModule(d); err != nil {
		return tunnel.Finding{Code: tunnel.Malformed, Field: "schema", Message: tunnel.Clean(err.Error(), 200)}
	}
	return nil
}

// badDescription makes what breaks a rule, whichever and however many, a broken binary; other errors are the connection's
// or the registry's.
func badDescription(err error) error {
	if !errors.As(err, new(tunnel.Finding)) && !errors.As(err, new(tunnel.Findings)) {
		return err
	}
	broken := strings.ReplaceAll(err.Error(), "\n", "; ")
	return &unusable{tunnel.BinaryBroken, "its description breaks the rules: " + tunnel.Clean(broken, 300), "the module's author can mend it"}
}

// introduce accepts the first binary, and has another one wait.
func (m *module) introduce(ctx context.Context, b Binary) error {
	m.mu.Lock()
	first := m.firstLocked()
	m.mu.Unlock()
	if first {
		if err := m.host.cfg.Catalog.PinModule(ctx, "host", m.name, b.SHA256, b.Description); err != nil {
			return badDescription(err)
		}
	}
	m.host.copies.forgive(m.name)
	m.update(func() {
		m.mute, m.rejected = nil, rejected{}
		switch {
		case first:
			m.pin = &b
		case m.found.sha == b.SHA256: // else a look saw yet another one meanwhile
			m.pending = &b
		}
	})
	return nil
}
