package pluginhost

import (
	"context"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Bounds of asking the modules what they measure.
const (
	metricsPatience = 2 * time.Second // for a module to answer
	metricsAge      = time.Second     // that an answer may have: who asks more often gets the same
)

// measured is what the modules measured last.
type measured struct {
	asking sync.Mutex // one asks the modules; the others wait, and take what it got
	at     time.Time
	all    []tunnel.ModuleMetrics
}

// Metrics is what every module measures that runs and measures something, by name. A module that does not answer in time,
// or breaks the rules, is listed without being OK; its log says why.
func (h *Host) Metrics(ctx context.Context) ([]tunnel.ModuleMetrics, error) {
	h.measured.asking.Lock()
	defer h.measured.asking.Unlock()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if time.Since(h.measured.at) >= metricsAge {
		h.measured.all = h.measure()
		h.measured.at = time.Now()
	}
	return h.measured.all, nil
}

// measure asks all modules at once, whoever wants to know.
func (h *Host) measure() []tunnel.ModuleMetrics {
	ctx, cancel := context.WithTimeout(context.Background(), metricsPatience)
	defer cancel()
	var asked []*tunnel.ModuleMetrics
	var wg sync.WaitGroup
	for _, m := range h.all() {
		r := m.measures()
		if r == nil {
			continue
		}
		out := &tunnel.ModuleMetrics{Module: m.name}
		asked = append(asked, out)
		wg.Go(func() {
			all, err := r.module.Metrics(ctx)
			if err != nil {
				m.log.say("what it measures is left out: %s", tunnel.Clean(err.Error(), 300))
				return
			}
			out.OK, out.Metrics = true, all
		})
	}
	wg.Wait()
	all := make([]tunnel.ModuleMetrics, len(asked))
	for i, m := range asked {
		all[i] = *m
	}
	return all
}

// measures is the module's process, where it runs and measures something.
func (m *module) measures() *running {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.life != alive || m.pin == nil || !m.pin.Description.Can(tunnel.CapabilityMetrics) {
		return nil
	}
	return m.process
}
