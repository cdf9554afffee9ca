package supervisor

import (
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Counters are brought up to date for whoever looks, on either link and on one that rests, and reported where they moved.
func TestCountersAreReportedForWhoeverLooks(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		main, second := s.hasTwo()
		s.pass(3 * time.Second)
		counted := func(what string, refs ...tunnel.Ref) {
			t.Helper()
			reports := len(s.source.history(office))
			s.sup.Recount(refs...)
			now := s.source.now(office)
			for _, m := range now.Mappings {
				l := main
				if onSecond(mappingOf(m.Name)) {
					l = second
				}
				if f := l.Traffic(m.Name); m.Connections != f.Open || m.BytesIn != f.In || m.BytesOut != f.Out {
					t.Errorf("%s: %s has %+v, shown %+v", what, m.Name, f, m)
				}
			}
			s.sup.Recount(refs...)
			if n := len(s.source.history(office)) - reports; n != 1 {
				t.Errorf("%s: reported %d times", what, n)
			}
		}
		moves := func(l *fakeLink, name string, open int, in uint64) {
			l.script(func() { l.mappings[name].open, l.mappings[name].in = open, in })
		}
		moves(main, "ldap", 2, 7)
		moves(second, "upload", 1, 1<<40)
		counted("all tunnels")
		moves(main, "http", 1, 9)
		counted("one tunnel", office)

		s.engine.set(func() { s.engine.connect = always(tunnel.Unreachable) })
		main.falls(PeerSilent)
		s.pass(time.Second)
		moves(main, "ldap", 1, 7)
		counted("a link that rests", office)
		if m := s.source.now(office).Mapping("ldap"); m.State != tunnel.Down {
			t.Errorf("it counts as %s", m.State)
		}
		s.sup.Recount(tunnel.Ref{Owner: tunnel.Operator, Name: "nobody"})
	})
}

// That things are as they were is reported once a minute, and to whoever looks as of their last proof.
func TestThatNothingChangedIsReportedSeldomAndToWhoeverLooks(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		began := time.Now()
		s.source.want(active(office, 1, ldap, http))
		s.pass(15 * time.Second)
		before := len(s.source.history(office))
		s.pass(5 * time.Minute)
		if n := len(s.source.history(office)) - before; n < 4 || n > 5 {
			t.Errorf("reported %d times in five minutes", n)
		}
		s.pass(10 * time.Second)
		s.sup.Recount(office)
		now := s.source.now(office)
		for _, m := range now.Mappings {
			if got := m.ProvedAt.Sub(began); got != 320*time.Second {
				t.Errorf("%s is shown as proved at %s", m.Name, got)
			}
		}
		if got := now.Link.At.Sub(began); got != 320*time.Second {
			t.Errorf("the link is shown as alive at %s", got)
		}
	})
}
