package tunneltest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func everyOwnerSeesEveryTunnel(t *testing.T, f Fixture) {
	site := declared(t, f, "adsync/berlin", "root@site.example.org")
	install(t, f, "monitoring")
	ok(t, f.AddTunnel(made(t, "operator/office", "office.example.org", "reach", "1389:389")))
	for _, owner := range []tunnel.Owner{"adsync", "monitoring", tunnel.Operator} {
		for _, ref := range []tunnel.Ref{site, tunnelRef(t, "operator/office")} {
			v, err := f.As(owner).Get(t.Context(), ref)
			ok(t, err)
			equal(t, "name", v.Ref, ref)
		}
		equal(t, fmt.Sprintf("tunnels listed for %s", owner), len(list(t, f, owner)), 2)
		equal(t, fmt.Sprintf("tunnels present for %s", owner), len(follow(t, f.As(owner)).synced(t)), 2)
	}
	v := get(t, f, site)
	equal(t, "server", v.Server, tunnel.Server{Host: "site.example.org", Port: 22, User: "root"})
	equal(t, "configuration", v.Configuration, "berlin")
	equal(t, "managed by", v.ManagedBy(), tunnel.ByModule)
	equal(t, "mappings", mappings(v.Tunnel), []string{"reach ldap=:636"})
}

func listIsInOrder(t *testing.T, f Fixture) {
	for _, ref := range []string{"operator/b", "operator/a", "operator/a2", "operator/c-1", "operator/c"} {
		ok(t, f.AddTunnel(made(t, ref, "site.example.org")))
	}
	declared(t, f, "tapi/default", "site.example.org")
	declared(t, f, "adsync/zurich", "site.example.org")
	var names []string
	for _, v := range list(t, f, tunnel.Operator) {
		names = append(names, v.Ref.String())
	}
	equal(t, "order", names, []string{"adsync/zurich.site", "operator/a", "operator/a2", "operator/b", "operator/c",
		"operator/c-1", "tapi/default.site"})
}

// onlyTheOwnerChanges names other owners' tunnels in every shape. Nothing may come of it, not even a word to a watcher.
func onlyTheOwnerChanges(t *testing.T, f Fixture) {
	victim := declared(t, f, "monitoring/default", "site.example.org")
	ok(t, f.AddTunnel(made(t, "operator/office", "site.example.org")))
	configured(t, f, "intruder/default", `{"site":{"server":"evil.example.org"}}`)
	before := records(t, f)
	watch := follow(t, f.As("monitoring"))
	watch.synced(t)
	own := tunnel.SettingsName("default", "site")
	for _, ref := range []tunnel.Ref{
		victim,
		{Owner: tunnel.Operator, Name: "office"},
		{Owner: tunnel.Operator, Name: own},
		{Owner: "adsync", Name: own}, // nobody by that name
		{Owner: "", Name: own},
		{Owner: "Intruder", Name: own},
		{Owner: "intruder/", Name: own},
		{Owner: "intruder ", Name: own},
		{Owner: "intruder\x00", Name: own},
		{Owner: "monitoring/default.site\x1b[2J", Name: own},
		{},
	} {
		d := tunnel.Declaration{Ref: ref, Settings: "site"}
		for _, set := range [][]tunnel.Declaration{{d}, {declaration("intruder/default", "site"), d}} {
			err := declareSet(f, "intruder/default", set...)
			refused(t, err, tunnel.ErrNotOwner)
			if ref == victim && !strings.Contains(err.Error(),
				"not the owner: monitoring/default.site belongs to monitoring, and only monitoring can change it") {
				t.Errorf("the refusal reads %q", err)
			}
		}
	}
	refused(t, declareSet(f, "intruder/nowhere", tunnel.Declaration{Ref: victim, Settings: "site"}), tunnel.ErrNotOwner)
	unchanged(t, f, before)
	ok(t, declare(f, "intruder/default", "site"))
	equal(t, "first change told", watch.next(t).Tunnel.Ref.String(), "intruder/default.site")
}

func aConfigurationTouchesItsOwn(t *testing.T, f Fixture) {
	declared(t, f, "adsync/berlin", "berlin.example.org")
	declared(t, f, "adsync/rome", "rome.example.org")
	before := records(t, f)
	for _, name := range []tunnel.Name{"rome.site", "berlin.sit", "berlin", "site", "", "berlin.site.site",
		"berlin.Site", "berlin.site\n"} {
		d := tunnel.Declaration{Ref: tunnel.Ref{Owner: "adsync", Name: name}, Settings: "site"}
		refused(t, declareSet(f, "adsync/berlin", d), tunnel.ErrInvalid)
	}
	for _, path := range []string{"", ".", "site.", ".site", "Site", "site.server", "sites", "sites.nowhere",
		"base", "../site", strings.Repeat("a.", 5000) + "a"} {
		d := tunnel.Declaration{Ref: tunnel.Ref{Owner: "adsync", Name: tunnel.SettingsName("berlin", path)},
			Settings: path}
		if err := declareSet(f, "adsync/berlin", d); err == nil {
			t.Errorf("a declaration of settings %.40q was taken", path)
		}
	}
	twice := declaration("adsync/berlin", "site")
	refused(t, declareSet(f, "adsync/berlin", twice, twice), tunnel.ErrExists)
	unchanged(t, f, before)
}

func unknownConfiguration(t *testing.T, f Fixture) {
	install(t, f, "adsync")
	refused(t, declare(f, "adsync/berlin", "site"), tunnel.ErrNotFound)
	refused(t, declareSet(f, "adsync/berlin"), tunnel.ErrNotFound)
	refused(t, f.As(tunnel.Operator).Declare(t.Context(), "default", nil), tunnel.ErrNotFound)
	refused(t, f.As("nobody").Declare(t.Context(), "default", nil), tunnel.ErrNotFound)
	configured(t, f, "tapi/berlin", `{}`)
	refused(t, declareSet(f, "adsync/berlin"), tunnel.ErrNotFound)
	_, err := f.As("adsync").Get(t.Context(), tunnel.Ref{Owner: "adsync", Name: "berlin.site"})
	refused(t, err, tunnel.ErrNotFound)
}

// concurrentOwners: two owners at a time race for one port, again and again; one gets it, each sees its own truth.
func concurrentOwners(t *testing.T, f Fixture) {
	owners := []string{"adsync/default", "tapi/default", "smb/default"}
	for _, ref := range owners {
		configured(t, f, ref, `{"site":{"server":"site.example.org","slots":{"ldap":{"spec":"1636:636"}}}}`)
	}
	for range 5 {
		errs := make([]error, len(owners))
		var all sync.WaitGroup
		for i, ref := range owners {
			all.Go(func() { errs[i] = declare(f, ref, "site") })
			all.Go(func() {
				for _, err := range f.As("tapi").List(context.Background()) {
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else {
				refused(t, err, tunnel.ErrPortCollision)
			}
		}
		equal(t, "owners that got the port", won, 1)
		equal(t, "tunnels", len(list(t, f, tunnel.Operator)), 1)
		for i, ref := range owners {
			if errs[i] == nil {
				ok(t, declareSet(f, ref))
			}
		}
	}
}
