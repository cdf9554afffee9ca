package supervisor

import (
	"context"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// The registry pins a learned key without a new generation, since the link that learned it serves on. Every attempt
// after that has to expect it.
func TestALearnedKeyIsExpectedFromTheNextAttemptOn(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1, ldap))
		s.pass(time.Minute)
		if pin := s.engine.plan(0).Pin; pin != (tunnel.Pin{}) {
			t.Errorf("the first attempt expects %+v", pin)
		}
		s.engine.link(-1).breaks(fail(tunnel.LinkLost))
		s.pass(time.Minute)
		s.engine.link(-1).breaks(fail(tunnel.LinkLost))
		s.pass(time.Minute)
		if n := s.engine.count(); n != 3 {
			t.Fatalf("%d attempts", n)
		}
		for i := 1; i < 3; i++ {
			if pin := s.engine.plan(i).Pin; pin.Fingerprint != "SHA256:k" {
				t.Errorf("attempt %d expects %+v", i+1, pin)
			}
		}
		if len(s.source.learned) != 1 {
			t.Errorf("learned %v", s.source.learned)
		}
	})
}

// plan is what the i-th attempt was told.
func (e *fakeEngine) plan(i int) Attempt {
	e.mu.Lock()
	defer e.mu.Unlock()
	if i < 0 {
		i += len(e.plans)
	}
	return e.plans[i]
}

// While an attempt runs another key is pinned: its link is not used, and a person is asked.
func TestALinkWhoseKeyIsNotTheOneExpectedByNowEnds(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.engine.connect = func(context.Context, Attempt) error {
			w := active(office, 1, ldap)
			w.Tunnel.Pin = tunnel.Pin{State: tunnel.PinConfirmed, KeyType: "ssh-ed25519", Fingerprint: "SHA256:other"}
			s.source.record(w)
			return nil
		}
		s.source.want(active(office, 1, ldap))
		s.pass(time.Hour)
		s.expect(office, tunnel.Blocked, tunnel.HostKeyMismatch)
		if n := s.engine.count(); n != 1 {
			t.Errorf("%d attempts", n)
		}
		if calls := s.engine.link(0).calls; len(calls) != 0 {
			t.Errorf("the link was used: %v", calls)
		}
		if len(s.source.shown) != 1 || s.source.shown[0].Fingerprint != "SHA256:k" {
			t.Errorf("shown %v", s.source.shown)
		}
	})
}

// Between the commit of a change and the supervisor's hearing of it an attempt may be due: it must not log in at the
// old server with the new password, nor at the new one for the old order.
func TestAnAttemptForAnOrderOutOfDateIsNotMade(t *testing.T) {
	moved := active(office, 2, ldap)
	moved.Tunnel.Server.Host = "elsewhere.example"
	suspended := disabled(office, ldap)
	for name, w := range map[string]tunnel.Wanted{
		"moved":     moved,
		"suspended": suspended,
		"gone":      {Tunnel: tunnel.Tunnel{Ref: office}, Gone: true},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				s.source.want(active(office, 1, ldap))
				s.pass(time.Minute)
				s.source.record(w)
				s.engine.link(0).breaks(fail(tunnel.LinkLost))
				s.pass(time.Minute)
				if n := s.engine.count(); n != 1 {
					t.Fatalf("%d attempts for an order out of date", n)
				}
				s.source.want(w)
				s.pass(time.Second)
				if name != "moved" {
					if n := s.engine.count(); n != 1 {
						t.Errorf("%d attempts", n)
					}
					return
				}
				s.expect(office, tunnel.Up, "")
				if a := s.engine.plan(1); a.Server.Host != "elsewhere.example" || a.Credential.Password != "for elsewhere.example" {
					t.Errorf("logged in at %s with the password %s", a.Server.Host, a.Credential.Password.Reveal())
				}
			})
		})
	}
}
