package tunneltest

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// settingsChangeWithoutTheModule: what the operator changes counts at once; no Declare follows.
func settingsChangeWithoutTheModule(t *testing.T, f Fixture) {
	ref := declared(t, f, "adsync/default", "site.example.org")
	conf := confRef(t, "adsync/default")
	watch := follow(t, f.As("tapi"))
	watch.synced(t)
	for _, step := range []struct {
		doc      string
		server   string
		mappings []string
	}{
		{`{"site":{"server":"site.example.org","slots":{"smb":{"on":true}}}}`, "root@site.example.org",
			[]string{"reach ldap=:636", "reach smb=:445"}},
		{`{"site":{"server":"site.example.org","slots":{"ldap":{"on":false}}}}`, "root@site.example.org", nil},
		{`{"site":{"server":"pbx@new.example.org:2222"}}`, "pbx@new.example.org:2222", []string{"reach ldap=:636"}},
		{`{"site":{"server":"pbx@newer.example.org:2222"}}`, "pbx@newer.example.org:2222", []string{"reach ldap=:636"}},
	} {
		ok(t, f.Configure(conf, json.RawMessage(step.doc)))
		v := get(t, f, ref)
		equal(t, "server", v.Server.String(), step.server)
		equal(t, "mappings", mappings(v.Tunnel), step.mappings)
		c := watch.next(t)
		equal(t, "told", c.Type, tunnel.Changed)
		equal(t, "told mappings", mappings(c.Tunnel.Tunnel), step.mappings)
		equal(t, "told server", c.Tunnel.Server.String(), step.server)
	}
	ok(t, f.Configure(conf, json.RawMessage(`{"site":{"server":""}}`)))
	absent(t, f, ref)
	c := watch.next(t)
	equal(t, "told", c.Type, tunnel.Removed)
	equal(t, "removed", c.Tunnel.Ref, ref)
	ok(t, f.Configure(conf, json.RawMessage(`{"site":{"server":"site.example.org"}}`)))
	get(t, f, ref)
}

func settingsThatDoNotFit(t *testing.T, f Fixture) {
	declared(t, f, "adsync/default", "site.example.org")
	ok(t, f.AddTunnel(made(t, "operator/office", "site.example.org", "reach-gateway", "a=1636:636", "expose",
		"b=9000:9100")))
	before := records(t, f)
	for _, bad := range []struct {
		doc   string
		code  tunnel.Code
		field string
	}{
		{`{"nope":1}`, tunnel.UnknownKey, "nope"},
		{`{"base":7}`, tunnel.Malformed, "base"},
		{`{"base":"dc=a-very-long-one,dc=example"}`, tunnel.TooLong, "base"},
		{`{"site":{"server":"-oProxyCommand=x"}}`, tunnel.Malformed, "site.server"},
		{`{"site":{"server":"s.example.org:99999"}}`, tunnel.OutOfRange, "site.server"},
		{`{"site":{"server":"s.example.org","login":"magic"}}`, tunnel.Malformed, "site.login"},
		{`{"site":{"server":"s.example.org","slots":{"ftp":{"on":true}}}}`, tunnel.UnknownKey, "site.slots.ftp"},
		{`{"site":{"server":"s.example.org","slots":{"ldap":{"kind":"expose"}}}}`, tunnel.PolicyRefused,
			"site.slots.ldap.kind"},
		{`{"site":{"server":"s.example.org","slots":{"ldap":{"spec":"0:389"}}}}`, tunnel.OutOfRange,
			"site.slots.ldap.spec"},
		{`{"site":{"server":"s.example.org","slots":{"ldap":{"kind":"reach-gateway"}}}}`, tunnel.Required,
			"site.slots.ldap.spec"},
		{`{"sites":{"rome":{"server":"r.example.org","slots":{"ldap":{"spec":"x"}}}}}`, tunnel.Malformed,
			"sites.rome.slots.ldap.spec"}, // though nobody declared it
		{`{"site":{"server":"s.example.org","slots":{"ldap":{"spec":"1636:636"}}}}`, tunnel.PortCollision,
			"site.slots.ldap.spec"},
		{`{"site":{"server":"Site.Example.org","slots":{"metrics":{"on":true}}}}`, tunnel.PortCollision,
			"site.slots.metrics.spec"},
	} {
		err := f.Configure(confRef(t, "adsync/default"), json.RawMessage(bad.doc))
		var fs tunnel.Findings
		if !errors.As(err, &fs) || !has(fs, bad.code, bad.field) {
			t.Errorf("%s: got %v, want %s at %s", bad.doc, err, bad.code, bad.field)
		}
	}
	unchanged(t, f, before)
}

func collisionsOverAllOwners(t *testing.T, f Fixture) {
	ok(t, f.AddModule(module(t, "hello", tunnel.Anything)))
	declared(t, f, "adsync/default", "pbx@Site.example.org")
	ok(t, f.Configure(confRef(t, "adsync/default"), json.RawMessage(
		`{"site":{"server":"pbx@Site.example.org","slots":{"ldap":{"spec":"1636:636"},"metrics":{"on":true}}}}`)))
	for _, c := range []struct {
		what string
		add  tunnel.Tunnel
		code bool
	}{
		{"same local port", made(t, "operator/a", "other.example.org", "reach", "x=1636:389"), true},
		{"all addresses against loopback", made(t, "operator/b", "other.example.org", "reach-gateway",
			"x=1636:389"), true},
		{"another module", made(t, "hello/c", "other.example.org", "reach", "x=1636:389"), true},
		{"remote port, other user and case", made(t, "operator/d", "bob@site.EXAMPLE.org", "expose", "x=9000:9100"),
			true},
		{"remote port on all addresses", made(t, "operator/e", "bob@site.example.org", "expose-gateway",
			"x=9000:9100"), true},
		{"other SSH port is another server", made(t, "operator/f", "site.example.org:2222", "expose",
			"x=9000:9100"), false},
		{"other server", made(t, "operator/g", "other.example.org", "expose", "x=9000:9100"), false},
		{"same target, other local port (R46)", made(t, "operator/h", "site.example.org", "reach", "x=1637:636"),
			false},
		{"one service, two remote ports (R45)", made(t, "operator/i", "site.example.org", "expose", "x=9100:9101"),
			false},
		{"another owner's listener exposed to a site", made(t, "operator/j", "other.example.org", "expose", "x=1636:9200"), true},
		{"the same by address", made(t, "hello/k", "other.example.org", "expose-gateway", "x=127.0.0.1:1636:9200"), true},
		{"listening at what another owner exposes", made(t, "operator/l", "other.example.org", "reach", "x=9100:389"), true},
	} {
		err := f.AddTunnel(c.add)
		if !c.code {
			ok(t, err)
			continue
		}
		fs := findings(t, err, tunnel.ErrPortCollision)
		equal(t, c.what+": findings", len(fs), 1)
		absent(t, f, c.add.Ref)
	}
	v := get(t, f, tunnelRef(t, "operator/h"))
	ok(t, f.RemoveTunnel(v.Ref))
	ok(t, f.AddTunnel(v.Tunnel)) // what is removed leaves its port
}

func suspendedTunnelsKeepTheirPorts(t *testing.T, f Fixture) {
	ok(t, f.AddTunnel(made(t, "operator/a", "site.example.org", "reach", "x=1636:636")))
	ok(t, f.Suspend(tunnelRef(t, "operator/a"), true))
	refused(t, f.AddTunnel(made(t, "operator/b", "other.example.org", "reach", "x=1636:636")), tunnel.ErrPortCollision)
	configured(t, f, "adsync/default", `{"site":{"server":"s.example.org","slots":{"ldap":{"spec":"1637:636"}}}}`)
	ok(t, declare(f, "adsync/default", "site"))
	ok(t, f.Enable(confRef(t, "adsync/default"), false))
	refused(t, f.AddTunnel(made(t, "operator/b", "other.example.org", "reach", "x=1637:636")), tunnel.ErrPortCollision)
	ok(t, f.RemoveConfiguration(confRef(t, "adsync/default")))
	ok(t, f.AddTunnel(made(t, "operator/b", "other.example.org", "reach", "x=1637:636")))
}

func policyBindsTheOperatorToo(t *testing.T, f Fixture) {
	install(t, f, "strict")
	ok(t, f.AddModule(module(t, "partly", tunnel.Policy{Kinds: []tunnel.Kind{tunnel.Expose}})))
	ok(t, f.AddModule(module(t, "hello", tunnel.Anything)))
	for _, c := range []struct {
		ref, kind, spec string
		refused         bool
	}{
		{"strict/a", "reach", "x=1002:1001", true}, {"strict/a", "expose", "x=1000:1001", true},
		{"partly/a", "reach", "x=1002:1001", true}, {"partly/b", "expose", "x=1000:1001", false},
		{"hello/a", "reach", "x=1002:1001", false}, {"operator/a", "expose-gateway", "x=1000:1001", false},
	} {
		err := f.AddTunnel(made(t, c.ref, c.ref[:4]+".example.org", c.kind, c.spec))
		if c.refused {
			refused(t, err, tunnel.ErrPolicyRefused)
		} else {
			ok(t, err)
		}
	}
	refused(t, f.AddTunnel(made(t, "nobody/a", "site.example.org")), tunnel.ErrNotFound)
}
