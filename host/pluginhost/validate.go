package pluginhost

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Validate asks the module what is wrong with doc as the settings of a configuration, which need not be there yet: what no
// schema can say. Nothing is stored. Where the module has no process, one is started and ended again.
//
// Findings are what is wrong, by doc's schema or by the module. Where the module has no opinion there are none. An *Unusable,
// or another error, is why it could not be asked.
func (h *Host) Validate(ctx context.Context, ref tunnel.ConfigurationRef, doc json.RawMessage) (tunnel.Findings, error) {
	m, err := h.installed(ref.Module)
	if err != nil || !m.validates() {
		return nil, err
	}
	settings, err := h.cfg.Catalog.CandidateSettings(ctx, ref, doc)
	var fs tunnel.Findings
	if errors.As(err, &fs) {
		return fs, nil
	}
	if err != nil {
		return nil, err
	}
	return m.validate(ctx, ref, settings)
}

// validates reports whether the accepted binary judges settings.
func (m *module) validates() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pin != nil && m.pin.Description.Can(tunnel.CapabilityValidator)
}

func (m *module) validate(ctx context.Context, ref tunnel.ConfigurationRef, settings json.RawMessage) (tunnel.Findings, error) {
	ctx, cancel := context.WithTimeout(ctx, m.host.startTimeout)
	defer cancel()
	m.update(func() {
		if !m.neededLocked() {
			m.problem = nil // of a process before; whether this one starts is seen anew
		}
		m.asked++
	})
	defer m.update(func() { m.asked-- })
	var r *running
	err := m.wait(ctx, func() (done bool, err error) {
		done, r, err = m.readyLocked()
		return done, err
	})
	if err != nil {
		return nil, err
	}
	return r.module.Validate(ctx, ref, settings)
}
