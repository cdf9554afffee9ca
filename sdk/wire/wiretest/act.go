package wiretest

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

var (
	_ wire.Actor    = (*Binary)(nil)
	_ wire.Measurer = (*Binary)(nil)
)

// Act has the process that runs the configuration do an action or job. Without one it is tunnel.ErrNotFound.
func (b *Binary) Act(ctx context.Context, a wire.Act, report func(tunnel.ActReport)) (tunnel.Result, error) {
	p, err := b.running(a.Configuration)
	if err != nil {
		return tunnel.Result{}, err
	}
	r, err := p.module.Act(ctx, a, func(r tunnel.ActReport) error { report(r); return nil })
	return r, p.died(err)
}

// Jobs asks the process that runs the configuration.
func (b *Binary) Jobs(configuration string) ([]tunnel.JobStatus, error) {
	p, err := b.running(configuration)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), wire.CallTimeout)
	defer cancel()
	return p.module.Jobs(ctx, configuration)
}

// Metrics are those of all processes that run. One that does not answer measures nothing.
func (b *Binary) Metrics() (all []tunnel.MetricValues) {
	ctx, cancel := context.WithTimeout(context.Background(), wire.CallTimeout)
	defer cancel()
	b.mu.Lock()
	runs := maps.Clone(b.runs)
	b.mu.Unlock()
	for _, configuration := range slices.Sorted(maps.Keys(runs)) {
		of, err := runs[configuration].module.Metrics(ctx)
		if err == nil {
			all = joined(all, of)
		}
	}
	return all
}

// joined adds the series of one process to those of others.
func joined(all, of []tunnel.MetricValues) []tunnel.MetricValues {
	for _, m := range of {
		i := slices.IndexFunc(all, func(o tunnel.MetricValues) bool { return o.Name == m.Name })
		if i < 0 {
			all = append(all, m)
		} else {
			all[i].Series = append(all[i].Series, m.Series...)
		}
	}
	return all
}

// running is the process that runs a configuration.
func (b *Binary) running(configuration string) (*process, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.runs[configuration]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("configuration %s: %w", tunnel.Clean(configuration, tunnel.MaxName), tunnel.ErrNotFound)
}

// note notes the process that runs a configuration, or with nil that none does any more.
func (b *Binary) note(configuration string, p *process) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p == nil {
		delete(b.runs, configuration)
	} else {
		b.runs[configuration] = p
	}
}
