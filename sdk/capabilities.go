package sdk

import (
	"fmt"
	"reflect"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// capabilities adds what the module can do besides Run.
func (p plugin[S]) capabilities(d *tunnel.Description) (err error) {
	if err := p.misspelt(); err != nil {
		return err
	}
	if _, ok := p.module.(Tester[S]); ok {
		d.Capabilities = append(d.Capabilities, tunnel.CapabilityTester)
	}
	if judges, err := validator[S](); err != nil {
		return err
	} else if judges {
		d.Capabilities = append(d.Capabilities, tunnel.CapabilityValidator)
	}
	if a, ok := p.module.(Actor[S]); ok {
		d.Capabilities = append(d.Capabilities, tunnel.CapabilityActions)
		if d.Actions, err = describeActions(a.Actions()); err != nil {
			return err
		}
	}
	if w, ok := p.module.(Worker[S]); ok {
		d.Capabilities = append(d.Capabilities, tunnel.CapabilityJobs)
		if d.Jobs, err = describeJobs(w.Jobs()); err != nil {
			return err
		}
	}
	if len(p.metrics()) > 0 {
		d.Capabilities = append(d.Capabilities, tunnel.CapabilityMetrics)
	}
	for _, m := range p.metrics() {
		if err := tunnel.CheckMetric(m); err != nil {
			return err
		}
	}
	return nil
}

// misspelt says which method looks like one of a capability and is another, the author's mistake.
func (p plugin[S]) misspelt() error {
	_, tester := p.module.(Tester[S])
	_, actor := p.module.(Actor[S])
	_, worker := p.module.(Worker[S])
	_, measurer := p.module.(Measurer)
	for _, c := range []struct {
		method, of string
		has        bool
	}{
		{"Test", "sdk.Tester", tester}, {"Actions", "sdk.Actor", actor}, {"Jobs", "sdk.Worker", worker}, {"Metrics", "sdk.Measurer", measurer},
	} {
		if m, ok := reflect.TypeOf(p.module).MethodByName(c.method); ok && !c.has {
			return fmt.Errorf("its method %s is %v, not that of %s", c.method, m.Type, c.of)
		}
	}
	return nil
}

func (p plugin[S]) actions() []Action[S] {
	if a, ok := p.module.(Actor[S]); ok {
		return a.Actions()
	}
	return nil
}

func (p plugin[S]) jobs() []Job[S] {
	if w, ok := p.module.(Worker[S]); ok {
		return w.Jobs()
	}
	return nil
}

// metrics are the module's own and those of its jobs.
func (p plugin[S]) metrics() (all []Metric) {
	if m, ok := p.module.(Measurer); ok {
		all = m.Metrics()
	}
	if len(p.jobs()) > 0 {
		all = append(all[:len(all):len(all)], jobMetrics...)
	}
	return all
}

// stays reports whether a run goes on when Run has returned without an error: there is something that can still be asked of
// it.
func (p plugin[S]) stays() bool { return len(p.jobs()) > 0 || len(p.actions()) > 0 }
