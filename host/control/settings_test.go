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
