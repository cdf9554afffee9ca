package registry_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestTrialSettingsStoreNothing(t *testing.T) {
	h := newHost(t)
	h.module("adsync", "gw.example")
	const stored = `{"site":{"server":"gw.example","login":"password","password":"` + canary + `"},"bind_password":"bind ` + canary + `"}`
	_, err := h.SetConfiguration(t.Context(), by, conf("adsync/berlin"), json.RawMessage(stored), 0)
	h.must(err)
	before, err := h.Configuration(t.Context(), conf("adsync/berlin"))
	h.must(err)

	for _, c := range []struct {
		name, doc string
		gives     string   // in what the module gets
		elsewhere []string // the sites
	}{
		{"as shown", string(before.Settings), `"bind_password":"bind ` + canary + `"`, nil},
		{"another secret of the module's own", `{"site":{"server":"gw.example","login":"password","password":"***"},"bind_password":"fresh"}`, `"bind_password":"fresh"`, nil},
		{"another server", `{"site":{"server":"new.example","login":"password","password":"***"},"bind_password":"***"}`, `new.example`, []string{"site"}},
		{"another password of the site", `{"site":{"server":"gw.example","login":"password","password":"other"}}`, `gw.example`, []string{"site"}},
		{"no server", `{}`, `{`, []string{"site"}},
	} {
		got, elsewhere, err := h.TrialSettings(t.Context(), conf("adsync/berlin"), json.RawMessage(c.doc))
		if err != nil || !strings.Contains(string(got), c.gives) || !slices.Equal(elsewhere, c.elsewhere) {
			t.Errorf("%s: %s, %q, %v", c.name, got, elsewhere, err)
		}
		if strings.Contains(string(got), `"password":`) {
			t.Errorf("%s: the module gets a site's password: %s", c.name, got)
		}
	}

	_, _, err = h.TrialSettings(t.Context(), conf("adsync/berlin"), json.RawMessage(`{"colour":"blue"}`))
	refused(t, err, tunnel.UnknownKey, "colour")
	_, _, err = h.TrialSettings(t.Context(), conf("adsync/rome"), json.RawMessage(`{}`))
	refused(t, err, tunnel.NotFound, "configuration")

	// A module judges settings before there is a configuration, too.
	got, err := h.CandidateSettings(t.Context(), conf("adsync/rome"), json.RawMessage(`{"site":{"server":"gw.example","login":"password","password":"`+canary+`"},"bind_password":"fresh"}`))
	if err != nil || !strings.Contains(string(got), `"bind_password":"fresh"`) || strings.Contains(string(got), canary) {
		t.Errorf("a new configuration's: %s, %v", got, err)
	}
	got, err = h.CandidateSettings(t.Context(), conf("adsync/berlin"), json.RawMessage(`{"bind_password":"***"}`))
	if err != nil || !strings.Contains(string(got), "bind "+canary) {
		t.Errorf("a stored one's: %s, %v", got, err)
	}
	_, err = h.CandidateSettings(t.Context(), conf("adsync/rome"), json.RawMessage(`{"colour":"blue"}`))
	refused(t, err, tunnel.UnknownKey, "colour")
	_, err = h.CandidateSettings(t.Context(), conf("absent/rome"), json.RawMessage(`{}`))
	refused(t, err, tunnel.NotFound, "module")

	after, err := h.Configuration(t.Context(), conf("adsync/berlin"))
	h.must(err)
	if after.Revision != before.Revision || string(after.Settings) != string(before.Settings) {
		t.Errorf("the configuration became %s, revision %d", after.Settings, after.Revision)
	}
	h.must(h.As("adsync").Declare(h.ctx(), "berlin", []tunnel.Declaration{declared("adsync/berlin.site", "site")}))
	h.wantPassword("adsync/berlin.site", canary)
	h.reopen()
	h.wantPassword("adsync/berlin.site", canary)
}
