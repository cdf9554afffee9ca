package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// steps are what a test or a check reports, as "name state".
func steps(all []control.Step) (texts []string) {
	for _, s := range all {
		texts = append(texts, s.Name+" "+s.State)
	}
	return texts
}

func TestATestReportsEachStep(t *testing.T) {
	d, c, ref := counters(t)
	step := func(name, state string) control.Step { return control.Step{Name: name, State: state} }
	for _, tt := range []struct {
		name  string
		steps []control.Step
		whole []string
		ok    bool
	}{
		{"all well", []control.Step{step("module", control.StepRunning), step("module", control.StepOK), step("bind", control.StepOK)}, []string{"module ok", "bind ok"}, true},
		{"a warning", []control.Step{step("module", control.StepOK), step("bind", control.StepWarning)}, []string{"module ok", "bind warning"}, true},
		{"nothing to try", []control.Step{step("module", control.StepOK), step("bind", control.StepSkipped)}, []string{"module ok", "bind skipped"}, true},
		{"one failed", []control.Step{step("bind", control.StepFailed), step("read", control.StepSkipped)}, []string{"bind failed", "read skipped"}, false},
		{"never decided", []control.Step{step("bind", control.StepRunning)}, []string{"bind running"}, false},
		{"nothing", nil, nil, false},
	} {
		d.Steps = tt.steps
		var live []control.Step
		out, err := c.TestConfiguration(t.Context(), ref, control.SettingsInput{}, func(s control.Step) { live = append(live, s) })
		if err != nil || !slices.Equal(steps(live), steps(tt.steps)) || !slices.Equal(steps(out.Steps), tt.whole) || out.OK != tt.ok {
			t.Errorf("%s: %v; live %q, then %q, ok %t", tt.name, err, steps(live), steps(out.Steps), out.OK)
		}
	}
}

// What is given with a test is read by the module's schema, like a change of the settings, and stored nowhere.
func TestATestOfOtherSettings(t *testing.T) {
	d, c, ref := counters(t)
	before := must(c.Configuration(t.Context(), ref))
	var docs []string
	d.OnTest = func(_ context.Context, _ tunnel.ConfigurationRef, doc json.RawMessage, _ func(control.Step)) error {
		docs = append(docs, string(doc))
		return nil
	}
	none := func(control.Step) {}
	for _, in := range []control.SettingsInput{{}, set("count.a", "7"), {Settings: json.RawMessage(`{"count":{"a":8}}`)}} {
		must(c.TestConfiguration(t.Context(), ref, in, none))
	}
	if want := []string{"", `{"count":{"a":7}}`, `{"count":{"a":8}}`}; !slices.Equal(docs, want) {
		t.Errorf("tested were %q, not %q", docs, want)
	}
	for _, in := range []control.SettingsInput{set("colour", "blue"), set("count.a", "many"), {Settings: json.RawMessage(`[]`)}} {
		if _, err := c.TestConfiguration(t.Context(), ref, in, none); err == nil {
			t.Errorf("%+v can be tested", in)
		}
	}
	if after := must(c.Configuration(t.Context(), ref)); after.Revision != before.Revision || string(after.Settings) != string(before.Settings) || len(docs) != 3 {
		t.Errorf("after the tests the configuration is %+v", after)
	}
}

func TestWhyThereIsNoTest(t *testing.T) {
	d, c, ref := counters(t)
	d.OnTest = func(context.Context, tunnel.ConfigurationRef, json.RawMessage, func(control.Step)) error {
		return tunnel.Findings{{Code: tunnel.Exists, Field: "configuration", Message: "a test is under way", WayOut: "wait"}}
	}
	var e *control.Error
	if _, err := c.TestConfiguration(t.Context(), ref, control.SettingsInput{}, nil); !errors.As(err, &e) || e.Status != 409 {
		t.Errorf("a second test is %+v", err)
	}
	absent := tunnel.ConfigurationRef{Module: "counters", Name: "absent"}
	if _, err := c.TestConfiguration(t.Context(), absent, control.SettingsInput{}, nil); !errors.As(err, &e) || e.Status != 404 {
		t.Errorf("the test of a configuration that is not there is %+v", err)
	}
}

// A test that nobody follows any more ends.
func TestATestEndsWithItsReader(t *testing.T) {
	d, c, ref := counters(t)
	ended := make(chan error, 1)
	d.OnTest = func(ctx context.Context, _ tunnel.ConfigurationRef, _ json.RawMessage, report func(control.Step)) error {
		report(control.Step{Name: "bind", State: control.StepRunning})
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := c.TestConfiguration(ctx, ref, control.SettingsInput{}, func(control.Step) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("its reader gets %v", err)
	}
	<-ended
}
