package pluginhost

import (
	"context"
	"errors"
	"os"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// attempted is what a copy was last sought of, and whether it could be made.
type attempted struct {
	want
	there bool
}

// preserve keeps a copy of the accepted binary, as long as something lies under the module's name.
func (m *module) preserve(ctx context.Context) {
	m.follow(ctx, m.uncopiedLocked, func(ctx context.Context, w want) {
		m.mu.Lock()
		there := m.found.sha == w.sha
		m.mu.Unlock()
		err := m.host.keepCopy(ctx, m.name, w.sha, there)
		if ctx.Err() != nil {
			return
		}
		m.update(func() {
			m.attempt, m.kept, m.unkept = attempted{w, there}, "", err
			if err == nil && m.found.there { // else it goes with the next look
				m.kept = w.sha
			}
		})
	})
}

// uncopiedLocked is the binary of which a copy shall be found, or made.
func (m *module) uncopiedLocked() want {
	if m.host.copies.limit == 0 || m.pin == nil || !m.found.there || m.kept == m.pin.SHA256 {
		return want{}
	}
	w := want{m.pin.SHA256, m.turn}
	if m.attempt == (attempted{w, m.found.sha == w.sha}) {
		return want{}
	}
	return w
}

// keepCopy finds a copy of the binary with that checksum, or makes it where the binary lies in the plugin directory.
func (h *Host) keepCopy(ctx context.Context, name tunnel.Owner, sha string, there bool) error {
	f, err := h.copies.open(ctx, name, sha)
	if err == nil || !there {
		f.Close()
		return err
	}
	if f, err = h.openPinned(ctx, name, sha); err != nil {
		return err
	}
	defer f.Close()
	return h.copies.keep(ctx, f, name, sha)
}

// copiedLocked reports whether there is a copy of the accepted binary.
func (m *module) copiedLocked() bool { return m.pin != nil && m.kept == m.pin.SHA256 }

// openBinary opens the binary with that checksum: in the plugin directory, or its copy where another lies there.
func (m *module) openBinary(ctx context.Context, sha string) (*os.File, error) {
	m.mu.Lock()
	copied, there := m.kept == sha, m.found.sha == sha
	m.mu.Unlock()
	if there || !copied {
		f, err := m.host.openPinned(ctx, m.name, sha)
		var u *unusable
		if err == nil || !copied || !errors.As(err, &u) || u.reason != tunnel.NeedsAcceptance {
			return f, err
		}
	}
	f, err := m.host.copies.open(ctx, m.name, sha)
	if err != nil && ctx.Err() == nil {
		m.update(func() { m.kept, m.attempt = "", attempted{} })
		err = &unusable{tunnel.NeedsAcceptance, "the copy of the accepted binary cannot be used: " + tunnel.Clean(err.Error(), 200), "culvert module accept " + string(m.name)}
	}
	return f, err
}
