package supervisor

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// offers has every link measure the port of http as r says: wider or narrower than declared.
func (s *stage) offers(r tunnel.Reason) {
	s.shaped(func(l *fakeLink) {
		l.bound = map[tunnel.Reason]tunnel.Bound{
			tunnel.WiderThanDeclared: tunnel.BoundAll, tunnel.NarrowerThanDeclared: tunnel.BoundLoopback,
		}[r]
		l.proof = func(_ context.Context, name string) error {
			if name == "http" {
				return fail(r)
			}
			return nil
		}
	})
}

// accepting is active with leave for http to be wider.
func accepting(edition uint64, ms ...tunnel.Mapping) tunnel.Wanted {
	w := active(office, 1, ms...)
	w.Edition, w.Tunnel.AcceptWider = edition, []string{"http"}
	return w
}

// TestAWiderPortIsGivenUp at once, and asked for by nobody: not later, not on the next link.
func TestAWiderPortIsGivenUp(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.offers(tunnel.WiderThanDeclared)
		s.source.want(active(office, 1, ldap, http))
		s.pass(5 * time.Minute)
		s.expect(office, tunnel.Degraded, tunnel.WiderThanDeclared)
		m := s.expectMapping("http", tunnel.Down, tunnel.WiderThanDeclared)
		if m.Bound != tunnel.BoundAll || m.Listener.State != tunnel.Down || m.Listener.Reason != tunnel.WiderThanDeclared {
			t.Errorf("mapping %+v", m)
		}
		s.expectMapping("ldap", tunnel.Up, "")
		l := s.engine.link(0)
		if in, out := len(l.times("apply", "http")), len(l.times("withdraw", "http")); in != 1 || out != 1 || l.mappings["http"] != nil {
			t.Errorf("asked for %d times, withdrawn %d times", in, out)
		}
		if asked, given := l.times("prove", "http"), l.times("withdraw", "http"); len(asked) != 1 || !given[0].Equal(asked[0]) {
			t.Errorf("proved at %v, withdrawn at %v", asked, given)
		}
		l.breaks(fail(tunnel.LinkLost))
		s.pass(time.Minute)
		s.expectMapping("http", tunnel.Down, tunnel.WiderThanDeclared)
		if n := len(s.engine.link(1).times("apply", "http")); n != 0 {
			t.Errorf("the next link was asked for it %d times", n)
		}
	})
}

func TestAWiderPortIsAskedForAgainWhenSomebodyMeansIt(t *testing.T) {
	moved := http
	moved.Remote.Port = 18081
	again := map[string]func(s *stage){
		"restart":        func(s *stage) { _ = s.sup.Restart(office) },
		"acceptance":     func(s *stage) { s.source.want(accepting(2, ldap, http)) },
		"another port":   func(s *stage) { s.source.want(active(office, 1, ldap, moved)) },
		"another server": func(s *stage) { s.source.want(active(office, 2, ldap, http)) },
		"off, and on again": func(s *stage) {
			s.source.want(disabled(office, ldap, http))
			s.pass(time.Second)
			s.source.want(active(office, 3, ldap, http))
		},
	}
	for name, change := range again {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				s.offers(tunnel.WiderThanDeclared)
				s.source.want(active(office, 1, ldap, http))
				s.pass(time.Minute)
				change(s)
				s.pass(time.Minute)
				n := 0
				for _, l := range s.engine.links {
					n += len(l.times("apply", "http"))
				}
				if n != 2 {
					t.Errorf("asked for %d times in all", n)
				}
				if len(s.engine.links[0].times("apply", "ldap")) != 1 {
					t.Error("a neighbour was disturbed")
				}
			})
		})
	}
}

// TestAWiderPortThatIsAcceptedIsUp until the leave is taken: then it is given up.
func TestAWiderPortThatIsAcceptedIsUp(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.offers(tunnel.WiderThanDeclared)
		s.source.want(active(office, 1, ldap, http))
		s.pass(time.Minute)
		s.source.want(accepting(2, ldap, http))
		s.pass(time.Second)
		s.expect(office, tunnel.Up, "")
		if m := s.expectMapping("http", tunnel.Up, ""); m.Bound != tunnel.BoundAll || m.ProvedAt.IsZero() {
			t.Errorf("mapping %+v", m)
		}
		s.pass(time.Minute)
		s.expect(office, tunnel.Up, "")
		w := active(office, 1, ldap, http)
		w.Edition = 3
		s.source.want(w)
		s.pass(0)
		s.expectMapping("http", tunnel.Down, tunnel.WiderThanDeclared)
		if s.engine.link(0).mappings["http"] != nil {
			t.Error("it is still offered")
		}
	})
}

// TestANarrowerPortStays and is asked again until it is as declared.
func TestANarrowerPortStays(t *testing.T) {
	gateway := http
	gateway.Kind = tunnel.ExposeGateway
	play(t, func(t *testing.T, s *stage) {
		s.offers(tunnel.NarrowerThanDeclared)
		s.source.want(active(office, 1, gateway))
		s.pass(time.Minute)
		s.expect(office, tunnel.Degraded, tunnel.NarrowerThanDeclared)
		if m := s.expectMapping("http", tunnel.Down, tunnel.NarrowerThanDeclared); m.Bound != tunnel.BoundLoopback {
			t.Errorf("mapping %+v", m)
		}
		l := s.engine.link(0)
		if len(l.times("withdraw", "http")) != 0 || len(l.times("prove", "http")) < 5 {
			t.Errorf("%v", l.calls)
		}
		l.script(func() { l.proof, l.bound = nil, tunnel.BoundAll })
		s.pass(urgency)
		s.expect(office, tunnel.Up, "")
	})
}

func TestWhatIsNotAskedYetIsSaidSo(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.shaped(func(l *fakeLink) {
			l.target = func(ctx context.Context, _ string) error { return silence(ctx) }
		})
		s.source.want(active(office, 1, http))
		s.pass(time.Second)
		m := s.expectMapping("http", tunnel.Down, "")
		if m.Listener.State != tunnel.Up || m.Listener.At.IsZero() || m.Target != (tunnel.Statement{Message: "not asked yet"}) {
			t.Errorf("mapping %+v", m)
		}
	})
}

func TestWhatWasCarriedIsCountedOverLinks(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	var tl tally
	tl.now = Traffic{Open: 2, Total: 3, Refused: 1, In: 10, Out: 20, Callers: []tunnel.Caller{
		{Address: "10.0.0.1", Open: 1, Total: 2, Last: at(5)}, {Address: "10.0.0.2", Open: 1, Total: 1, Last: at(4)},
	}}
	tl.past, tl.now = added(tl.past, tl.now), Traffic{}
	tl.turnedAway = 7
	tl.now = Traffic{Open: 1, Total: 1, Refused: 2, In: 1, Out: 2, Callers: []tunnel.Caller{{Address: "10.0.0.2", Open: 1, Total: 1, Last: at(9)}}}
	got := tl.sum()
	want := []tunnel.Caller{{Address: "10.0.0.2", Open: 1, Total: 2, Last: at(9)}, {Address: "10.0.0.1", Total: 2, Last: at(5)}}
	if got.Open != 1 || got.Total != 4 || got.Refused != 10 || got.In != 11 || got.Out != 22 || !slices.Equal(got.Callers, want) {
		t.Errorf("%+v", got)
	}
	for i := range 100 {
		tl.now.Callers = []tunnel.Caller{{Address: fmt.Sprintf("10.1.0.%d", i), Total: 1, Last: at(100 + i)}}
		tl.past, tl.now = added(tl.past, tl.now), Traffic{}
	}
	if got := tl.sum().Callers; len(got) != tunnel.MaxCallers || got[0].Address != "10.1.0.99" {
		t.Errorf("%d callers are remembered, the latest %v", len(got), got[0])
	}
}
