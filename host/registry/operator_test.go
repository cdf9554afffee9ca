package registry_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func byKey() tunnel.Credential { return tunnel.Credential{Login: tunnel.LoginKey} }

func byPassword() tunnel.Credential {
	return tunnel.Credential{Login: tunnel.LoginPassword, Password: canary}
}

// refused checks that err holds a finding of that code at that field, and gives it.
func refused(t testing.TB, err error, code tunnel.Code, field string) tunnel.Finding {
	t.Helper()
	var fs tunnel.Findings
	if !errors.As(err, &fs) {
		t.Fatalf("got %v, want a finding %s at %s", err, code, field)
	}
	for _, f := range fs {
		if f.Code == code && f.Field == field {
			if f.Message == "" || f.WayOut == "" {
				t.Errorf("the finding says too little: %+v", f)
			}
			return f
		}
	}
	t.Fatalf("got %+v, want a finding %s at %s", fs, code, field)
	return tunnel.Finding{}
}

func (h *host) add(text, srv string, cred tunnel.Credential, ms ...tunnel.Mapping) {
	h.t.Helper()
	_, err := h.AddTunnel(h.ctx(), by, made(text, srv, ms...), cred)
	h.must(err)
}

func (h *host) edit(text string, e tunnel.Edit) error {
	_, err := h.EditTunnel(h.ctx(), by, ref(text), e)
	return err
}

func TestAddTunnelIsRefused(t *testing.T) {
	h := newHost(t)
	h.module("adsync", "gw.example")
	h.add("operator/office", "a.example", byKey(), mapping(tunnel.Reach, "a=1389:389"))
	for _, c := range []struct {
		what  string
		t     tunnel.Tunnel
		cred  tunnel.Credential
		code  tunnel.Code
		field string
	}{
		{"a name that only declarations have", made("adsync/berlin.x", "a.example"), byKey(), tunnel.Malformed, "name"},
		{"a name there is", made("operator/office", "a.example"), byKey(), tunnel.Exists, "tunnel"},
		{"an owner that is not installed", made("nobody/x", "a.example"), byKey(), tunnel.NotFound, "owner"},
		{"no password", made("operator/x", "a.example"), tunnel.Credential{Login: tunnel.LoginPassword}, tunnel.Required, "password"},
		{"no server", tunnel.Tunnel{Ref: ref("operator/x"), Login: tunnel.LoginKey}, byKey(), tunnel.Required, "server.host"},
		{"a taken port", made("operator/x", "b.example", mapping(tunnel.Reach, "b=1389:1")), byKey(), tunnel.PortCollision, "mappings[b].local.port"},
		{"a kind the module forbids", made("adsync/x", "b.example", mapping(tunnel.Expose, "b=80:8080")), byKey(), tunnel.PolicyRefused, "mappings[b].kind"},
		{"a secret too long", made("operator/x", "b.example"),
			tunnel.Credential{Login: tunnel.LoginPassword, Password: tunnel.Secret(strings.Repeat("x", 65<<10))}, tunnel.TooLong, "password"},
	} {
		t.Run(c.what, func(t *testing.T) {
			_, err := h.AddTunnel(t.Context(), by, c.t, c.cred)
			refused(t, err, c.code, c.field)
		})
	}
	var all []string
	for v, err := range h.As("anyone").List(t.Context()) {
		h.must(err)
		all = append(all, v.Ref.String())
	}
	if len(all) != 1 {
		t.Errorf("tunnels %v, want operator/office alone", all)
	}
}

// TestFindingsOfEverySortAtOnce has mistakes that three different rules see.
func TestFindingsOfEverySortAtOnce(t *testing.T) {
	h := newHost(t)
	h.add("operator/office", "a.example", byKey(), mapping(tunnel.Reach, "a=1389:389"))
	bad := made("nobody/x", "a.example", mapping(tunnel.Reach, "b=1389:1"))
	bad.Comment = "one\ntwo"
	_, err := h.AddTunnel(t.Context(), by, bad, tunnel.Credential{Login: tunnel.LoginPassword})
	refused(t, err, tunnel.NotFound, "owner")
	refused(t, err, tunnel.Required, "password")
	refused(t, err, tunnel.Malformed, "comment")
	refused(t, err, tunnel.PortCollision, "mappings[b].local.port")
}

func TestWhatAnOperatorMakes(t *testing.T) {
	h := newHost(t)
	in := made("operator/office", "admin@[2001:db8::1]:2222", mapping(tunnel.Reach, "1389:dc1.example:389"), mapping(tunnel.ExposeGateway, "web=10.1.2.3:80:10080"))
	in.Comment, in.Fingerprint = "Büro 2", "19:5b:3f:4f:1c:eb:eb:59:ee:a4:28:9a:25:59:fe:db"
	in.Suspended, in.Pin, in.Revision = true, tunnel.Pin{State: tunnel.PinConfirmed, Fingerprint: "SHA256:x"}, 77
	warnings, err := h.AddTunnel(t.Context(), by, in, byPassword())
	h.must(err)
	if len(warnings) == 0 || !strings.Contains(strings.Join(warnings, "\n"), "third parties") {
		t.Errorf("warnings %q do not say that third parties get access", warnings)
	}
	v := h.view("operator/office")
	want := in
	want.Node, want.Login, want.Fingerprint = tunnel.Node, tunnel.LoginPassword, "MD5:"+in.Fingerprint
	want.Pin, want.Revision, want.Mappings[0].Name = tunnel.Pin{State: tunnel.PinNone}, 1, "reach-389"
	if !sameTunnel(v.Tunnel, want) {
		t.Errorf("got  %+v\nwant %+v", v.Tunnel, want)
	}
	h.reopen()
	if again := h.view("operator/office"); !sameTunnel(again.Tunnel, want) {
		t.Errorf("reopened %+v\nwant     %+v", again.Tunnel, want)
	}
}

func TestEditTunnel(t *testing.T) {
	h := newHost(t)
	h.add("operator/office", "a.example", byKey(), mapping(tunnel.Reach, "a=1389:389"), mapping(tunnel.Reach, "b=1390:390"))
	comment := "new"
	h.must(h.edit("operator/office", tunnel.Edit{
		Comment: &comment, Drop: []string{"a"}, IfRevision: 1,
		Set: []tunnel.Mapping{mapping(tunnel.Reach, "b=1391:390"), mapping(tunnel.Reach, "c=1389:393")},
	}))
	v := h.view("operator/office")
	if v.Comment != "new" || len(v.Mappings) != 2 || v.Mappings[0].String() != "b=1391:390" || v.Mappings[1].String() != "c=1389:393" || v.Revision != 2 {
		t.Errorf("after the edit: %+v", v.Tunnel)
	}
	h.must(h.edit("operator/office", tunnel.Edit{Comment: &comment}))
	if v := h.view("operator/office"); v.Revision != 2 {
		t.Errorf("an edit that changes nothing gave revision %d", v.Revision)
	}
	h.add("operator/other", "a.example", byKey(), mapping(tunnel.Reach, "x=1390:1")) // the port that b left
}

func TestEditTunnelIsRefused(t *testing.T) {
	h := newHost(t)
	h.add("operator/office", "a.example", byKey(), mapping(tunnel.Reach, "a=1389:389"))
	comment := "new"
	h.must(h.edit("operator/office", tunnel.Edit{Comment: &comment}))
	before := h.view("operator/office")

	f := refused(t, h.edit("operator/office", tunnel.Edit{Comment: new(string), IfRevision: 1}), tunnel.StaleRevision, "if_revision")
	if !strings.Contains(f.Message, "revision 2") || !errors.Is(f, tunnel.ErrStaleRevision) {
		t.Errorf("the refusal %+v does not name the present revision", f)
	}
	refused(t, h.edit("operator/office", tunnel.Edit{Drop: []string{"nope"}}), tunnel.NotFound, "drop")
	refused(t, h.edit("operator/office", tunnel.Edit{AcceptWider: []string{"nope"}}), tunnel.NotFound, "accept_wider")
	refused(t, h.edit("operator/office", tunnel.Edit{AcceptWider: []string{"a"}}), tunnel.Malformed, "accept_wider")
	refused(t, h.edit("operator/office", tunnel.Edit{Set: []tunnel.Mapping{mapping(tunnel.Reach, "b=1389:1")}}), tunnel.PortCollision, "mappings[b].local.port")
	refused(t, h.edit("operator/none", tunnel.Edit{}), tunnel.NotFound, "tunnel")
	for _, hostile := range []tunnel.Ref{{}, {Owner: "a/b", Name: "c"}, {Owner: "operator", Name: "../x"}, {Owner: "operator", Name: "office\x00"}, {Owner: "adsync", Name: "."}} {
		_, err := h.EditTunnel(t.Context(), by, hostile, tunnel.Edit{Comment: &comment})
		refused(t, err, tunnel.NotFound, "tunnel")
	}
	if after := h.view("operator/office"); !sameView(before, after) {
		t.Errorf("before %+v\nafter  %+v", before, after)
	}
}

// TestOperatorVerbsOnADeclaredTunnel: each is refused with the line that does it.
func TestOperatorVerbsOnADeclaredTunnel(t *testing.T) {
	h := newHost(t)
	h.module("adsync", "gw.example")
	h.must(h.As("adsync").Declare(h.ctx(), "berlin", []tunnel.Declaration{declared("adsync/berlin.site", "site")}))
	srv, cred, fp, comment := server("x.example"), byPassword(), "", "c"
	proxy, password, lan := via(corporate), tunnel.Secret(canary), "10.0.0.7"
	for _, c := range []struct {
		what   string
		do     func() error
		field  string
		wayOut string
	}{
		{"server", func() error { return h.edit("adsync/berlin.site", tunnel.Edit{Server: &srv}) }, "server",
			"culvert config set adsync/berlin site.server=root@x.example"},
		{"via", func() error { return h.edit("adsync/berlin.site", tunnel.Edit{Via: &proxy}) }, "via",
			"culvert config set adsync/berlin site.via=" + corporate},
		{"the proxy's password", func() error { return h.edit("adsync/berlin.site", tunnel.Edit{ViaPassword: &password}) }, "via_password",
			"culvert config set adsync/berlin --secret-stdin site.via_password"},
		{"LAN address", func() error { return h.edit("adsync/berlin.site", tunnel.Edit{LAN: &lan}) }, "lan",
			"culvert config set adsync/berlin site.lan=10.0.0.7"},
		{"lane", func() error {
			return h.edit("adsync/berlin.site", tunnel.Edit{Lanes: map[string]tunnel.Lane{"ldaps": tunnel.LaneBulk}})
		}, "lanes", "culvert config set adsync/berlin site.slots.ldaps.lane=bulk"},
		{"mapping", func() error {
			return h.edit("adsync/berlin.site", tunnel.Edit{Set: []tunnel.Mapping{mapping(tunnel.Reach, "ldaps=1636:636")}})
		}, "mappings[ldaps]", "culvert config set adsync/berlin site.slots.ldaps.spec=1636:636"},
		{"drop", func() error { return h.edit("adsync/berlin.site", tunnel.Edit{Drop: []string{"ldaps"}}) }, "drop",
			"culvert config set adsync/berlin site.slots.ldaps.on=false"},
		{"fingerprint", func() error { return h.edit("adsync/berlin.site", tunnel.Edit{Fingerprint: &fp}) }, "fingerprint",
			"culvert config set adsync/berlin site.fingerprint="},
		{"credential", func() error { return h.edit("adsync/berlin.site", tunnel.Edit{Credential: &cred}) }, "credential",
			"culvert config set adsync/berlin --secret-stdin site.password"},
		{"secret", func() error { return h.SetSecret(t.Context(), by, ref("adsync/berlin.site"), cred) }, "credential",
			"culvert config set adsync/berlin --secret-stdin site.password"},
		{"comment", func() error { return h.edit("adsync/berlin.site", tunnel.Edit{Comment: &comment}) }, "comment", "culvert config show adsync/berlin"},
		{"remove", func() error { return h.RemoveTunnel(t.Context(), by, ref("adsync/berlin.site")) }, "tunnel",
			"culvert config set adsync/berlin site.server="},
	} {
		t.Run(c.what, func(t *testing.T) {
			if f := refused(t, c.do(), tunnel.ManagedByModule, c.field); f.WayOut != c.wayOut {
				t.Errorf("way out %q, want %q", f.WayOut, c.wayOut)
			}
		})
	}
}

// TestAcceptWiderEndsWithTheMapping: what was allowed for one port is not allowed for another.
func TestAcceptWiderEndsWithTheMapping(t *testing.T) {
	h := newHost(t)
	h.add("operator/office", "a.example", byKey(), mapping(tunnel.Expose, "a=80:8080"), mapping(tunnel.Expose, "b=81:8081"))
	h.must(h.edit("operator/office", tunnel.Edit{AcceptWider: []string{"b", "a"}}))
	if got := h.view("operator/office").AcceptWider; len(got) != 2 {
		t.Fatalf("accepted %v, want both", got)
	}
	h.must(h.edit("operator/office", tunnel.Edit{Set: []tunnel.Mapping{mapping(tunnel.Expose, "a=80:9090")}}))
	if got := h.view("operator/office").AcceptWider; len(got) != 1 || got[0] != "b" {
		t.Errorf("accepted %v after a's port changed, want b alone", got)
	}
	h.must(h.edit("operator/office", tunnel.Edit{AcceptWider: []string{"a"}, RefuseWider: []string{"b"}}))
	if got := h.view("operator/office").AcceptWider; len(got) != 1 || got[0] != "a" {
		t.Errorf("accepted %v after b was refused, want a alone", got)
	}
	to := server("b.example")
	h.must(h.edit("operator/office", tunnel.Edit{Server: &to}))
	if got := h.view("operator/office").AcceptWider; len(got) != 0 {
		t.Errorf("accepted %v for another server, want none", got)
	}

	h.module("adsync", "gw.example")
	on := func(port string) []byte {
		return site("gw.example", `"slots":{"metrics":{"on":true,"spec":"9100:`+port+`"}}`)
	}
	_, err := h.SetConfiguration(t.Context(), by, conf("adsync/berlin"), on("9100"), 0)
	h.must(err)
	h.must(h.As("adsync").Declare(h.ctx(), "berlin", []tunnel.Declaration{declared("adsync/berlin.site", "site")}))
	h.must(h.edit("adsync/berlin.site", tunnel.Edit{AcceptWider: []string{"metrics"}}))
	if got := h.view("adsync/berlin.site").AcceptWider; len(got) != 1 {
		t.Fatalf("accepted %v for a declared tunnel, want metrics", got)
	}
	h.must(h.edit("adsync/berlin.site", tunnel.Edit{RefuseWider: []string{"metrics"}}))
	if got := h.view("adsync/berlin.site").AcceptWider; len(got) != 0 {
		t.Fatalf("accepted %v for a declared tunnel after it was refused", got)
	}
	h.must(h.edit("adsync/berlin.site", tunnel.Edit{AcceptWider: []string{"metrics"}}))
	_, err = h.SetConfiguration(t.Context(), by, conf("adsync/berlin"), on("9101"), 0)
	h.must(err)
	if got := h.view("adsync/berlin.site").AcceptWider; len(got) != 0 {
		t.Errorf("accepted %v after the port changed, want none", got)
	}
}

func TestHostsOwnPortsAreNoTarget(t *testing.T) {
	h := newHost(t)
	for _, c := range []struct {
		m       tunnel.Mapping
		refused bool
	}{
		{mapping(tunnel.Reach, "a=8443:443"), true},
		{mapping(tunnel.ReachGateway, "a=8443:443"), true},
		{mapping(tunnel.Expose, "a=8443:8443"), true},
		{mapping(tunnel.Expose, "a=127.0.0.9:8443:8443"), true},
		{mapping(tunnel.Expose, "a=[::1]:8443:8443"), true},
		{mapping(tunnel.Expose, "a=localhost:8443:8443"), true},
		{mapping(tunnel.Expose, "a=10.1.2.3:8443:8443"), false},
		{mapping(tunnel.Expose, "a=8444:8443"), false},
	} {
		_, err := h.AddTunnel(t.Context(), by, made("operator/x", "a.example", c.m), byKey())
		if !c.refused {
			h.must(err)
			h.must(h.RemoveTunnel(t.Context(), by, ref("operator/x")))
			continue
		}
		refused(t, err, tunnel.PolicyRefused, "mappings[a].local.port")
	}
}
