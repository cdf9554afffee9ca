package tunneltest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// anyInterleaving lets owners, operator and host act at random and holds every step to what no order of steps may break:
// a refused step changes nothing, a declaration changes none but its own configuration's tunnels, no two tunnels have one
// port, each keeps its rules, and a watcher ends with what List says.
func anyInterleaving(t *testing.T, f Fixture) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	install(t, f, "adsync", "tapi")
	ok(t, f.AddModule(module(t, "hello", tunnel.Anything)))
	a := &actors{Rand: rand.New(rand.NewPCG(seed, 0)), f: f}
	watch := follow(t, f.As("hello"))
	mirror := map[tunnel.Ref]tunnel.View{}
	before := records(t, f)
	for range 300 {
		step, may, err := a.act()
		now := records(t, f)
		for _, ref := range differing(before, now) {
			if err != nil || !may(ref) {
				t.Fatalf("%s (%v) changed %s", step, err, ref)
			}
		}
		sound(t, step, now)
		before = now
	}
	ok(t, f.AddTunnel(made(t, "operator/end", "end.example.org")))
	for mirror[tunnelRef(t, "operator/end")].Ref.Name == "" {
		reflectChange(mirror, watch.next(t))
	}
	views := list(t, f, "tapi")
	equal(t, "tunnels the watcher knows", len(mirror), len(views))
	for _, v := range views {
		m := mirror[v.Ref]
		equal(t, "mappings of "+v.Ref.String(), mappings(m.Tunnel), mappings(v.Tunnel))
		equal(t, "server of "+v.Ref.String(), m.Server, v.Server)
		equal(t, "state of "+v.Ref.String(), m.Status.State, v.Status.State)
	}
}

// reflectChange does to a mirror of the registry what a watcher was told.
func reflectChange(mirror map[tunnel.Ref]tunnel.View, c tunnel.Change) {
	switch c.Type {
	case tunnel.Present, tunnel.Changed:
		mirror[c.Tunnel.Ref] = c.Tunnel
	case tunnel.Removed:
		delete(mirror, c.Tunnel.Ref)
	case tunnel.Resync:
		clear(mirror)
	}
}

// differing are the tunnels that two states of the records do not have alike. Whether one is suspended does not count:
// that is the operator's word on a tunnel of any owner.
func differing(a, b []tunnel.Tunnel) []tunnel.Ref {
	text := func(t tunnel.Tunnel) string {
		t.Suspended = false
		return fmt.Sprintf("%+v", t)
	}
	states := map[tunnel.Ref]string{}
	for _, t := range a {
		states[t.Ref] = text(t)
	}
	var refs []tunnel.Ref
	for _, t := range b {
		if states[t.Ref] != text(t) {
			refs = append(refs, t.Ref)
		}
		delete(states, t.Ref)
	}
	for ref := range states {
		refs = append(refs, ref)
	}
	return refs
}

// sound checks the rules over all tunnels.
func sound(t *testing.T, step string, ts []tunnel.Tunnel) {
	t.Helper()
	for i, v := range ts {
		if fs := append(tunnel.Check(v), tunnel.Collisions(v, slices.Values(ts[i+1:]))...); len(fs) > 0 {
			t.Fatalf("after %s, %s breaks the rules: %v", step, v.Ref, fs)
		}
	}
}

// actors are everyone who acts on a registry, at random. Names, ports and servers are few, so that they meet.
type actors struct {
	*rand.Rand
	f Fixture
}

func pick[T any](a *actors, from ...T) T { return from[a.IntN(len(from))] }

func (a *actors) owner() tunnel.Owner { return pick[tunnel.Owner](a, "adsync", "tapi", "hello") }
func (a *actors) conf() tunnel.ConfigurationRef {
	return tunnel.ConfigurationRef{Module: a.owner(), Name: pick(a, "one", "two")}
}

// act takes one step: what it was, which tunnels it may change, and how it ended.
func (a *actors) act() (step string, may func(tunnel.Ref) bool, err error) {
	switch a.IntN(12) {
	case 0, 1, 2, 3:
		return a.declare()
	case 4, 5, 6:
		return a.configure()
	case 7, 8, 9:
		return a.operate()
	case 10:
		ref := a.conf()
		enabled := a.IntN(2) == 0
		return fmt.Sprintf("enable %s %v", ref, enabled), nobody, a.f.Enable(ref, enabled)
	}
	ref := a.conf()
	return fmt.Sprintf("remove %s", ref), of(ref), a.f.RemoveConfiguration(ref)
}

// declare states a random set, now and then with another's tunnel in it.
func (a *actors) declare() (string, func(tunnel.Ref) bool, error) {
	ref := a.conf()
	var set []tunnel.Declaration
	forged := false
	for _, path := range []string{"site", "sites.rome", "sites.oslo"} {
		if a.IntN(2) == 0 {
			continue
		}
		d := declaration(ref.String(), path)
		if a.IntN(10) == 0 {
			d.Ref = pick(a, tunnel.Ref{Owner: a.owner(), Name: "one.site"}, tunnel.Ref{Owner: tunnel.Operator,
				Name: "a"})
		}
		forged = forged || d.Ref.Owner != ref.Module || d.Ref.Name != tunnel.SettingsName(ref.Name, path)
		set = append(set, d)
	}
	step := fmt.Sprintf("declare %s %v", ref, set)
	err := declareSet(a.f, ref.String(), set...)
	if forged && err == nil {
		return step + " (forged, taken)", nobody, fmt.Errorf("nothing, though it was forged")
	}
	return step, of(ref), err
}

// configure sets random sites with few ports.
func (a *actors) configure() (string, func(tunnel.Ref) bool, error) {
	ref := a.conf()
	site := func() string {
		server, spec := pick(a, "", "a.example.org", "A.example.org", "b.example.org:2222"), pick(a, "", "",
			"2001:636", "2002:636")
		if a.IntN(20) == 0 {
			server, spec = "bad host", "0"
		}
		return fmt.Sprintf(`{"server":%q,"slots":{"ldap":{"spec":%q},"metrics":{"on":%v,"spec":"9100:%d"}}}`,
			server, spec, a.IntN(3) == 0, 9100+a.IntN(3))
	}
	doc := fmt.Sprintf(`{"site":%s,"sites":{"rome":%s}}`, site(), site())
	if a.IntN(2) == 0 {
		doc = fmt.Sprintf(`{"sites":{"rome":%s,"oslo":%s}}`, site(), site())
	}
	return fmt.Sprintf("configure %s %s", ref, doc), of(ref), a.f.Configure(ref, json.RawMessage(doc))
}

// operate does what the operator's commands do to a tunnel.
func (a *actors) operate() (string, func(tunnel.Ref) bool, error) {
	ref := tunnel.Ref{Owner: pick[tunnel.Owner](a, "hello", "adsync", tunnel.Operator), Name: pick[tunnel.Name](a,
		"a", "b", "one.site")}
	itself := func(r tunnel.Ref) bool { return r == ref }
	switch a.IntN(4) {
	case 0:
		return fmt.Sprintf("remove %s", ref), itself, a.f.RemoveTunnel(ref)
	case 1:
		return fmt.Sprintf("suspend %s", ref), nobody, a.f.Suspend(ref, a.IntN(2) == 0)
	case 2:
		a.f.Report(ref, tunnel.Status{State: pick(a, tunnel.Up, tunnel.Waiting), Since: time.Now()})
		return fmt.Sprintf("report on %s", ref), nobody, nil
	}
	m, _ := tunnel.ParseMapping(pick(a, tunnel.Reach, tunnel.Expose), pick(a, "2001:636", "2003:636", "9100:9100",
		"9101:9101"))
	t := tunnel.Tunnel{Ref: ref, Server: tunnel.Server{Host: pick(a, "a.example.org", "c.example.org"), Port: 22,
		User: "pbx"}, Login: tunnel.LoginKey,
		Mappings: []tunnel.Mapping{m}}
	return fmt.Sprintf("add %s %v", ref, m), itself, a.f.AddTunnel(t)
}

func nobody(tunnel.Ref) bool { return false }

// of is the tunnels that a configuration declared.
func of(ref tunnel.ConfigurationRef) func(tunnel.Ref) bool {
	return func(r tunnel.Ref) bool {
		return r.Owner == ref.Module && len(r.Name) > len(ref.Name) && string(r.Name[:len(ref.Name)+1]) == ref.Name+"."
	}
}
