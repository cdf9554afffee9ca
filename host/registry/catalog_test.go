package registry_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestModuleIsPinned(t *testing.T) {
	h := newHost(t)
	if _, _, ok, err := h.Module(t.Context(), "adsync"); ok || err != nil {
		t.Fatalf("an unknown module: %v, %v", ok, err)
	}
	if _, err := h.Description(t.Context(), "adsync"); !errors.Is(err, tunnel.ErrNotFound) {
		t.Errorf("description of an unknown module: %v", err)
	}
	h.must(h.PinModule(t.Context(), "host", "adsync", checksum, describe("adsync")))
	h.reopen()
	sum, d, ok, err := h.Module(t.Context(), "adsync")
	h.must(err)
	if !ok || sum != checksum || d.Version != "1.0.0" || len(d.Slots) != 2 || string(d.Schema) != string(moduleSchema) {
		t.Errorf("pinned %s %+v", sum, d)
	}
}

func TestModuleIsRefused(t *testing.T) {
	h := newHost(t)
	for _, c := range []struct {
		what, name, sum string
		spoil           func(*tunnel.Description)
		code            tunnel.Code
		field           string
	}{
		{"another name", "tapi", checksum, func(*tunnel.Description) {}, tunnel.Malformed, "name"},
		{"operator", "operator", checksum, func(d *tunnel.Description) { d.Name = "operator" }, tunnel.PolicyRefused, "name"},
		{"no checksum", "adsync", "abc", func(*tunnel.Description) {}, tunnel.Malformed, "sha256"},
		{"a schema that is none", "adsync", checksum, func(d *tunnel.Description) { d.Schema = json.RawMessage(`{"type":7}`) }, tunnel.Malformed, "schema"},
		{"a slot without a kind", "adsync", checksum, func(d *tunnel.Description) { d.Slots[0].Kinds = nil }, tunnel.Required, "slots[ldaps].kinds"},
	} {
		t.Run(c.what, func(t *testing.T) {
			d := describe("adsync")
			c.spoil(&d)
			refused(t, h.PinModule(t.Context(), "host", tunnel.Owner(c.name), c.sum, d), c.code, c.field)
		})
	}
}

// TestAcceptedDescriptionCountsAtOnce: what it no longer allows goes, with the reason in the journal; the rest follows it.
func TestAcceptedDescriptionCountsAtOnce(t *testing.T) {
	h := newHost(t)
	h.module("adsync", "gw.example")
	_, err := h.AddConfiguration(h.ctx(), by, conf("adsync/rome"), site("rome.example"), true)
	h.must(err)
	h.must(h.As("adsync").Declare(h.ctx(), "berlin", []tunnel.Declaration{declared("adsync/berlin.site", "site", "metrics")}))
	h.must(h.As("adsync").Declare(h.ctx(), "rome", []tunnel.Declaration{declared("adsync/rome.site", "site")}))
	h.add("adsync/extra", "a.example", byKey(), mapping(tunnel.Reach, "1389:389"))
	h.add("operator/office", "rome.example", byKey(), mapping(tunnel.Reach, "x=1636:1"))
	h.told()

	d := describe("adsync")
	d = withoutMetrics(d)
	d.Version, d.Policy = "2.0.0", tunnel.Policy{}
	d.Slots[0].Spec = ":3269"
	h.must(h.PinModule(t.Context(), by, "adsync", strings.Repeat("ab", 32), d))
	if got := h.view("adsync/rome.site").Mappings[0].String(); got != "ldaps=:3269" {
		t.Errorf("the tunnel did not follow the description: %s", got)
	}
	h.absent("adsync/berlin.site")
	h.wantState("adsync/extra", tunnel.Blocked, tunnel.PolicyRefusedReason)
	removed := false
	for _, e := range h.told() {
		removed = removed || e.Type == tunnel.TunnelRemoved && e.Subject == "adsync/berlin.site" && e.Actor == by &&
			e.Reason == tunnel.PolicyRefusedReason && strings.Contains(e.Message, "metrics")
	}
	if !removed {
		t.Error("no event says why the tunnel went")
	}

	d.Slots[0].Spec = "1636:636" // taken by the operator's own
	h.must(h.PinModule(t.Context(), by, "adsync", checksum, d))
	h.absent("adsync/rome.site")
	if got := h.view("operator/office").Mappings[0].String(); got != "x=1636:1" {
		t.Errorf("the other tunnel is %s", got)
	}
	h.reopen()
	h.absent("adsync/rome.site")
	h.wantState("adsync/extra", tunnel.Blocked, tunnel.PolicyRefusedReason)
	h.must(h.RemoveTunnel(t.Context(), by, ref("operator/office")))
	h.must(h.As("adsync").Declare(h.ctx(), "rome", []tunnel.Declaration{declared("adsync/rome.site", "site")}))
}

// TestNewSecretOfADescription: what a new version calls secret is sealed from then on.
func TestNewSecretOfADescription(t *testing.T) {
	h := newHost(t)
	open := describe("adsync")
	open.Schema = schemaOf[struct {
		Bind string `json:"bind_password"`
	}]()
	h.must(h.PinModule(t.Context(), "host", "adsync", checksum, open))
	_, err := h.AddConfiguration(t.Context(), by, conf("adsync/berlin"), json.RawMessage(`{"bind_password":"`+canary+`"}`), true)
	h.must(err)
	h.must(h.PinModule(t.Context(), by, "adsync", checksum, describe("adsync")))
	c, err := h.Configuration(t.Context(), conf("adsync/berlin"))
	h.must(err)
	run, err := h.RunSettings(t.Context(), conf("adsync/berlin"))
	h.must(err)
	if strings.Contains(string(c.Settings), canary) || !strings.Contains(string(run), canary) {
		t.Errorf("shown %s, run with %s", c.Settings, run)
	}
	for key, value := range h.records() {
		if strings.Contains(value, canary) {
			t.Errorf("record %s holds the secret", key)
		}
	}
}

func TestConfigurationStatus(t *testing.T) {
	h := newHost(t)
	h.module("adsync", "gw.example")
	berlin := conf("adsync/berlin")
	want := func(state tunnel.ConfigurationState, reason tunnel.Reason) {
		t.Helper()
		c, err := h.Configuration(t.Context(), berlin)
		h.must(err)
		if c.Status.State != state || c.Status.Reason != reason {
			t.Errorf("status %+v, want %s (%s)", c.Status, state, reason)
		}
	}
	want(tunnel.ConfigWaiting, "")
	h.ReportConfiguration(berlin, tunnel.ConfigurationStatus{State: tunnel.ConfigRunning})
	want(tunnel.ConfigRunning, "")
	h.must(h.EnableConfiguration(t.Context(), by, berlin, false))
	want(tunnel.ConfigDisabled, "")
	h.must(h.EnableConfiguration(t.Context(), by, berlin, true))
	want(tunnel.ConfigWaiting, "") // what ran before says nothing
	h.ReportConfiguration(berlin, tunnel.ConfigurationStatus{State: tunnel.ConfigFailed, Reason: tunnel.RunFailed, Message: "no"})
	want(tunnel.ConfigFailed, tunnel.RunFailed)
	h.SetPresent(nil)
	want(tunnel.ConfigWaiting, tunnel.ModuleMissing)
	h.SetPresent([]tunnel.Owner{"adsync"})
	d := describe("adsync")
	d.Schema = nil // a version without settings
	h.must(h.PinModule(t.Context(), by, "adsync", checksum, d))
	want(tunnel.ConfigInvalid, tunnel.SettingsInvalid)
	if _, err := h.RunSettings(t.Context(), berlin); !errors.Is(err, tunnel.ErrInvalid) {
		t.Errorf("settings that do not fit are handed to Run: %v", err)
	}
	all, err := h.Configurations(t.Context())
	h.must(err)
	if len(all) != 1 || all[0].Ref != berlin {
		t.Errorf("configurations %+v", all)
	}
}
