package controltest

import (
	"context"
	"slices"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Act does what the test has set, and otherwise nothing, which is well.
func (m modules) Act(ctx context.Context, a control.Ask, report func(tunnel.ActReport)) (tunnel.Result, error) {
	m.f.called(a.By, "act %s %s%s dry %t %s", a.Of, a.Action, a.Job, a.DryRun, a.Arguments)
	if m.f.OnAct != nil {
		return m.f.OnAct(ctx, a, report)
	}
	return tunnel.Result{Outcome: tunnel.ResultOK}, nil
}

func (m modules) Jobs(ctx context.Context) ([]control.ConfigurationJobs, error) {
	if m.f.OnJobs != nil {
		m.f.OnJobs(ctx)
	}
	return slices.Clone(m.f.AllJobs), nil
}
