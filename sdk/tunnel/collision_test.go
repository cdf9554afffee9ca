package tunnel

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCollisions(t *testing.T) {
	at := func(v Tunnel, server string) Tunnel {
		v.Server, _ = ParseServer(server)
		return v
	}
	for _, c := range []struct {
		name string
		a, b Tunnel
		want []string
	}{
		{"loopback twice", sound(t, "adsync/a", "reach x=1389:1"), sound(t, "tapi/b", "reach y=1389:2"), []string{"port-collision mappings[x].local.port 1389"}},
		{"loopback against all addresses", sound(t, "adsync/a", "reach x=1389:1"), sound(t, "operator/b", "reach-gateway y=1389:2"), []string{"port-collision mappings[x].local.port 1389"}},
		{"private ones have no port", sound(t, "adsync/a", "reach x=:1"), sound(t, "adsync/b", "reach y=:1"), nil},
		{"another port", sound(t, "adsync/a", "reach x=1389:1"), sound(t, "tapi/b", "reach y=1390:1"), nil}, // R46
		{"a listener and a service", sound(t, "operator/a", "reach x=1389:1"), sound(t, "operator/b", "expose y=1389:2"), nil},
		{"one remote port", sound(t, "operator/a", "expose x=1:9100"), sound(t, "adsync/b", "expose-gateway y=2:9100"), []string{"port-collision mappings[x].remote.port 9100"}},
		{"two remote ports, one service", sound(t, "operator/a", "expose x=1:9100"), sound(t, "adsync/b", "expose y=1:9101"), nil}, // R45
		{"a remote port and a target", sound(t, "operator/a", "expose x=1:9100"), sound(t, "adsync/b", "reach y=2:9100"), nil},
		{"the server in capitals, other user", at(sound(t, "operator/a", "expose x=1:9100"), "root@SITE.example.org."), sound(t, "operator/b", "expose y=1:9100"),
			[]string{"port-collision mappings[x].remote.port 9100"}},
		{"another SSH port", at(sound(t, "operator/a", "expose x=1:9100"), "pbx@site.example.org:2222"), sound(t, "operator/b", "expose y=1:9100"), nil},
		{"another server", at(sound(t, "operator/a", "expose x=1:9100"), "pbx@192.0.2.7"), sound(t, "operator/b", "expose y=1:9100"), nil},
		{"one IPv6 server written twice", at(sound(t, "operator/a", "expose x=1:9100"), "[2001:db8:0::1]"), at(sound(t, "operator/b", "expose y=1:9100"), "[2001:DB8::1]"),
			[]string{"port-collision mappings[x].remote.port 9100"}},
		{"an IPv4 server in IPv6", at(sound(t, "operator/a", "expose x=1:9100"), "[::ffff:192.0.2.7]"), at(sound(t, "operator/b", "expose y=1:9100"), "192.0.2.7"),
			[]string{"port-collision mappings[x].remote.port 9100"}},
		{"another owner's listener exposed", sound(t, "operator/a", "expose x=1389:2"), sound(t, "adsync/b", "reach y=1389:1"), []string{"port-collision mappings[x].local.port 1389"}},
		{"another owner's gateway exposed by address", sound(t, "tapi/a", "expose-gateway x=127.0.0.9:1389:2"), sound(t, "operator/b", "reach-gateway y=1389:1"), []string{"port-collision mappings[x].local.port 1389"}},
		{"exposed by name", sound(t, "tapi/a", "expose x=LocalHost:1389:2"), sound(t, "operator/b", "reach y=1389:1"), []string{"port-collision mappings[x].local.port 1389"}},
		{"exposed by IPv6", sound(t, "tapi/a", "expose x=[::1]:1389:2"), sound(t, "operator/b", "reach y=1389:1"), []string{"port-collision mappings[x].local.port 1389"}},
		{"a phone's port of that number", sound(t, "tapi/a", "expose x=10.1.2.3:1389:2"), sound(t, "operator/b", "reach y=1389:1"), nil},
		{"listening where another owner exposes", sound(t, "adsync/a", "reach x=1389:1"), sound(t, "operator/b", "expose y=1389:2"), []string{"port-collision mappings[x].local.port 1389"}},
		{"a private one has no port to expose", sound(t, "tapi/a", "expose x=:2"), sound(t, "operator/b", "reach y=2:1"), nil},
		{"its former self", sound(t, "operator/a", "reach x=1389:1", "expose y=1:9100"), sound(t, "operator/a", "reach z=1389:1", "expose y=1:9100"), nil},
		{"every one at once", sound(t, "operator/a", "reach x=1:1", "reach y=2:1", "expose z=1:3"), sound(t, "operator/b", "reach x=2:1", "reach y=1:1", "expose z=1:3"),
			[]string{"port-collision mappings[x].local.port 1", "port-collision mappings[y].local.port 2", "port-collision mappings[z].remote.port 3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs := Collisions(c.a, slices.Values([]Tunnel{c.b}))
			expect(t, fs, c.want...)
			for _, f := range fs {
				if !strings.Contains(f.Message, c.b.Ref.String()) || !strings.Contains(f.Message, f.Value) {
					t.Errorf("the finding names not %s and port %s: %s", c.b.Ref, f.Value, f.Message)
				}
			}
		})
	}
}

// TestOneLocalPortToSeveralRemotePorts is R44.
func TestOneLocalPortToSeveralRemotePorts(t *testing.T) {
	fs := Collisions(sound(t, "operator/a", "reach x=1389:dc1:389", "reach-gateway y=1389:dc2:390", "reach z=1389:dc1:389"), slices.Values([]Tunnel(nil)))
	expect(t, fs, "port-collision mappings[y].local.port 1389", "port-collision mappings[z].local.port 1389")
	for _, part := range []string{"local port 1389 cannot lead to several remote ports", "dc1:389", "dc2:390", "mapping x"} {
		if !strings.Contains(fs[0].Message, part) {
			t.Errorf("%q is not in %q", part, fs[0].Message)
		}
	}
	if !strings.Contains(fs[1].Message, "local port 1389 is taken by mapping x of operator/a") {
		t.Errorf("got %q", fs[1].Message)
	}
}

// servers hold two that are one (case) and two that differ in the SSH port alone.
var servers = []Server{{"a.example", 22, "root"}, {"A.Example", 22, "pbx"}, {"a.example", 2222, "root"}, {"::1", 22, "root"}}

func drawTunnel(name string) *rapid.Generator[Tunnel] {
	return rapid.Custom(func(t *rapid.T) Tunnel {
		v := Tunnel{Ref: Ref{rapid.SampledFrom([]Owner{"adsync", "operator"}).Draw(t, "owner"), Name(name)}, Server: rapid.SampledFrom(servers).Draw(t, "server"), Login: LoginKey}
		for i := range rapid.IntRange(0, 5).Draw(t, "mappings") {
			m := Mapping{Name: fmt.Sprint("m", i), Kind: rapid.SampledFrom(Kinds).Draw(t, "kind")}
			m.Local.Port, m.Remote.Port = rapid.IntRange(0, 4).Draw(t, "local"), rapid.IntRange(1, 4).Draw(t, "remote")
			v.Mappings = append(v.Mappings, m)
		}
		return v
	})
}

// collide is the rule in the plainest words, mapping against mapping.
func collide(a, b Tunnel, m, n Mapping) bool {
	switch {
	case m.Kind.Reaches() && n.Kind.Reaches():
		return m.Local.Port == n.Local.Port && m.Local.Port != 0
	case m.Kind.Exposes() && n.Kind.Exposes():
		return strings.EqualFold(a.Server.Host, b.Server.Host) && a.Server.Port == b.Server.Port && m.Remote.Port == n.Remote.Port
	}
	return m.Local.Port == n.Local.Port && m.Local.Port != 0 && a.Ref.Owner != b.Ref.Owner // one exposes where the other listens
}

func TestCollisionsAreThoseOfTheRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawTunnel("a").Draw(t, "a"), drawTunnel("b").Draw(t, "b")
		want := map[string]bool{}
		for i, m := range a.Mappings {
			for _, n := range a.Mappings[:i] {
				want[m.Name] = want[m.Name] || collide(a, a, m, n)
			}
			for _, n := range b.Mappings {
				want[m.Name] = want[m.Name] || collide(a, b, m, n)
			}
		}
		got := map[string]bool{}
		for _, f := range Collisions(a, slices.Values([]Tunnel{a, b})) {
			got[f.Field[len("mappings["):strings.Index(f.Field, "]")]] = true
		}
		for _, m := range a.Mappings {
			if got[m.Name] != want[m.Name] {
				t.Fatalf("mapping %s: found %v, by the rule %v", m.Name, got[m.Name], want[m.Name])
			}
		}
	})
}

func TestCollisionsAreSymmetric(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := Reservations(drawTunnel("a").Draw(t, "a")), Reservations(drawTunnel("b").Draw(t, "b"))
		met := false
		for _, x := range a {
			for _, y := range b {
				if Overlap(x, y) != Overlap(y, x) {
					t.Fatalf("%+v and %+v", x, y)
				}
				met = met || Overlap(x, y)
			}
		}
		if met != foreign(a, b) {
			t.Fatalf("overlap is %v: %+v and %+v", met, a, b)
		}
		if foreign(a, b) != foreign(b, a) {
			t.Fatalf("%+v and %+v", a, b)
		}
	})
}

// foreign reports whether own meets what another holds.
func foreign(own, held []Reservation) bool {
	return len(Conflicts(own, held)) > len(Conflicts(own, nil))
}

func TestCheckAndCollisionsNeverPanic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := Tunnel{
			Ref:     Ref{Owner(rapid.String().Draw(t, "owner")), Name(rapid.String().Draw(t, "name"))},
			Server:  Server{rapid.String().Draw(t, "host"), rapid.Int().Draw(t, "port"), rapid.String().Draw(t, "user")},
			Comment: rapid.String().Draw(t, "comment"), Settings: rapid.String().Draw(t, "settings"), Configuration: rapid.String().Draw(t, "conf"),
			Mappings: []Mapping{{
				Name: rapid.String().Draw(t, "mapping"), Kind: Kind(rapid.String().Draw(t, "kind")),
				Local: Endpoint{rapid.String().Draw(t, "lhost"), rapid.Int().Draw(t, "lport")}, Remote: Endpoint{rapid.String().Draw(t, "rhost"), rapid.Int().Draw(t, "rport")},
			}},
		}
		fs := Check(v)
		if len(fs) == 0 {
			t.Fatalf("%+v passes", v) // the kind is none of the four
		}
		for _, f := range fs {
			if strings.ContainsFunc(f.Error(), unshowable) {
				t.Fatalf("a finding can drive a terminal: %q", f.Error())
			}
		}
		_ = Warnings(v)
		_ = Collisions(v, slices.Values([]Tunnel{v}))
		_ = CheckPolicy(v, Policy{}, nil)
	})
}
