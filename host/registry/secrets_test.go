package registry_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// credential is what the supervisor would log in with, or the reason why it cannot.
func (h *host) credential(text string) (tunnel.Credential, tunnel.Reason) {
	h.t.Helper()
	_, cred, err := h.Login(h.ctx(), ref(text))
	var s *tunnel.StatusError
	if errors.As(err, &s) {
		if s.Message == "" || s.Remedy == "" || s.State != tunnel.Blocked {
			h.t.Errorf("the reason says too little: %+v", s)
		}
		return cred, s.Reason
	}
	h.must(err)
	return cred, ""
}

func (h *host) wantPassword(text string, want tunnel.Secret) {
	h.t.Helper()
	if cred, reason := h.credential(text); cred.Password != want || reason != "" {
		h.t.Errorf("%s: password %q (%s), want %q", text, cred.Password.Reveal(), reason, want.Reveal())
	}
}

func (h *host) wantBlocked(text string, reason tunnel.Reason, remedy string) {
	h.t.Helper()
	s := h.view(text).Status
	if s.State != tunnel.Blocked || s.Reason != reason || s.Remedy != remedy {
		h.t.Errorf("%s is %s (%s) with remedy %q, want blocked (%s) with %q", text, s.State, s.Reason, s.Remedy, reason, remedy)
	}
	if _, got := h.credential(text); got != reason && reason != tunnel.PolicyRefusedReason {
		h.t.Errorf("%s: credential says %q, want %q", text, got, reason)
	}
}

// TestSecretIsBoundToItsServer: a password goes to the server it was given for and to no other.
func TestSecretIsBoundToItsServer(t *testing.T) {
	for _, c := range []struct {
		what, to string
	}{
		{"host", "ops@b.example:2222"}, {"port", "ops@a.example:2223"}, {"user", "adm@a.example:2222"},
	} {
		t.Run(c.what, func(t *testing.T) {
			h := newHost(t)
			h.add("operator/office", "ops@a.example:2222", byPassword())
			h.wantPassword("operator/office", canary)
			to := server(c.to)
			h.must(h.edit("operator/office", tunnel.Edit{Server: &to}))
			h.wantBlocked("operator/office", tunnel.SecretMissing, "culvert tunnel secret operator/office --password-stdin")
			back := server("ops@a.example:2222")
			h.must(h.edit("operator/office", tunnel.Edit{Server: &back}))
			h.wantBlocked("operator/office", tunnel.SecretMissing, "culvert tunnel secret operator/office --password-stdin")
			h.must(h.SetSecret(t.Context(), by, ref("operator/office"), byPassword()))
			h.wantPassword("operator/office", canary)
		})
	}
}

func TestServerAndCredentialChangeTogether(t *testing.T) {
	h := newHost(t)
	h.add("operator/office", "a.example", byPassword())
	to, cred := server("b.example"), tunnel.Credential{Password: "other"}
	h.must(h.edit("operator/office", tunnel.Edit{Server: &to, Credential: &cred}))
	h.wantPassword("operator/office", "other")
	h.reopen()
	h.wantPassword("operator/office", "other")
}

func TestPrivateKeyWithPassphrase(t *testing.T) {
	h := newHost(t)
	h.add("operator/office", "a.example", tunnel.Credential{Login: tunnel.LoginKey, PrivateKey: "PEM " + canary, Passphrase: canary})
	if v := h.view("operator/office"); !v.OwnKey || v.Login != tunnel.LoginKey {
		t.Errorf("tunnel %+v, want one with a key of its own", v.Tunnel)
	}
	cred, _ := h.credential("operator/office")
	if cred.PrivateKey != "PEM "+canary || cred.Passphrase != canary {
		t.Errorf("credential %q %q", cred.PrivateKey.Reveal(), cred.Passphrase.Reveal())
	}
	h.must(h.edit("operator/office", tunnel.Edit{Credential: &tunnel.Credential{Login: tunnel.LoginKey}}))
	if cred, _ := h.credential("operator/office"); cred != byKey() || h.view("operator/office").OwnKey {
		t.Errorf("credential %+v after going back to the PBX's own key", cred)
	}
}

func TestSecretsOfAnotherKeyAreUnreadable(t *testing.T) {
	h := newHost(t)
	h.add("operator/office", "a.example", byPassword())
	h.add("operator/key", "a.example", byKey())
	h.module("adsync", "gw.example")
	_, err := h.SetConfiguration(t.Context(), by, conf("adsync/berlin"), json.RawMessage(
		`{"site":{"server":"gw.example","login":"password","password":"`+canary+`"},"bind_password":"`+canary+`"}`), 0)
	h.must(err)
	h.must(h.As("adsync").Declare(h.ctx(), "berlin", []tunnel.Declaration{declared("adsync/berlin.site", "site")}))
	h.wantPassword("adsync/berlin.site", canary)

	h.sealer = newSealer(t)
	h.reopen()
	h.wantBlocked("operator/office", tunnel.SecretUnreadable, "culvert tunnel secret operator/office --password-stdin")
	h.wantBlocked("adsync/berlin.site", tunnel.SecretUnreadable, "culvert config set adsync/berlin --secret-stdin site.password")
	if s := h.view("operator/key").Status.State; s != tunnel.Connecting {
		t.Errorf("a tunnel without a secret is %s", s)
	}
	var s *tunnel.StatusError
	if _, err := h.RunSettings(t.Context(), conf("adsync/berlin")); !errors.As(err, &s) || s.Reason != tunnel.SecretUnreadable {
		t.Errorf("settings with an unreadable secret: %v", err)
	}
	h.must(h.SetSecret(t.Context(), by, ref("operator/office"), byPassword()))
	h.wantPassword("operator/office", canary)
	if s := h.view("operator/office").Status.State; s != tunnel.Connecting {
		t.Errorf("with a new password it is %s", s)
	}
}

// TestCopyCarriesNoSecret: what a reader can see of a tunnel makes one that cannot log in as it.
func TestCopyCarriesNoSecret(t *testing.T) {
	h := newHost(t)
	h.add("operator/office", "a.example", byPassword())
	h.must(h.Learned(t.Context(), ref("operator/office"), server("a.example"), key("one")))
	v := h.view("operator/office").Tunnel
	v.Ref.Name = "copy"
	_, err := h.AddTunnel(t.Context(), by, v, tunnel.Credential{Login: tunnel.LoginPassword, Password: "other"})
	h.must(err)
	h.wantPassword("operator/copy", "other")
	if pin := h.view("operator/copy").Pin; pin.State != tunnel.PinNone {
		t.Errorf("the copy has the pin %+v", pin)
	}
}

func TestSecretsAmongSettings(t *testing.T) {
	h := newHost(t)
	h.module("adsync", "gw.example")
	set := func(doc string) ([]string, error) {
		return h.SetConfiguration(t.Context(), by, conf("adsync/berlin"), json.RawMessage(doc), 0)
	}
	_, err := set(`{"site":{"server":"gw.example","login":"password","password":"` + canary + `"},"bind_password":"bind ` + canary + `"}`)
	h.must(err)
	h.must(h.As("adsync").Declare(h.ctx(), "berlin", []tunnel.Declaration{declared("adsync/berlin.site", "site")}))
	h.wantPassword("adsync/berlin.site", canary)

	c, err := h.Configuration(t.Context(), conf("adsync/berlin"))
	h.must(err)
	if strings.Contains(string(c.Settings), canary) || strings.Count(string(c.Settings), `"***"`) != 2 {
		t.Errorf("shown settings %s", c.Settings)
	}
	run, err := h.RunSettings(t.Context(), conf("adsync/berlin"))
	h.must(err)
	if !strings.Contains(string(run), `"bind_password":"bind `+canary+`"`) || strings.Contains(string(run), `"password":`) {
		t.Errorf("settings for Run %s: want the module's own secret and no site's password", run)
	}

	_, err = set(string(c.Settings)) // *** keeps what is stored
	h.must(err)
	h.wantPassword("adsync/berlin.site", canary)
	if again, _ := h.Configuration(t.Context(), conf("adsync/berlin")); again.Revision != c.Revision {
		t.Errorf("settings set to what they are gave revision %d after %d", again.Revision, c.Revision)
	}

	warnings, err := set(`{"site":{"server":"evil.example","login":"password","password":"***"},"bind_password":"***"}`)
	h.must(err)
	if len(warnings) == 0 || !strings.Contains(strings.Join(warnings, "\n"), "site.password") {
		t.Errorf("warnings %q do not say that the password is gone", warnings)
	}
	h.wantBlocked("adsync/berlin.site", tunnel.SecretMissing, "culvert config set adsync/berlin --secret-stdin site.password")
	run, err = h.RunSettings(t.Context(), conf("adsync/berlin"))
	h.must(err)
	if !strings.Contains(string(run), "bind "+canary) {
		t.Errorf("the module's own secret went with the server: %s", run)
	}
	_, err = set(`{"site":{"server":"evil.example","login":"password","password":"***"}}`)
	refused(t, err, tunnel.Required, "site.password")
	_, err = set(`{"site":{"server":"gw.example","login":"password"}}`)
	h.must(err)
	h.wantBlocked("adsync/berlin.site", tunnel.SecretMissing, "culvert config set adsync/berlin --secret-stdin site.password")
}
