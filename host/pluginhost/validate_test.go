package pluginhost

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Settings are judged by the module before they are stored, by a process that is started for it if need be and ended with it.
func TestAModuleJudgesSettings(t *testing.T) {
	t.Parallel()
	r, ref := tested(t, "wait")
	judge := func(do string) (tunnel.Findings, error) {
		doc, _ := json.Marshal(orders{Do: do})
		return r.Validate(t.Context(), ref, doc)
	}
	if fs, err := judge("refuse smoking"); err != nil || len(fs) != 1 || fs[0].Field != "do" || fs[0].Message != "no smoking" {
		t.Errorf("it says %+v, %v", fs, err)
	}
	if fs, err := judge("wait"); err != nil || len(fs) > 0 {
		t.Errorf("of good ones it says %+v, %v", fs, err)
	}
	r.is("hello", Stopped, "")
	if _, err := judge("crash"); err == nil {
		t.Error("a process that ended says nothing")
	}
	if _, err := r.Validate(t.Context(), tunnel.ConfigurationRef{Module: "absent", Name: "default"}, nil); !errors.Is(err, tunnel.ErrNotFound) {
		t.Errorf("of no module: %v", err)
	}
}

// One that cannot judge is not started for it.
func TestAModuleWithoutAJudgement(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.install("untested", "")
	ref := tunnel.ConfigurationRef{Module: "untested", Name: "default"}
	r.run()
	r.is("untested", Stopped, "")
	if fs, err := r.Validate(t.Context(), ref, json.RawMessage(`{"do":"refuse"}`)); err != nil || len(fs) > 0 {
		t.Errorf("it says %+v, %v", fs, err)
	}
}
