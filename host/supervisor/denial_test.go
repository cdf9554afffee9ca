package supervisor

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// wrongs wants n tunnels whose logins are refused, says how they stand a few minutes later, and fails the test unless some
// were tried and some not.
func (s *stage) wrongs(n int) (tried, spared []tunnel.Ref) {
	s.t.Helper()
	var seen refusals
	s.engine.connect = seen.strict
	for i := range n {
		s.source.want(as(fmt.Sprintf("wrong%02d", i)))
		s.pass(0)
	}
	s.pass(4 * time.Minute)
	for i := range n {
		ref := as(fmt.Sprintf("wrong%02d", i)).Tunnel.Ref
		if s.engine.tried(ref) {
			tried = append(tried, ref)
		} else {
			spared = append(spared, ref)
		}
	}
	if len(tried) < 2 || len(spared) < 2 {
		s.t.Fatalf("%d were tried, %d were not", len(tried), len(spared))
	}
	return tried, spared
}

// A tunnel whose own login was refused says so for as long as that is so, while it waits for its turn too, and after a
// restart; one that waits because of it names it, and is not said to have been refused.
func TestWhoseLoginIsRefusedIsSaid(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		tried, spared := s.wrongs(20)
		refused := func(ref tunnel.Ref) {
			t.Helper()
			now := s.expect(ref, tunnel.Blocked, tunnel.LoginRefused)
			if now.Message != "because of login-refused" || !now.NextAttempt.After(time.Now()) {
				t.Errorf("%s says %q, and is tried next at %v", ref, now.Message, now.NextAttempt)
			}
		}
		for _, ref := range tried {
			refused(ref)
		}
		if err := s.sup.Restart(tried[0]); err != nil {
			t.Fatal(err)
		}
		s.pass(0)
		refused(tried[0])
		why := fmt.Sprintf("culvert tunnel why %s ", tried[0])
		for _, ref := range spared {
			now := s.expect(ref, tunnel.Waiting, tunnel.LoginPostponed)
			if !strings.Contains(now.Message, tried[0].String()) || !strings.Contains(now.Remedy, why) || !now.NextAttempt.After(time.Now()) {
				t.Errorf("%s says %q, %q", ref, now.Message, now.Remedy)
			}
		}
	})
}

// Only who is to be mended is named: not a tunnel that is gone, changed or mended by now.
func TestWhoIsMendedIsNamedNoMore(t *testing.T) {
	for name, mend := range map[string]func(*stage, tunnel.Wanted){
		"gone": func(s *stage, w tunnel.Wanted) {
			s.source.want(tunnel.Wanted{Tunnel: tunnel.Tunnel{Ref: w.Tunnel.Ref}, Gone: true})
		},
		"switched off": func(s *stage, w tunnel.Wanted) {
			w.Generation, w.Active, w.State, w.Reason = 2, false, tunnel.Disabled, tunnel.SuspendedReason
			s.source.want(w)
		},
		"mended": func(s *stage, w tunnel.Wanted) {
			w.Generation, w.Tunnel.Server.User = 2, "right"
			s.source.want(w)
		},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				tried, spared := s.wrongs(20)
				mend(s, as(string(tried[0].Name)))
				s.pass(time.Second)
				now := s.expect(spared[len(spared)-1], tunnel.Waiting, tunnel.LoginPostponed)
				if strings.Contains(now.Message, tried[0].String()) || !strings.Contains(now.Message, tried[1].String()) {
					t.Errorf("it says %q", now.Message)
				}
			})
		})
	}
}

// Nobody waits for a link that is minutes away.
func TestAConnectionDoesNotWaitForAPostponedLogin(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		_, spared := s.wrongs(20)
		last := spared[len(spared)-1]
		w := as(string(last.Name))
		w.Tunnel.Mappings = []tunnel.Mapping{smb}
		s.source.want(w)
		s.pass(0)
		s.sup.mu.Lock()
		k := s.sup.keepers[last]
		s.sup.mu.Unlock()
		_, err := k.ports.opener.open(t.Context(), "smb", "somebody")
		var se *tunnel.StatusError
		if !errors.As(err, &se) || se.State != tunnel.Waiting || se.Reason != tunnel.LoginPostponed {
			t.Errorf("got %v", err)
		}
	})
}

func TestWhoIsNamed(t *testing.T) {
	refs := func(n int) (all []tunnel.Ref) {
		for i := range n {
			all = append(all, tunnel.Ref{Owner: tunnel.Operator, Name: tunnel.Name(fmt.Sprint("t", i))})
		}
		return all
	}
	for n, want := range []string{
		"logins of this PBX lately",
		"the login of operator/t0",
		"the logins of operator/t0 and operator/t1",
		"the logins of operator/t0, operator/t1 and operator/t2",
		"the logins of operator/t0, operator/t1, operator/t2 and 1 more tunnel",
		"the logins of operator/t0, operator/t1, operator/t2 and 2 more tunnels",
	} {
		if got := refusedOf(refs(n)); got != want {
			t.Errorf("of %d: %q", n, got)
		}
	}
}
