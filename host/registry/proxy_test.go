package registry_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/store"
)

func via(text string) tunnel.Via {
	v, fs := tunnel.ParseVia(text)
	if len(fs) > 0 {
		panic(fs)
	}
	return v
}

const corporate = "http://pbx@proxy.example:3128"

// addVia adds a tunnel that goes through the corporate proxy with a password.
func (h *host) addVia(text string, cred tunnel.Credential, ms ...tunnel.Mapping) {
	h.t.Helper()
	t := made(text, "ops@a.example:2222", ms...)
	t.Via, cred.Via = via(corporate), "proxy "+canary
	warnings, err := h.AddTunnel(h.ctx(), by, t, cred)
	h.must(err)
	if strings.Contains(strings.Join(warnings, "\n"), "proxy") {
		h.t.Errorf("warnings %q", warnings)
	}
}

// wantVia checks the proxy's password, and that the tunnel warns of its absence alone.
func (h *host) wantVia(text string, want tunnel.Secret, remedy string) {
	h.t.Helper()
	cred, reason := h.credential(text)
	if cred.Via != want || reason != "" {
		h.t.Errorf("%s: proxy's password %q (%s), want %q", text, cred.Via.Reveal(), reason, want.Reveal())
	}
	s := h.view(text).Status
	warned := strings.Contains(strings.Join(s.Warnings, "\n"), remedy)
	if s.State != tunnel.Connecting || warned != (want == "") {
		h.t.Errorf("%s is %s and warns %q", text, s.State, s.Warnings)
	}
}

const viaRemedy = "culvert tunnel set operator/office --via-password-file FILE"

// TestViaPasswordIsBoundToItsProxy: it goes to the proxy, and for the server, that it was given for. Without it the proxy
// is asked all the same: it may do without.
func TestViaPasswordIsBoundToItsProxy(t *testing.T) {
	to := server("ops@b.example:2222")
	for what, e := range map[string]tunnel.Edit{
		"scheme": {Via: new(via("socks5://pbx@proxy.example:3128"))},
		"host":   {Via: new(via("http://pbx@other.example:3128"))},
		"port":   {Via: new(via("http://pbx@proxy.example:8080"))},
		"user":   {Via: new(via("http://other@proxy.example:3128"))},
		"server": {Server: &to, Credential: &tunnel.Credential{Login: tunnel.LoginPassword, Password: canary}},
	} {
		t.Run(what, func(t *testing.T) {
			h := newHost(t)
			h.addVia("operator/office", byPassword())
			h.wantVia("operator/office", "proxy "+canary, viaRemedy)
			h.must(h.edit("operator/office", e))
			h.wantVia("operator/office", "", viaRemedy)
			h.wantPassword("operator/office", canary)
			back := tunnel.Edit{Via: new(via(corporate)), Server: new(server("ops@a.example:2222")), Credential: new(byPassword())}
			h.must(h.edit("operator/office", back))
			h.wantVia("operator/office", "", viaRemedy)
			h.must(h.edit("operator/office", tunnel.Edit{ViaPassword: new(tunnel.Secret("new"))}))
			h.wantVia("operator/office", "new", viaRemedy)
		})
	}
}

// TestViaPasswordStaysWithItsProxy: what is changed beside them leaves proxy and password as they are.
func TestViaPasswordStaysWithItsProxy(t *testing.T) {
	h := newFileHost(t)
	h.addVia("operator/office", byPassword(), mapping(tunnel.Expose, "a=80:8080"))
	h.must(h.SetSecret(h.ctx(), by, ref("operator/office"), tunnel.Credential{Password: "other"}))
	h.must(h.edit("operator/office", tunnel.Edit{
		Via: new(via(corporate)), LAN: new("::ffff:192.168.1.10"), Comment: new("c"), Lanes: map[string]tunnel.Lane{"a": tunnel.LaneBulk},
	}))
	h.reopen()
	h.wantVia("operator/office", "proxy "+canary, viaRemedy)
	h.wantPassword("operator/office", "other")
	v := h.view("operator/office")
	if v.Via != via(corporate) || v.LAN != "192.168.1.10" || v.Mappings[0].Lane != tunnel.LaneBulk {
		t.Errorf("after a restart: %+v", v.Tunnel)
	}
	h.must(h.edit("operator/office", tunnel.Edit{Credential: new(byKey())}))
	h.wantVia("operator/office", "proxy "+canary, viaRemedy)
	h.must(h.edit("operator/office", tunnel.Edit{ViaPassword: new(tunnel.Secret(""))}))
	h.wantVia("operator/office", "", viaRemedy)
	h.must(h.edit("operator/office", tunnel.Edit{Via: &tunnel.Via{}, LAN: new("")}))
	if v := h.view("operator/office"); v.Via != (tunnel.Via{}) || v.LAN != "" || strings.Contains(strings.Join(v.Status.Warnings, "\n"), "proxy") {
		t.Errorf("without a proxy: %+v", v)
	}
}

func TestViaIsRefused(t *testing.T) {
	h := newHost(t)
	h.addVia("operator/office", byKey(), mapping(tunnel.Reach, "a=1389:389"))
	before := h.view("operator/office")
	long := tunnel.Secret(strings.Repeat("x", 256))
	for _, c := range []struct {
		what  string
		e     tunnel.Edit
		code  tunnel.Code
		field string
	}{
		{"a password without a user", tunnel.Edit{Via: new(via("http://proxy.example:3128")), ViaPassword: new(tunnel.Secret(canary))}, tunnel.Malformed, "via_password"},
		{"a password without a proxy", tunnel.Edit{Via: &tunnel.Via{}, ViaPassword: new(tunnel.Secret(canary))}, tunnel.Malformed, "via_password"},
		{"a password that SOCKS cannot say", tunnel.Edit{Via: new(via("socks5://pbx@proxy.example:1")), ViaPassword: &long}, tunnel.TooLong, "via_password"},
		{"a password too long", tunnel.Edit{ViaPassword: new(tunnel.Secret(strings.Repeat("x", 65<<10)))}, tunnel.TooLong, "via_password"},
		{"a password longer than a header", tunnel.Edit{ViaPassword: new(tunnel.Secret(strings.Repeat("x", 4097)))}, tunnel.TooLong, "via_password"},
		{"a password of two lines", tunnel.Edit{ViaPassword: new(tunnel.Secret("a\nb"))}, tunnel.Malformed, "via_password"},
		{"a proxy without a port", tunnel.Edit{Via: &tunnel.Via{Scheme: "http", Host: "proxy.example"}}, tunnel.OutOfRange, "via.port"},
		{"a proxy of no kind", tunnel.Edit{Via: &tunnel.Via{Scheme: "ftp", Host: "proxy.example", Port: 1}}, tunnel.Malformed, "via"},
		{"a LAN address that is a name", tunnel.Edit{LAN: new("server")}, tunnel.Malformed, "lan"},
		{"a lane of no mapping", tunnel.Edit{Lanes: map[string]tunnel.Lane{"b": tunnel.LaneBulk}}, tunnel.NotFound, "lanes"},
		{"a lane there is not", tunnel.Edit{Lanes: map[string]tunnel.Lane{"a": "fast"}}, tunnel.Malformed, "mappings[a].lane"},
		{"wideness of no mapping", tunnel.Edit{RefuseWider: []string{"b"}}, tunnel.NotFound, "refuse_wider"},
	} {
		t.Run(c.what, func(t *testing.T) { refused(t, h.edit("operator/office", c.e), c.code, c.field) })
	}
	if after := h.view("operator/office"); !sameView(before, after) {
		t.Errorf("before %+v\nafter  %+v", before, after)
	}
	h.wantVia("operator/office", "proxy "+canary, viaRemedy)
}

func TestViaPasswordOfAnotherKeyIsUnreadable(t *testing.T) {
	h := newHost(t)
	h.addVia("operator/office", byKey())
	h.sealer = newSealer(t)
	h.reopen()
	h.wantBlocked("operator/office", tunnel.SecretUnreadable, viaRemedy)
	h.must(h.edit("operator/office", tunnel.Edit{ViaPassword: new(tunnel.Secret("new"))}))
	h.wantVia("operator/office", "new", viaRemedy)
	h.damage("secret/tunnel/operator/office")
	h.wantBlocked("operator/office", tunnel.SecretUnreadable, viaRemedy)
	h.must(h.edit("operator/office", tunnel.Edit{ViaPassword: new(tunnel.Secret(""))}))
	h.wantVia("operator/office", "", viaRemedy)
}

// TestViaAmongSettings: the proxy's password is handled like the site's own.
func TestViaAmongSettings(t *testing.T) {
	const remedy = "culvert config set adsync/berlin --secret-stdin site.via_password"
	h := newHost(t)
	h.module("adsync", "gw.example")
	set := func(via, password string) ([]string, error) {
		return h.SetConfiguration(t.Context(), by, conf("adsync/berlin"), site("gw.example", `"lan":"10.0.0.7"`,
			`"slots":{"ldaps":{"lane":"bulk"}}`, `"via":"`+via+`"`, `"via_password":"`+password+`"`), 0)
	}
	_, err := set(corporate, "proxy "+canary)
	h.must(err)
	h.must(h.As("adsync").Declare(h.ctx(), "berlin", []tunnel.Declaration{declared("adsync/berlin.site", "site")}))
	h.wantVia("adsync/berlin.site", "proxy "+canary, remedy)
	v := h.view("adsync/berlin.site")
	if v.Via != via(corporate) || v.LAN != "10.0.0.7" || v.Mappings[0].Lane != tunnel.LaneBulk {
		t.Errorf("computed %+v", v.Tunnel)
	}
	c, err := h.Configuration(t.Context(), conf("adsync/berlin"))
	h.must(err)
	run, err := h.RunSettings(t.Context(), conf("adsync/berlin"))
	h.must(err)
	if !strings.Contains(string(c.Settings), `"via_password":"***"`) || strings.Contains(string(run), "via_password") || strings.Contains(string(run), canary) {
		t.Errorf("shown %s\nrun %s", c.Settings, run)
	}

	_, err = set(corporate, "***")
	h.must(err)
	h.wantVia("adsync/berlin.site", "proxy "+canary, remedy)
	warnings, err := set("socks5://pbx@proxy.example:1080", "***")
	h.must(err)
	if text := strings.Join(warnings, "\n"); !strings.Contains(text, "site.via_password: the proxy") || !strings.Contains(text, remedy) {
		t.Errorf("warnings %q do not say that the password is gone", warnings)
	}
	h.wantVia("adsync/berlin.site", "", remedy)

	_, err = set("http://proxy.example:3128", canary)
	refused(t, err, tunnel.Malformed, "site.via_password")
	_, err = set("socks5://pbx@proxy.example:1", strings.Repeat("x", 256))
	refused(t, err, tunnel.TooLong, "site.via_password")
	for field, doc := range map[string]string{
		"site.via":              `{"site":{"server":"gw.example","via":"proxy"}}`,
		"site.lan":              `{"site":{"server":"gw.example","lan":"gw.example"}}`,
		"site.slots.ldaps.lane": `{"site":{"server":"gw.example","slots":{"ldaps":{"lane":"fast"}}}}`,
	} {
		_, err = h.SetConfiguration(t.Context(), by, conf("adsync/berlin"), json.RawMessage(doc), 0)
		refused(t, err, tunnel.Malformed, field)
	}
}

// TestRecordsOfBefore: what an earlier Culvert wrote reads as it did.
func TestRecordsOfBefore(t *testing.T) {
	h := newHost(t)
	h.add("operator/office", "ops@a.example:2222", byPassword(), mapping(tunnel.Expose, "a=80:8080"))
	want := h.view("operator/office").Tunnel
	const before = `{"node":"single","revision":1,"server":{"host":"a.example","port":2222,"user":"ops"},"login":"password",` +
		`"mappings":[{"name":"a","kind":"expose","local":{"port":80},"remote":{"port":8080}}]}`
	if now := h.records()["tunnel/operator/office"]; !jsonEqual(now, before) {
		t.Errorf("without what is new the record is %s, want %s", now, before)
	}
	_, err := h.store.Update(h.ctx(), func(tx store.Tx) error { return tx.Put("tunnel/operator/office", []byte(before)) })
	h.must(err)
	h.reopen()
	if got := h.view("operator/office").Tunnel; !sameTunnel(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	h.wantPassword("operator/office", canary)
}

// TestWhatMakesTheLinkAnew: the proxy does. What is measured once it stands is measured anew, on the same link.
func TestWhatMakesTheLinkAnew(t *testing.T) {
	for _, c := range []struct {
		what                string
		e                   tunnel.Edit
		generation, edition bool // rise
	}{
		{"a proxy", tunnel.Edit{Via: new(via("http://proxy.example:1"))}, true, true},
		{"a proxy's password", tunnel.Edit{ViaPassword: new(tunnel.Secret("new"))}, true, true},
		{"a LAN address", tunnel.Edit{LAN: new("10.0.0.7")}, true, true},
		{"a lane", tunnel.Edit{Lanes: map[string]tunnel.Lane{"a": tunnel.LaneBulk}}, false, true},
		{"wideness accepted", tunnel.Edit{AcceptWider: []string{"a"}}, false, true},
		{"a comment", tunnel.Edit{Comment: new("c")}, false, false},
		{"nothing", tunnel.Edit{Via: new(via(corporate)), LAN: new(""), RefuseWider: []string{"a"}}, false, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			h := newHost(t)
			h.addVia("operator/office", byKey(), mapping(tunnel.Expose, "a=80:8080"))
			before, _, err := h.Login(h.ctx(), ref("operator/office"))
			h.must(err)
			h.must(h.edit("operator/office", c.e))
			after, _, err := h.Login(h.ctx(), ref("operator/office"))
			h.must(err)
			if risen := after.Generation > before.Generation; risen != c.generation {
				t.Errorf("generation %d after %d", after.Generation, before.Generation)
			}
			if risen := after.Edition > before.Edition; risen != c.edition {
				t.Errorf("edition %d after %d", after.Edition, before.Edition)
			}
		})
	}
}
