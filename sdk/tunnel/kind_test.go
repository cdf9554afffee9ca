package tunnel

import "testing"

func TestKinds(t *testing.T) {
	type answers struct{ valid, reaches, exposes, gateway bool }
	for k, want := range map[Kind]answers{
		Reach:         {true, true, false, false},
		ReachGateway:  {true, true, false, true},
		Expose:        {true, false, true, false},
		ExposeGateway: {true, false, true, true},
		"":            {},
		"Reach":       {},
		"gateway":     {},
	} {
		if got := (answers{k.Valid(), k.Reaches(), k.Exposes(), k.Gateway()}); got != want {
			t.Errorf("%q: got %+v, want %+v", k, got, want)
		}
	}
	if len(Kinds) != 4 {
		t.Errorf("there are %d kinds", len(Kinds))
	}
}

func TestNamesTell(t *testing.T) {
	if Name("office").Declared() || !Name("berlin.site").Declared() {
		t.Error("a dot, and it alone, tells a declared name")
	}
	if (Tunnel{Configuration: "berlin"}).ManagedBy() != ByModule || (Tunnel{}).ManagedBy() != ByOperator {
		t.Error("a tunnel with a configuration is its module's")
	}
	for _, s := range []State{Up, Degraded, Disabled, Inactive, Connecting, Waiting, Blocked, Unproved, Down, ""} {
		if s.Linked() != (s == Up || s == Degraded) {
			t.Errorf("%s: linked is %v", s, s.Linked())
		}
	}
	if !(Mapping{}).Private() || (Mapping{Local: Endpoint{"", 1}}).Private() {
		t.Error("a mapping without a local port, and it alone, is private")
	}
}

func TestRefsInOrder(t *testing.T) {
	for _, c := range []struct {
		a, b Ref
		want int
	}{
		{Ref{"a", "x"}, Ref{"b", "a"}, -1}, {Ref{"a", "b"}, Ref{"a", "a"}, 1}, {Ref{"a", "a"}, Ref{"a", "a"}, 0}, {Ref{"a", "z"}, Ref{"a-b", "a"}, -1},
	} {
		if got := c.a.Compare(c.b); got != c.want {
			t.Errorf("%s to %s: got %d", c.a, c.b, got)
		}
	}
}
