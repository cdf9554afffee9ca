package supervisor

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// What people are told to allow for a tunnel is for all its mappings, those included that came after the attempt.
func TestAnAttemptKnowsTheMappingsOfNow(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1, ldap))
		s.pass(time.Minute)
		s.source.want(active(office, 1, ldap, upload))
		s.pass(time.Minute)
		if n := s.engine.count(); n != 2 { // the second link
			t.Fatalf("%d attempts", n)
		}
		for i := range 2 {
			if got := s.engine.plan(i).Mappings(); !slices.Equal(got, []tunnel.Mapping{ldap, upload}) {
				t.Errorf("attempt %d knows %+v", i+1, got)
			}
		}
	})
}

// What a server calls itself is known where it refuses the login, too: the key's line is in its words.
func TestWhoRefusesTheLoginIsKnown(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.engine.connect = func(context.Context, Attempt) error {
			return &failed{Failure{Reason: tunnel.LoginRefused, Message: "no", Remedy: "yes", Version: "SSH-2.0-dropbear_2022.83"}}
		}
		s.source.want(active(office, 1, ldap))
		s.pass(time.Minute)
		if got := s.source.now(office).ServerVersion; got != "SSH-2.0-dropbear_2022.83" {
			t.Errorf("the server calls itself %q", got)
		}
	})
}
