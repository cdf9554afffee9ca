package registry_test

import (
	"encoding/json"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestRedeclaredTunnelTakesNoSecretAlong: a module cannot declare a tunnel anew from another site of its settings, and so
// with another server; and the tunnel of that site logs in with what the operator gave for it, which may be nothing.
func TestRedeclaredTunnelTakesNoSecretAlong(t *testing.T) {
	h := newHost(t)
	h.must(h.PinModule(h.ctx(), "host", "adsync", checksum, describe("adsync")))
	_, err := h.AddConfiguration(h.ctx(), by, conf("adsync/berlin"), json.RawMessage(`{
		"site": {"server": "gw.example", "login": "password", "password": "`+canary+`"},
		"sites": {
			"evil":  {"server": "evil.example", "login": "password"},
			"other": {"server": "other.example", "login": "password", "password": "other"},
			"port":  {"server": "gw.example:2222", "login": "password"}
		}
	}`), true)
	h.must(err)
	declare := func(text, settings string) error {
		return h.As("adsync").Declare(h.ctx(), "berlin", []tunnel.Declaration{declared(text, settings)})
	}
	h.must(declare("adsync/berlin.site", "site"))
	for _, other := range []string{"sites.evil", "sites.other", "sites.port"} {
		refused(t, declare("adsync/berlin.site", other), tunnel.Malformed, "tunnel")
		if got := h.view("adsync/berlin.site").Server; got != server("gw.example") {
			t.Errorf("declared from %s it leads to %v", other, got)
		}
		h.wantPassword("adsync/berlin.site", canary)
	}
	for name, want := range map[string]tunnel.Secret{"evil": "", "other": "other", "port": ""} {
		h.must(declare("adsync/berlin."+name, "sites."+name))
		cred, reason := h.credential("adsync/berlin." + name)
		if cred.Password != want || (want == "") != (reason == tunnel.SecretMissing) {
			t.Errorf("%s: password %q, %s", name, cred.Password.Reveal(), reason)
		}
	}
}
