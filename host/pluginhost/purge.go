package pluginhost

import (
	"context"
	"path/filepath"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// purge removes the directories of configurations that the operator wants gone, each once no run, no test and no process
// that is about to end uses it any more.
func (m *module) purge(ctx context.Context) {
	for {
		name, changed := m.purgeable()
		if name == "" {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return
			}
		}
		dir := filepath.Join(m.host.stateDir(m.name), name)
		if err := m.host.discard(dir); err != nil {
			m.host.cfg.Log.Error("what a module kept for a configuration is not all gone",
				"configuration", tunnel.ConfigurationRef{Module: m.name, Name: name}, "directory", dir, "error", err)
		}
		m.update(func() { delete(m.purges, name) })
	}
}

// purgeable is a configuration whose directory can go now, "" where there is none.
func (m *module) purgeable() (name string, changed <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.life == ending || m.life != dead && (!m.neededLocked() || m.served != m.turn) {
		return "", m.changed
	}
	for name := range m.purges {
		if m.active[name] == nil && m.testing != name {
			return name, nil
		}
	}
	return "", m.changed
}
