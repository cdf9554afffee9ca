package registry_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestConfigurationIsRefused(t *testing.T) {
	h := newHost(t)
	h.module("adsync", "gw.example")
	h.add("operator/office", "a.example", byKey(), mapping(tunnel.Reach, "a=1636:1"))
	h.must(h.As("adsync").Declare(h.ctx(), "berlin", []tunnel.Declaration{declared("adsync/berlin.site", "site")}))
	berlin := conf("adsync/berlin")
	before, err := h.Configuration(t.Context(), berlin)
	h.must(err)
	add := func(text, doc string) error {
		_, err := h.AddConfiguration(t.Context(), by, conf(text), json.RawMessage(doc), true)
		return err
	}
	set := func(doc string, revision uint64) error {
		_, err := h.SetConfiguration(t.Context(), by, berlin, json.RawMessage(doc), revision)
		return err
	}
	refused(t, add("adsync/berlin", `{}`), tunnel.Exists, "configuration")
	refused(t, add("nobody/default", `{}`), tunnel.NotFound, "module")
	refused(t, add("adsync/x", `{"nope":1}`), tunnel.UnknownKey, "nope")
	refused(t, add("adsync/x", `{"site":{"server":"-x"}}`), tunnel.Malformed, "site.server")
	f := refused(t, set(`{}`, before.Revision+7), tunnel.StaleRevision, "if_revision")
	if !strings.Contains(f.Message, "revision 1") {
		t.Errorf("the refusal %q does not name the present revision", f.Message)
	}
	err = set(`{"base":7,"site":{"server":"gw.example","slots":{"ldaps":{"spec":"1636:636"},"ftp":{"on":true}}}}`, 0)
	refused(t, err, tunnel.Malformed, "base")
	refused(t, err, tunnel.UnknownKey, "site.slots.ftp")
	refused(t, set(`{"site":{"server":"gw.example","slots":{"ldaps":{"spec":"1636:636"}}}}`, before.Revision), tunnel.PortCollision, "site.slots.ldaps.spec")
	refused(t, set(`{"site":{"server":"gw.example","slots":{"ldaps":{"spec":"8443:636"}}}}`, 0), tunnel.PolicyRefused, "site.slots.ldaps.spec")
	for _, err := range []error{
		h.EnableConfiguration(t.Context(), by, conf("adsync/none"), true),
		h.RemoveConfiguration(t.Context(), by, conf("adsync/none"), false),
		h.RemoveConfiguration(t.Context(), by, tunnel.ConfigurationRef{Module: "adsync", Name: "../berlin"}, false),
	} {
		if !errors.Is(err, tunnel.ErrNotFound) {
			t.Errorf("got %v, want not found", err)
		}
	}
	after, err := h.Configuration(t.Context(), berlin)
	h.must(err)
	if string(after.Settings) != string(before.Settings) || after.Revision != before.Revision {
		t.Errorf("before %+v\nafter  %+v", before, after)
	}
}

// TestRemovedConfigurationLeavesNothing: its tunnels, secrets, pins, suspensions and ports are gone.
func TestRemovedConfigurationLeavesNothing(t *testing.T) {
	h := newHost(t)
	h.must(h.PinModule(h.ctx(), "host", "adsync", checksum, describe("adsync")))
	bare := h.records()
	_, err := h.AddConfiguration(h.ctx(), by, conf("adsync/berlin"), json.RawMessage(
		`{"site":{"server":"gw.example","login":"password","password":"x","slots":{"ldaps":{"spec":"1636:636"},"metrics":{"on":true}}},"bind_password":"y"}`), true)
	h.must(err)
	h.must(h.As("adsync").Declare(h.ctx(), "berlin", []tunnel.Declaration{declared("adsync/berlin.site", "site")}))
	h.must(h.Learned(h.ctx(), ref("adsync/berlin.site"), server("gw.example"), key("one")))
	h.must(h.SuspendTunnel(h.ctx(), by, ref("adsync/berlin.site"), true))
	if n := len(h.records()); n != len(bare)+8 { // configuration, declaration, overlay, pin, secret, ports: local, remote, and local ones exposed
		t.Errorf("%d records beside the module's", n-len(bare))
	}
	h.must(h.RemoveConfiguration(h.ctx(), by, conf("adsync/berlin"), false))
	for key := range h.records() {
		if _, ok := bare[key]; !ok {
			t.Errorf("record %s is left", key)
		}
	}
	h.absent("adsync/berlin.site")
}

// TestManySites: the largest configuration there may be can be declared, moved and removed, each in one change.
func TestManySites(t *testing.T) {
	h := newHost(t)
	h.must(h.PinModule(h.ctx(), "host", "adsync", checksum, describe("adsync")))
	doc := func(domain string) json.RawMessage {
		sites := map[string]tunnel.Site{}
		for i := range tunnel.MaxDeclared - 1 { // and "site"
			sites["s"+strings.Repeat("x", i/26)+string(rune('a'+i%26))] = tunnel.Site{Server: domain}
		}
		b, err := json.Marshal(map[string]any{"site": tunnel.Site{Server: domain}, "sites": sites})
		h.must(err)
		return b
	}
	_, err := h.AddConfiguration(h.ctx(), by, conf("adsync/berlin"), doc("gw.example"), true)
	h.must(err)
	set := []tunnel.Declaration{declared("adsync/berlin.site", "site")}
	for i := range tunnel.MaxDeclared - 1 {
		name := "s" + strings.Repeat("x", i/26) + string(rune('a'+i%26))
		set = append(set, declared("adsync/berlin."+name, "sites."+name))
	}
	h.must(h.As("adsync").Declare(h.ctx(), "berlin", set))
	for _, d := range set {
		h.must(h.SuspendTunnel(h.ctx(), by, d.Ref, true))
		h.must(h.Learned(h.ctx(), d.Ref, server("gw.example"), key("one")))
	}
	_, err = h.SetConfiguration(h.ctx(), by, conf("adsync/berlin"), doc("other.example"), 0)
	h.must(err)
	h.must(h.RemoveConfiguration(h.ctx(), by, conf("adsync/berlin"), true))
	if n := len(h.records()); n != 1 {
		t.Errorf("%d records are left, want the module's alone", n)
	}
}

// TestPasswordThatIsNotUsed: a password beside another login is kept, and its author hears that it does nothing yet.
func TestPasswordThatIsNotUsed(t *testing.T) {
	h := newHost(t)
	h.module("adsync", "pbx@gw.example")
	for _, c := range []struct {
		more []string
		want string
	}{
		{[]string{`"password":"canary"`}, "site.password is kept, but not used until site.login=password"},
		{[]string{`"password":"canary"`, `"login":"key"`}, "site.password is kept, but not used until site.login=password"},
		{[]string{`"password":"***"`}, ""},
		{[]string{`"password":"canary"`, `"login":"password"`}, ""},
	} {
		warnings, err := h.SetConfiguration(t.Context(), by, conf("adsync/berlin"), site("pbx@gw.example", c.more...), 0)
		h.must(err)
		if got := strings.Join(warnings, "; "); got != c.want {
			t.Errorf("%q: warnings %q, want %q", c.more, got, c.want)
		}
	}
}
