package tunneltest

import (
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

const twoSites = `{"sites":{"berlin":{"server":"berlin.example.org"},"rome":{"server":"rome.example.org"}}}`

func allOrNothing(t *testing.T, f Fixture) {
	configured(t, f, "adsync/default", twoSites)
	ok(t, declare(f, "adsync/default", "sites.berlin"))
	before := records(t, f)
	refused(t, declareSet(f, "adsync/default",
		declaration("adsync/default", "sites.rome"),
		declaration("adsync/default", "sites.berlin", "ldap", "no-such-slot")), tunnel.ErrPolicyRefused)
	unchanged(t, f, before)
	absent(t, f, tunnelRef(t, "adsync/default.rome"))
}

// everyFindingAtOnce has mistakes of different sorts in one set: rules of one tunnel do not hide those over several.
func everyFindingAtOnce(t *testing.T, f Fixture) {
	ok(t, f.AddTunnel(made(t, "operator/office", "site.example.org", "reach", "a=1636:636", "reach", "b=2636:636")))
	configured(t, f, "adsync/default", `{
		"site":{"server":"site.example.org"},
		"sites":{
			"berlin":{"server":"berlin.example.org","slots":{"ldap":{"spec":"1636:636"}}},
			"rome":{"server":"rome.example.org","slots":{"ldap":{"spec":"2636:636"}}}}}`)
	fs := findings(t, declareSet(f, "adsync/default",
		declaration("adsync/default", "sites.berlin"),
		declaration("adsync/default", "sites.rome"),
		declaration("adsync/default", "site", "one", "two")), tunnel.ErrPortCollision)
	for _, want := range []struct {
		code  tunnel.Code
		field string
	}{
		{tunnel.PortCollision, "sites.berlin.slots.ldap.spec"},
		{tunnel.PortCollision, "sites.rome.slots.ldap.spec"},
		{tunnel.PolicyRefused, "slots"},
	} {
		if !has(fs, want.code, want.field) {
			t.Errorf("no finding %s at %s in:\n%v", want.code, want.field, fs)
		}
	}
	values := map[string]bool{}
	for _, x := range fs {
		values[x.Value] = true
		if x.Message == "" || x.WayOut == "" {
			t.Errorf("a finding says too little: %+v", x)
		}
	}
	equal(t, "values named", values, map[string]bool{"1636": true, "2636": true, "one": true, "two": true})
}

func equalDeclarationWritesNothing(t *testing.T, f Fixture) {
	configured(t, f, "adsync/default", twoSites)
	ok(t, declare(f, "adsync/default", "sites.berlin", "sites.rome"))
	before := records(t, f)
	watch := follow(t, f.As("tapi"))
	watch.synced(t)
	for range 3 {
		ok(t, declare(f, "adsync/default", "sites.rome", "sites.berlin"))
	}
	unchanged(t, f, before)
	ok(t, f.AddTunnel(made(t, "operator/mark", "site.example.org")))
	equal(t, "first change told", watch.next(t).Tunnel.Ref.String(), "operator/mark")
}

func whatIsLeftOutIsWithdrawn(t *testing.T, f Fixture) {
	configured(t, f, "adsync/default", twoSites)
	declared(t, f, "adsync/other", "other.example.org")
	ok(t, f.AddTunnel(made(t, "operator/office", "site.example.org")))
	berlin, rome := tunnelRef(t, "adsync/default.berlin"), tunnelRef(t, "adsync/default.rome")
	ok(t, declare(f, "adsync/default", "sites.berlin", "sites.rome"))
	get(t, f, berlin)
	ok(t, declare(f, "adsync/default", "sites.rome"))
	absent(t, f, berlin)
	get(t, f, rome)
	ok(t, declareSet(f, "adsync/default"))
	absent(t, f, rome)
	equal(t, "tunnels left", len(list(t, f, "adsync")), 2)
	ok(t, declare(f, "adsync/default", "sites.berlin"))
	get(t, f, berlin)
}

func noServerIsNoTunnel(t *testing.T, f Fixture) {
	configured(t, f, "adsync/default", `{"base":"dc=example"}`)
	ok(t, declare(f, "adsync/default", "site"))
	absent(t, f, tunnelRef(t, "adsync/default.site"))
	equal(t, "tunnels", len(list(t, f, "adsync")), 0)
}

func slotsLimitTheMappings(t *testing.T, f Fixture) {
	configured(t, f, "adsync/default", `{"site":{"server":"site.example.org","slots":{
		"ldap":{"spec":"1636:dc1.example.org:636"},"smb":{"on":true,"kind":"reach-gateway","spec":"1445:445"},"metrics":{"on":true}}}}`)
	ref := tunnelRef(t, "adsync/default.site")
	ok(t, declare(f, "adsync/default", "site"))
	equal(t, "all slots", mappings(get(t, f, ref).Tunnel),
		[]string{"reach ldap=1636:dc1.example.org:636", "reach-gateway smb=1445:445", "expose metrics=9100:9100"})
	ok(t, declareSet(f, "adsync/default", declaration("adsync/default", "site", "metrics", "ldap")))
	v := get(t, f, ref)
	equal(t, "two slots", mappings(v.Tunnel), []string{"reach ldap=1636:dc1.example.org:636",
		"expose metrics=9100:9100"})
	equal(t, "slot", v.Mappings[0].Slot, "ldap")
	equal(t, "statuses", len(v.Status.Mappings), 2)
}
