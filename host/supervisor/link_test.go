package supervisor

import (
	"context"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestATunnelIsUpWhenEveryMappingIsProved(t *testing.T) {
	play(t, func(s *stage) {
		s.source.want(active(office, 1, ldap, http))
		s.pass(0)
		now := s.expect(office, tunnel.Up, "")
		for _, m := range now.Mappings {
			if m.State != tunnel.Up || m.ProvedAt.IsZero() || m.TargetProvedAt.IsZero() {
				t.Errorf("mapping %s: %+v", m.Name, m)
			}
		}
		if want := []tunnel.State{tunnel.Connecting, tunnel.Up}; !slices.Equal(s.source.states(office), want) {
			t.Errorf("states %v, want %v", s.source.states(office), want)
		}
	})
}

func TestAnUnreachableServerIsTriedEveryThreeSeconds(t *testing.T) {
	for _, reason := range []tunnel.Reason{tunnel.Unreachable, tunnel.UnknownHost, tunnel.NameLookupFailed} {
		t.Run(string(reason), func(t *testing.T) {
			play(t, func(s *stage) {
				s.engine.connect = func(context.Context, Attempt) error { return fail(reason) }
				began := time.Now()
				s.source.want(active(office, 1, ldap))
				s.pass(time.Second)
				now := s.expect(office, tunnel.Waiting, reason)
				if got := now.NextAttempt.Sub(began); got != 3*time.Second {
					t.Errorf("next attempt after %s", got)
				}
				if m := now.Mapping("ldap"); m.State != tunnel.Down || m.Reason != reason {
					t.Errorf("mapping %+v", m)
				}
				s.pass(29 * time.Second)
				for _, g := range s.engine.gaps() {
					if g != 3*time.Second {
						t.Errorf("gaps %v", s.engine.gaps())
						break
					}
				}
				if n := s.engine.count(); n != 11 {
					t.Errorf("%d attempts in 30 s", n)
				}
			})
		})
	}
}
