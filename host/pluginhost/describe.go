package pluginhost

import (
	"context"
	"errors"
	"fmt"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// describe gets to know every binary that lies under the module's name: a process is started for its description alone.
// The first one is accepted by that, another waits for the operator.
func (m *module) describe(ctx context.Context) {
	m.follow(ctx, m.unknownLocked, func(ctx context.Context, w want) {
		keepTrying(ctx, func(ctx context.Context, _ func()) error { return m.describeOnce(ctx, w.sha) })
	})
}

// unknownLocked is the binary that lies there and has not described itself yet.
func (m *module) unknownLocked() want {
	sha := m.found.sha
	if sha == "" || m.pin != nil && m.pin.SHA256 == sha || m.pending != nil && m.pending.SHA256 == sha {
		return want{}
	}
	return want{sha, m.turn}
}

func (m *module) describeOnce(ctx context.Context, sha string) error {
	d, err := m.ask(ctx, sha)
	if err == nil {
		err = m.introduce(ctx, Binary{SHA256: sha, Description: d})
	}
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	m.host.cfg.Log.Warn("module does not describe itself", "module", m.name, "error", err)
	m.update(func() { m.mute = toUnusable(err) })
	return err
}

// ask starts the binary for its description and ends it again.
func (m *module) ask(ctx context.Context, sha string) (d tunnel.Description, err error) {
	if err := m.dirs(); err != nil {
		return d, err
	}
	ctx, cancel := context.WithTimeout(ctx, m.host.startTimeout)
	defer cancel()
	r, err := m.host.launch(ctx, m, sha, func(ctx context.Context, w *wire.Module) error {
		if d, err = w.Describe(ctx); err == nil {
			err = m.check(d)
		}
		return badDescription(err)
	})
	if err != nil {
		return d, err
	}
	r.end(termGrace)
	return d, nil
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
	if err := settings.CheckSchema(d.Schema); err != nil {
		return tunnel.Finding{Code: tunnel.Malformed, Field: "schema", Message: tunnel.Clean(err.Error(), 200)}
	}
	return nil
}

// badDescription makes what breaks a rule a broken binary; other errors are the connection's or the registry's.
func badDescription(err error) error {
	if !errors.Is(err, tunnel.ErrInvalid) {
		return err
	}
	return &unusable{tunnel.BinaryBroken, "its description breaks the rules: " + tunnel.Clean(err.Error(), 300), "the module's author can mend it"}
}

// introduce accepts the first binary, and has another one wait.
func (m *module) introduce(ctx context.Context, b Binary) error {
	m.mu.Lock()
	first := m.pin == nil && m.lost == nil
	m.mu.Unlock()
	if first {
		if err := m.host.cfg.Catalog.PinModule(ctx, "host", m.name, b.SHA256, b.Description); err != nil {
			return badDescription(err)
		}
	}
	m.update(func() {
		m.mute = nil
		if first {
			m.pin = &b
		} else {
			m.pending = &b
		}
	})
	return nil
}
