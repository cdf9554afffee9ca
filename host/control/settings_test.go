package control_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/host/control/controltest"
	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// counters is a module with a map of numbers for settings.
func counters(t *testing.T) (*controltest.Daemon, *control.Client, tunnel.ConfigurationRef) {
	t.Helper()
	type options struct {
		Count map[string]int `json:"count"`
	}
	d := controltest.Start(t)
	d.Module(t, tunnel.Description{Name: "counters", Version: "v1", Schema: must(settings.Schema(reflect.TypeFor[options]()))})
	c := control.NewClient(d.Socket)
	t.Cleanup(c.Close)
	must(c.AddConfiguration(t.Context(), control.NewConfiguration{Module: "counters", Name: "default"}))
	return d, c, tunnel.ConfigurationRef{Module: "counters", Name: "default"}
}

func set(key, value string) control.SettingsInput {
	return control.SettingsInput{Set: []control.Setting{{Key: key, Value: value}}}
}

// Changes of different settings made at the same time all stay.
func TestConcurrentChangesAllStay(t *testing.T) {
	_, c, ref := counters(t)
	const n = 4
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if _, err := c.SetConfiguration(t.Context(), ref, control.ConfigurationEdit{SettingsInput: set(fmt.Sprintf("count.k%d", i), fmt.Sprint(i))}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var got struct{ Count map[string]int }
	if err := json.Unmarshal(must(c.Configuration(t.Context(), ref)).Settings, &got); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if v, ok := got.Count[fmt.Sprintf("k%d", i)]; !ok || v != i {
			t.Errorf("k%d is %d %t", i, v, ok)
		}
	}
}

// An edit that names the revision it is based on is refused once somebody else has written.
func TestStaleEditIsRefused(t *testing.T) {
	_, c, ref := counters(t)
	edit := control.ConfigurationEdit{SettingsInput: set("count.a", "1"), IfRevision: must(c.Configuration(t.Context(), ref)).Revision}
	must(c.SetConfiguration(t.Context(), ref, edit))
	edit.SettingsInput = set("count.a", "2")
	if _, err := c.SetConfiguration(t.Context(), ref, edit); !errors.Is(err, tunnel.ErrStaleRevision) {
		t.Errorf("a stale edit: %v", err)
	}
	if s := string(must(c.Configuration(t.Context(), ref)).Settings); s != `{"count":{"a":1}}` {
		t.Error(s)
	}
}

// All that is wrong with an edit is said at once, and nothing of it is stored.
func TestEditIsAllOrNothing(t *testing.T) {
	_, c, ref := counters(t)
	in := control.SettingsInput{Set: []control.Setting{{Key: "count.a", Value: "1"}, {Key: "count.b", Value: "x"}, {Key: "nothing", Value: "1"}}, Unset: []string{"count.c"}}
	_, err := c.SetConfiguration(t.Context(), ref, control.ConfigurationEdit{SettingsInput: in})
	var e *control.Error
	if !errors.As(err, &e) || len(e.Findings) != 3 {
		t.Errorf("%v: %+v", err, e)
	}
	if s := string(must(c.Configuration(t.Context(), ref)).Settings); s != `{}` {
		t.Error(s)
	}
}

// What a module says of settings refuses them, whether they are new or changed; one that cannot be asked refuses nothing.
func TestTheModuleJudgesSettings(t *testing.T) {
	d, c, ref := counters(t)
	d.OnValidate = func(ref tunnel.ConfigurationRef, doc json.RawMessage) (tunnel.Findings, error) {
		var is struct{ Count map[string]int }
		_ = json.Unmarshal(doc, &is)
		switch {
		case is.Count["a"] > is.Count["b"]:
			return tunnel.Findings{{Code: tunnel.Malformed, Field: "count.a", Message: "a is more than b", WayOut: "give less"}}, nil
		case is.Count["a"] < 0:
			return nil, errors.New("it does not start")
		}
		return nil, nil
	}
	both := func(a, b int) control.SettingsInput {
		return control.SettingsInput{Set: []control.Setting{{Key: "count.a", Value: fmt.Sprint(a)}, {Key: "count.b", Value: fmt.Sprint(b)}}}
	}
	refused := func(err error) bool {
		var e *control.Error
		return errors.As(err, &e) && len(e.Findings) == 1 && e.Findings[0].Field == "count.a"
	}
	before := must(c.Configuration(t.Context(), ref))
	if _, err := c.SetConfiguration(t.Context(), ref, control.ConfigurationEdit{SettingsInput: both(2, 1)}); !refused(err) {
		t.Errorf("a change is %v", err)
	}
	if _, err := c.AddConfiguration(t.Context(), control.NewConfiguration{Module: "counters", Name: "other", SettingsInput: both(2, 1)}); !refused(err) {
		t.Errorf("a new one is %v", err)
	}
	if after := must(c.Configuration(t.Context(), ref)); after.Revision != before.Revision {
		t.Errorf("refused, it became %s", after.Settings)
	}
	if got := must(c.SetConfiguration(t.Context(), ref, control.ConfigurationEdit{SettingsInput: both(1, 2)})); len(got.Warnings) > 0 {
		t.Errorf("good ones are warned of: %q", got.Warnings)
	}
	got := must(c.SetConfiguration(t.Context(), ref, control.ConfigurationEdit{SettingsInput: both(-1, 2)}))
	if len(got.Warnings) != 1 || got.Warnings[0] != "module counters could not be asked whether these settings go together: it does not start" {
		t.Errorf("without an answer: %q", got.Warnings)
	}
}
