package supervisor

import (
	"slices"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// What a service says is heard when somebody changed something and wants to know, never again and again: some services
// hold it against us.
func TestTargetsAreAskedThoroughlyAfterAChangeOnly(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		heard := func(l *fakeLink, names ...string) {
			t.Helper()
			for _, m := range []tunnel.Mapping{ldap, http} {
				want := 0
				if slices.Contains(names, m.Name) {
					want = 1
				}
				if n := len(l.times("thoroughly", m.Name)); n != want {
					t.Errorf("%s was asked thoroughly %d times, want %d", m.Name, n, want)
				}
			}
		}
		s.source.want(active(office, 1, ldap))
		s.pass(time.Minute)
		heard(s.engine.link(0), "ldap")
		s.source.want(active(office, 1, ldap, http))
		s.pass(time.Minute)
		heard(s.engine.link(0), "ldap", "http")

		s.engine.link(0).breaks(fail(tunnel.LinkLost))
		s.pass(time.Minute)
		heard(s.engine.link(1))
		s.engine.link(1).script(func() { s.engine.link(1).wake = silence })
		s.engine.link(1).falls(PeerSilent)
		s.pass(time.Minute)
		heard(s.engine.link(2))

		s.engine.set(func() { s.engine.connect = always(tunnel.Unreachable) })
		if err := s.sup.Restart(office); err != nil {
			t.Fatal(err)
		}
		s.pass(time.Minute)
		s.engine.set(func() { s.engine.connect = nil })
		s.pass(time.Minute)
		heard(s.engine.link(3), "ldap", "http")
	})
}

func TestACheckHearsWhatTheServiceSays(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		var notes []string
		_, err := s.sup.Check(t.Context(), Trial{Mappings: []tunnel.Mapping{ldap}}, func(step TrialStep) {
			if step.Done && step.Note != "" {
				notes = append(notes, step.Name+": "+step.Note)
			}
		})
		if want := []string{"forwarding ldap: 220 ldap ready"}; err != nil || !slices.Equal(notes, want) {
			t.Errorf("%v, notes %q", err, notes)
		}
	})
}
