package registry_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// narrow is a module whose slot and whose other mappings may have some ports only.
func narrow() tunnel.Description {
	d := describe("adsync")
	d.Slots[0].Ports = []tunnel.PortRange{{First: 636, Last: 636}, {First: 3268, Last: 3269}}
	d.Policy.Ports = []tunnel.PortRange{{First: 8000, Last: 8099}}
	return d
}

// R49: kinds and ports bind what the module declares and what the operator makes under its name; a refused change leaves
// everything as it was.
func TestPolicyBindsPorts(t *testing.T) {
	h := newHost(t)
	h.module("adsync", "gw.example")
	h.must(h.PinModule(t.Context(), by, "adsync", checksum, narrow()))
	h.must(h.As("adsync").Declare(h.ctx(), "berlin", []tunnel.Declaration{declared("adsync/berlin.site", "site")}))
	set := func(slot string) error {
		_, err := h.SetConfiguration(t.Context(), by, conf("adsync/berlin"), json.RawMessage(`{"site":{"server":"gw.example","slots":{"ldaps":`+slot+`}}}`), 0)
		return err
	}
	f := refused(t, set(`{"spec":":dc1:389"}`), tunnel.PolicyRefused, "site.slots.ldaps.spec")
	if f.Value != "389" || f.Message != "slot ldaps cannot have port 389" || f.WayOut != "use 636 or 3268-3269" {
		t.Errorf("said %+v", f)
	}
	refused(t, set(`{"kind":"expose","spec":"636:1"}`), tunnel.PolicyRefused, "site.slots.ldaps.kind")
	if got := h.view("adsync/berlin.site").Mappings[0].String(); got != "ldaps=:636" {
		t.Errorf("a refused change made it %s", got)
	}
	h.must(set(`{"spec":":dc1:3269"}`))

	add := func(m tunnel.Mapping) error {
		_, err := h.AddTunnel(t.Context(), by, tunnel.Tunnel{Ref: ref("adsync/extra"), Server: server("a.example"), Login: tunnel.LoginKey, Mappings: []tunnel.Mapping{m}}, byKey())
		return err
	}
	f = refused(t, add(mapping(tunnel.Reach, "x=1389:389")), tunnel.PolicyRefused, "mappings[x].remote.port")
	if f.Value != "389" || !strings.Contains(f.Message, "module adsync") || !strings.HasPrefix(f.WayOut, "use 8000-8099, or") {
		t.Errorf("said %+v", f)
	}
	refused(t, add(mapping(tunnel.Expose, "x=8000:8000")), tunnel.PolicyRefused, "mappings[x].kind")
	h.must(add(mapping(tunnel.Reach, "x=1389:8000")))
	refused(t, h.edit("adsync/extra", tunnel.Edit{Set: []tunnel.Mapping{mapping(tunnel.Reach, "y=1390:22")}}), tunnel.PolicyRefused, "mappings[y].remote.port")
	if n := len(h.view("adsync/extra").Mappings); n != 1 {
		t.Errorf("a refused edit left %d mappings", n)
	}
	h.add("operator/free", "a.example", byKey(), mapping(tunnel.Reach, "x=1391:22"))

	// The ports are kept with the description, so they hold after a start too.
	h.reopen()
	refused(t, h.edit("adsync/extra", tunnel.Edit{Set: []tunnel.Mapping{mapping(tunnel.Reach, "y=1390:22")}}), tunnel.PolicyRefused, "mappings[y].remote.port")
	d := narrow()
	d.Policy.Ports = []tunnel.PortRange{{First: 80, Last: 80}}
	h.must(h.PinModule(t.Context(), by, "adsync", strings.Repeat("ab", 32), d))
	h.wantState("adsync/extra", tunnel.Blocked, tunnel.PolicyRefusedReason)
}

// TestSecretThatIsMissingIsAskedForOnNoCommandLine: the line that puts settings right has it read from elsewhere.
func TestSecretThatIsMissingIsAskedForOnNoCommandLine(t *testing.T) {
	h := newHost(t)
	h.module("adsync", "gw.example")
	berlin := conf("adsync/berlin")
	_, err := h.SetConfiguration(t.Context(), by, berlin, json.RawMessage(`{"base":"dc=x","bind_password":"`+canary+`"}`), 0)
	h.must(err)
	next := describe("adsync")
	next.Schema = schemaOf[struct {
		Base  string        `json:"base"`
		Bind  string        `json:"bind_password" enum:"a,b"`
		Token tunnel.Secret `json:"token" required:"true"`
		Pin   tunnel.Secret `json:"pin" required:"true"`
	}]()
	h.must(h.PinModule(t.Context(), by, "adsync", strings.Repeat("ab", 32), next))
	c, err := h.Configuration(t.Context(), berlin)
	h.must(err)
	m := c.Status.Message
	if !strings.Contains(m, " --secret-stdin ") || !strings.Contains(m, "=FILE") || strings.Contains(m, "token=VALUE") || strings.Contains(m, "pin=VALUE") || strings.Contains(m, canary) {
		t.Errorf("status %+v", c.Status)
	}
}

// A new version of a module that knows other keys makes its configuration invalid: nothing of the settings is lost, and
// the message has the line that puts it right.
func TestSettingsOfAnOlderVersion(t *testing.T) {
	h := newHost(t)
	h.module("adsync", "gw.example")
	berlin := conf("adsync/berlin")
	_, err := h.SetConfiguration(t.Context(), by, berlin, json.RawMessage(`{"base":"dc=x","bind_password":"`+canary+`","site":{"server":"gw.example"}}`), 0)
	h.must(err)
	h.must(h.As("adsync").Declare(h.ctx(), "berlin", []tunnel.Declaration{declared("adsync/berlin.site", "site")}))

	next := describe("adsync")
	next.Schema = schemaOf[struct {
		Site tunnel.Site   `json:"site" slots:"ldaps,metrics"`
		Dn   string        `json:"base_dn" required:"true"`
		Bind tunnel.Secret `json:"bind_password"`
	}]()
	h.must(h.PinModule(t.Context(), by, "adsync", strings.Repeat("ab", 32), next))
	c, err := h.Configuration(t.Context(), berlin)
	h.must(err)
	if c.Status.State != tunnel.ConfigInvalid || !strings.HasSuffix(c.Status.Message, "correct it with: culvert config set adsync/berlin --unset base base_dn=VALUE") {
		t.Errorf("status %+v", c.Status)
	}
	if !strings.Contains(string(c.Settings), `"base":"dc=x"`) {
		t.Errorf("the settings are %s", c.Settings)
	}
	if h.view("adsync/berlin.site").Mappings[0].Name != "ldaps" {
		t.Error("its tunnel went")
	}

	// The former version comes back, and with it all there was.
	h.must(h.PinModule(t.Context(), by, "adsync", checksum, describe("adsync")))
	doc, err := h.RunSettings(t.Context(), berlin)
	h.must(err)
	if !strings.Contains(string(doc), canary) || !strings.Contains(string(doc), "dc=x") {
		t.Error("something was lost on the way")
	}
}
