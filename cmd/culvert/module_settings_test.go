package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/settings"
)

func TestModuleSettings(t *testing.T) {
	b := newTestbed(t)
	out := b.must("module", "settings", "hello")
	lines := strings.Split(out, "\n")
	for _, want := range []string{
		"number whole number - 1 to 10", "bind_password secret - -", "site.login text - key password Login",
		"Each site has, for each of its slots: slots.SLOT.on, .kind, .spec and .lane.", "web :80 yes reach - Web", "Mappings: any mapping.",
	} {
		found := false
		for _, l := range lines {
			found = found || strings.Join(strings.Fields(l), " ") == want
		}
		if !found {
			t.Errorf("no line %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "site.slots.web.on") {
		t.Errorf("each choice of each slot is a line:\n%s", out)
	}
	var m control.ModuleSettings
	if err := json.Unmarshal([]byte(b.must("module", "settings", "hello", "-o", "json")), &m); err != nil {
		t.Fatal(err)
	}
	if err := settings.CheckSchema(m.Schema); err != nil || len(m.Keys) == 0 || len(m.Slots) != 1 || !m.Policy.Any {
		t.Errorf("%v, %+v", err, m)
	}
	if out := b.must("module", "settings", "office"); !strings.Contains(out, "office has no settings.") {
		t.Errorf("without settings: %s", out)
	}
	if r := b.run("", "module", "settings", "absent"); r.code != exitFailed || !strings.Contains(r.err, "absent") {
		t.Errorf("of no module: exit %d: %s", r.code, r.err)
	}
}

// Accepting shows what becomes of the settings as well.
func TestAcceptShowsSettings(t *testing.T) {
	b := newTestbed(t)
	out := b.must("module", "accept", "hello")
	if !strings.Contains(out, "Settings that change:") || !strings.Contains(strings.Join(strings.Fields(out), " "), "number (new) whole number, 1 to 10") {
		t.Errorf("accepting shows %s", out)
	}
	if out := b.must("module", "accept", "office"); strings.Contains(out, "Settings") {
		t.Errorf("without settings: %s", out)
	}
}
