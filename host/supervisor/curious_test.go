package supervisor

import (
	"context"
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

// A service that says nothing for long keeps nobody waiting, and nothing it says, nor that it fails then, changes the
// verdict. It sees one connection.
func TestWhatAServiceSaysDelaysNoVerdict(t *testing.T) {
	for name, c := range map[string]struct {
		said string
		err  error
	}{
		"late":      {said: "220 late"},
		"nothing":   {},
		"it breaks": {err: fail(tunnel.TargetUnreachable)},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				s.shaped(func(l *fakeLink) {
					l.says = func(ctx context.Context) (string, error) {
						sleepUntil(ctx, time.Now().Add(2*time.Second))
						return c.said, c.err
					}
				})
				s.source.want(active(office, 1, ldap))
				s.pass(0)
				s.expect(office, tunnel.Up, "")
				s.pass(time.Minute)
				s.expect(office, tunnel.Up, "")
				if said := s.source.now(office).Mapping("ldap").Target.Message; said != c.said {
					t.Errorf("it said %q", said)
				}
				if n := len(s.engine.link(0).times("target", "ldap")); n != 1 {
					t.Errorf("it was opened %d times", n)
				}
				for _, r := range s.source.history(office) {
					if r.State == tunnel.Degraded {
						t.Errorf("told %s (%s)", r.State, r.Reason)
					}
				}
			})
		})
	}
}

// What does not answer at first is heard once it does.
func TestAServiceIsHeardOnceItAnswers(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.shaped(func(l *fakeLink) {
			l.target = func(context.Context, string) error { return fail(tunnel.TargetRefused) }
		})
		s.source.want(active(office, 1, ldap))
		s.pass(5 * time.Second)
		l := s.engine.link(0)
		l.script(func() { l.target = nil })
		s.pass(targetAgain)
		if m := s.source.now(office).Mapping("ldap"); m.State != tunnel.Up || m.Target.Message != "220 ldap ready" {
			t.Errorf("mapping %+v", m)
		}
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
