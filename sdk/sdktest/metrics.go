package sdktest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// Metrics is what the module measures, of all configurations that run, as the host asks for it. What breaks the rules of metrics
// fails the test.
func (w *World) Metrics() []tunnel.MetricValues {
	w.t.Helper()
	all := w.measured()
	if err := tunnel.CheckMetrics(all); err != nil {
		w.t.Errorf("metrics of %s: %v", w.owner(), err)
	}
	return all
}

func (w *World) measured() []tunnel.MetricValues {
	if m, ok := w.module.(wire.Measurer); ok {
		return m.Metrics()
	}
	return nil
}

// Scrape is the page on which module monitoring shows what the module measures, a line for each series:
// culvert_adsync_users{configuration="default",state="active"} 12
func (w *World) Scrape() string {
	w.t.Helper()
	var page strings.Builder
	for _, m := range w.Metrics() {
		for _, s := range m.Series {
			labels := []string{"configuration=" + strconv.Quote(s.Configuration)}
			for i, l := range m.Labels {
				labels = append(labels, l+"="+strconv.Quote(s.Values[i]))
			}
			fmt.Fprintf(&page, "%s{%s} %v\n", seenAs(w.owner(), m.Name), strings.Join(labels, ","), s.Value)
		}
	}
	return page.String()
}

// seenAs is what a metric is called outside.
func seenAs(module tunnel.Owner, name string) string {
	return "culvert_" + strings.ReplaceAll(string(module), "-", "_") + "_" + name
}

// AddMetrics has another module measure something, for a module that shows what all measure.
func (w *World) AddMetrics(m tunnel.ModuleMetrics) {
	w.sites.change(func() {
		w.sites.measured = slices.DeleteFunc(slices.Clone(w.sites.measured), func(o tunnel.ModuleMetrics) bool { return o.Module == m.Module })
		w.sites.measured = append(w.sites.measured, m)
		slices.SortFunc(w.sites.measured, func(a, b tunnel.ModuleMetrics) int { return strings.Compare(string(a.Module), string(b.Module)) })
	})
}

// ModuleMetrics are those of the modules that the test added, and the module's own.
func (h host) ModuleMetrics(ctx context.Context) ([]tunnel.ModuleMetrics, error) {
	if own := h.w.measured(); len(own) > 0 {
		h.w.AddMetrics(tunnel.ModuleMetrics{Module: h.ref.Module, OK: true, Metrics: own})
	}
	h.w.sites.mu.Lock()
	defer h.w.sites.mu.Unlock()
	return slices.Clone(h.w.sites.measured), ctx.Err()
}

func (l *line) ModuleMetrics(ctx context.Context) (all []tunnel.ModuleMetrics, err error) {
	err = l.call(ctx, func(ctx context.Context) (err error) { all, err = l.host.ModuleMetrics(ctx); return })
	return all, err
}
