package tunneltest

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// standing checks the state of a tunnel and that an idle one says which command makes it active.
func standing(t *testing.T, f Fixture, ref tunnel.Ref, state tunnel.State, reason tunnel.Reason, remedy string) {
	t.Helper()
	s := get(t, f, ref).Status
	if s.State != state || s.Reason != reason || !strings.Contains(s.Remedy, remedy) {
		t.Errorf("%s: got %s (%s) remedy %q, want %s (%s) with %q", ref, s.State, s.Reason, s.Remedy, state, reason,
			remedy)
	}
	if state == tunnel.Connecting {
		return
	}
	if s.Message == "" || s.Since.IsZero() {
		t.Errorf("%s: an idle tunnel says too little: %+v", ref, s)
	}
	for _, m := range s.Mappings {
		if m.State != tunnel.Down || m.Reason != reason {
			t.Errorf("%s/%s: got %s (%s), want down (%s)", ref, m.Name, m.State, m.Reason, reason)
		}
	}
}

func declaredTunnelsFollowTheirConfiguration(t *testing.T, f Fixture) {
	berlin := declared(t, f, "adsync/berlin", "berlin.example.org")
	rome := declared(t, f, "adsync/rome", "rome.example.org")
	conf := confRef(t, "adsync/berlin")
	standing(t, f, berlin, tunnel.Connecting, "", "")
	ok(t, f.Enable(conf, false))
	standing(t, f, berlin, tunnel.Inactive, tunnel.NoConfiguration, "culvert config enable adsync/berlin")
	standing(t, f, rome, tunnel.Connecting, "", "")
	ok(t, f.Enable(conf, true))
	standing(t, f, berlin, tunnel.Connecting, "", "")
	ok(t, f.RemoveConfiguration(conf))
	absent(t, f, berlin)
	get(t, f, rome)
	ok(t, f.Configure(conf, json.RawMessage(`{"site":{"server":"berlin.example.org"}}`)))
	absent(t, f, berlin) // a configuration of the same name is a new one
}

// operatorMadeTunnelsFollowAny is R56: not while another configuration is active.
func operatorMadeTunnelsFollowAny(t *testing.T, f Fixture) {
	ok(t, f.AddModule(module(t, "hello", tunnel.Anything)))
	ok(t, f.AddTunnel(made(t, "hello/office", "site.example.org", "reach", "1389:389")))
	ref := tunnelRef(t, "hello/office")
	one, two := confRef(t, "hello/one"), confRef(t, "hello/two")
	standing(t, f, ref, tunnel.Inactive, tunnel.NoConfiguration, "culvert config add hello/")
	ok(t, f.Configure(one, json.RawMessage(`{}`)))
	standing(t, f, ref, tunnel.Connecting, "", "")
	for _, idle := range []string{"hello/a", "hello/m", "hello/z"} {
		ok(t, f.Configure(confRef(t, idle), json.RawMessage(`{}`)))
		ok(t, f.Enable(confRef(t, idle), false))
	}
	ok(t, f.Configure(two, json.RawMessage(`{}`)))
	ok(t, f.Enable(one, false))
	standing(t, f, ref, tunnel.Connecting, "", "")
	for _, gone := range []string{"hello/two", "hello/a", "hello/m", "hello/z"} {
		ok(t, f.RemoveConfiguration(confRef(t, gone)))
	}
	standing(t, f, ref, tunnel.Inactive, tunnel.NoConfiguration, "culvert config enable hello/one")
	ok(t, f.RemoveConfiguration(one))
	standing(t, f, ref, tunnel.Inactive, tunnel.NoConfiguration, "culvert config add hello/")
}

func operatorsTunnelsAreAlwaysActive(t *testing.T, f Fixture) {
	ok(t, f.AddTunnel(made(t, "operator/office", "site.example.org", "reach", "1389:389")))
	ref := tunnelRef(t, "operator/office")
	standing(t, f, ref, tunnel.Connecting, "", "")
	ok(t, f.Suspend(ref, true))
	standing(t, f, ref, tunnel.Disabled, tunnel.SuspendedReason, "culvert tunnel enable operator/office")
	equal(t, "suspended", get(t, f, ref).Suspended, true)
	ok(t, f.Suspend(ref, false))
	standing(t, f, ref, tunnel.Connecting, "", "")
	refused(t, f.Suspend(tunnelRef(t, "operator/other"), true), tunnel.ErrNotFound)
	refused(t, f.AddTunnel(made(t, "operator/office", "site.example.org")), tunnel.ErrExists)
}

func suspensionOutlivesDeclarations(t *testing.T, f Fixture) {
	ref := declared(t, f, "adsync/berlin", "berlin.example.org")
	ok(t, f.Suspend(ref, true))
	ok(t, declareSet(f, "adsync/berlin"))
	ok(t, declare(f, "adsync/berlin", "site"))
	standing(t, f, ref, tunnel.Disabled, tunnel.SuspendedReason, "culvert tunnel enable adsync/berlin.site")
	ok(t, f.Enable(confRef(t, "adsync/berlin"), false))
	ok(t, f.Suspend(ref, false))
	standing(t, f, ref, tunnel.Inactive, tunnel.NoConfiguration, "culvert config enable adsync/berlin")
}

func aMissingModule(t *testing.T, f Fixture) {
	ref := declared(t, f, "adsync/berlin", "berlin.example.org")
	refused(t, f.RemoveTunnel(ref), tunnel.ErrManagedByModule)
	f.Miss("adsync", true)
	standing(t, f, ref, tunnel.Inactive, tunnel.ModuleMissing, "")
	f.Miss("adsync", false)
	standing(t, f, ref, tunnel.Connecting, "", "")
	f.Miss("adsync", true)
	ok(t, f.RemoveTunnel(ref))
	absent(t, f, ref)
}

func statusIsWhatWasReported(t *testing.T, f Fixture) {
	ref := declared(t, f, "adsync/berlin", "berlin.example.org")
	proved := time.Now().Add(-time.Minute).UTC().Truncate(time.Second)
	up := tunnel.Status{
		State: tunnel.Up, Since: proved, ServerVersion: "OpenSSH_9.2",
		Mappings: []tunnel.MappingStatus{{Name: "ldap", State: tunnel.Up, ProvedAt: proved,
			Bound: tunnel.BoundLoopback, Connections: 3, BytesIn: 1 << 40}},
	}
	f.Report(ref, up)
	s := get(t, f, ref).Status
	equal(t, "state", s.State, tunnel.Up)
	equal(t, "since", s.Since.Equal(proved), true)
	equal(t, "server version", s.ServerVersion, "OpenSSH_9.2")
	m := s.Mapping("ldap")
	equal(t, "mapping", m.State, tunnel.Up)
	equal(t, "proved at", m.ProvedAt.Equal(proved), true)
	equal(t, "counters", [2]uint64{uint64(m.Connections), m.BytesIn}, [2]uint64{3, 1 << 40})
	f.Report(tunnelRef(t, "adsync/berlin.none"), up)
	equal(t, "tunnels", len(list(t, f, "adsync")), 1)
	ok(t, f.Enable(confRef(t, "adsync/berlin"), false))
	f.Report(ref, up) // a late word on a link that ends
	standing(t, f, ref, tunnel.Inactive, tunnel.NoConfiguration, "culvert config enable")
	ok(t, f.Enable(confRef(t, "adsync/berlin"), true))
	equal(t, "state once enabled again", get(t, f, ref).Status.State, tunnel.Connecting)
}

func resultsAreCopies(t *testing.T, f Fixture) {
	ref := declared(t, f, "adsync/berlin", "berlin.example.org")
	watch := follow(t, f.As("tapi"))
	spoil := func(v tunnel.View) {
		v.Mappings[0].Remote.Port = 1
		v.Status.Mappings[0].State = tunnel.Up
	}
	spoil(get(t, f, ref))
	spoil(list(t, f, "adsync")[0])
	spoil(watch.synced(t)[0])
	v := get(t, f, ref)
	equal(t, "port", v.Mappings[0].Remote.Port, 636)
	equal(t, "state", v.Status.Mappings[0].State, tunnel.Down)
	report := tunnel.Status{State: tunnel.Up, Mappings: []tunnel.MappingStatus{{Name: "ldap", State: tunnel.Up}}}
	f.Report(ref, report)
	report.Mappings[0].State = tunnel.Down
	equal(t, "state reported", get(t, f, ref).Status.Mappings[0].State, tunnel.Up)
	slots := []string{"ldap"}
	ok(t, declareSet(f, "adsync/berlin", declaration("adsync/berlin", "site", slots...)))
	slots[0] = "smb"
	ok(t, f.Configure(confRef(t, "adsync/berlin"),
		json.RawMessage(`{"site":{"server":"b.example.org","slots":{"smb":{"on":true}}}}`)))
	equal(t, "mappings", mappings(get(t, f, ref).Tunnel), []string{"reach ldap=:636"})
}

func reopeningKeepsEverything(t *testing.T, f Fixture) {
	fingerprint := "MD5:19:5b:3f:4f:1c:eb:eb:59:ee:a4:28:9a:25:59:fe:db"
	configured(t, f, "adsync/berlin",
		`{"base":"dc=x","site":{"server":"b.example.org","login":"password","password":"canary","fingerprint":"`+
			fingerprint+`","via":"http://pbx@proxy.example.org:3128","via_password":"canary","lan":"192.168.1.10",`+
			`"slots":{"ldap":{"spec":"1636:636","lane":"bulk"},"smb":{"on":true}}}}`)
	ok(t, declareSet(f, "adsync/berlin", declaration("adsync/berlin", "site", "ldap")))
	idle := declared(t, f, "adsync/rome", "r.example.org")
	ok(t, f.Enable(confRef(t, "adsync/rome"), false))
	office := made(t, "operator/office", "admin@[2001:db8::1]:2222", "reach-gateway", "a=1389:dc1.example.org:389",
		"expose", "b=192.0.2.7:80:10080")
	office.Comment = "Büro 2"
	office.Via, office.LAN, office.Mappings[1].Lane = tunnel.Via{Scheme: tunnel.ViaSOCKS5, Host: "2001:db8::7", Port: 1080}, "10.0.0.7", tunnel.LaneBulk
	ok(t, f.AddTunnel(office))
	ok(t, f.Suspend(office.Ref, true))
	before := records(t, f)
	site := get(t, f, tunnelRef(t, "adsync/berlin.site"))
	equal(t, "proxy", site.Via.String(), "http://pbx@proxy.example.org:3128")
	equal(t, "address in its own network", site.LAN, "192.168.1.10")
	equal(t, "lane", site.Mappings[0].Lane, tunnel.LaneBulk)

	f = f.Reopen(t)
	if now := records(t, f); !reflect.DeepEqual(now, before) {
		t.Fatalf("after reopening\n got %+v\nwant %+v", now, before)
	}
	standing(t, f, idle, tunnel.Inactive, tunnel.NoConfiguration, "culvert config enable adsync/rome")
	standing(t, f, office.Ref, tunnel.Disabled, tunnel.SuspendedReason, "culvert tunnel enable")
	refused(t, f.AddTunnel(made(t, "operator/b", "s.example.org", "reach", "1636:1")), tunnel.ErrPortCollision)
	refused(t, declareSet(f, "adsync/berlin", tunnel.Declaration{Ref: office.Ref, Settings: "site"}),
		tunnel.ErrNotOwner)
	watch := follow(t, f.As("adsync"))
	equal(t, "present", len(watch.synced(t)), 3)
	ok(t, declareSet(f, "adsync/berlin", declaration("adsync/berlin", "site", "ldap")))
	ok(t, f.Suspend(office.Ref, false))
	equal(t, "first change", watch.next(t).Tunnel.Ref, office.Ref)
	ok(t, f.Configure(confRef(t, "adsync/berlin"), json.RawMessage(`{"site":{"server":"b.example.org"}}`)))
	equal(t, "mappings", mappings(get(t, f, tunnelRef(t, "adsync/berlin.site")).Tunnel), []string{"reach ldap=:636"})
}
