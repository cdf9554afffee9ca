package supervisor

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// declared is a tunnel that a module has declared.
func declared(name tunnel.Name, generation uint64) tunnel.Wanted {
	w := active(tunnel.Ref{Owner: "adsync", Name: name}, generation)
	w.Tunnel.Configuration = "berlin"
	return w
}

// withdraw has a tunnel go.
func (s *stage) withdraw(ref tunnel.Ref) {
	s.source.want(tunnel.Wanted{Tunnel: tunnel.Tunnel{Ref: ref}, Gone: true})
	s.pass(0)
}

// fails has a tunnel of a module tried once, in vain, and withdrawn.
func (s *stage) fails(w tunnel.Wanted, reason tunnel.Reason) {
	s.t.Helper()
	s.engine.set(func() { s.engine.connect = always(reason) })
	s.source.want(w)
	s.pass(1)
	if n := s.engine.count(); n != 1 {
		s.t.Fatalf("%d attempts", n)
	}
	s.withdraw(w.Tunnel.Ref)
}

// offered is a server that does not answer the login.
func offered(ctx context.Context, a Attempt) error {
	a.Stage(Step{Stage: StageLogin})
	return silent(ctx, a)
}

func TestDeclaringToAndFroGainsNoAttempt(t *testing.T) {
	for name, c := range map[string]struct {
		connect     func(context.Context, Attempt) error
		least, most int // in an hour
	}{
		"unreachable":        {always(tunnel.Unreachable), 900, 1200},
		"no answer":          {silent, 900, 1200},
		"handshake closed":   {always(tunnel.HandshakeClosed), 300, 900}, // half of 10 s at a time, drawn
		"changed host key":   {always(tunnel.HostKeyMismatch), 300, 360},
		"wrong password":     {always(tunnel.LoginRefused), 5, 7},
		"no answer to login": {offered, 6, 12},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				s.engine.connect = c.connect
				for i := range 1800 {
					w := declared([]tunnel.Name{"site", "site", "other"}[i%3], uint64(i+1)) // the same anew, or another in its place
					s.source.want(w)
					s.pass(time.Second)
					s.withdraw(w.Tunnel.Ref)
					s.pass(time.Second)
				}
				if n := s.engine.count(); n < c.least || n > c.most {
					t.Errorf("%d attempts in an hour, not %d to %d", n, c.least, c.most)
				}
			})
		})
	}
}

// A change that comes so soon that nobody has seen the tunnel go is no other.
func TestATunnelDeclaredAnewInOneGoGainsNoAttempt(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.engine.connect = always(tunnel.LoginRefused)
		for i := range 1800 {
			s.source.want(declared("site", uint64(i+1)))
			s.pass(2 * time.Second)
		}
		if n := s.engine.count(); n > 7 {
			t.Errorf("%d attempts in an hour", n)
		}
	})
}

// Whoever declares again sees why it waits, and until when.
func TestATunnelThatComesBackSaysWhyItWaits(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		w := declared("site", 1)
		due := time.Now().Add(3 * time.Second)
		s.fails(w, tunnel.Unreachable)
		w.Generation++
		s.source.want(w)
		s.pass(0)
		if now := s.expect(w.Tunnel.Ref, tunnel.Waiting, tunnel.Unreachable); !now.NextAttempt.Equal(due) || now.Message == "" {
			t.Errorf("next at %s, not %s: %q", now.NextAttempt, due, now.Message)
		}
		s.engine.set(func() { s.engine.connect = nil })
		s.pass(time.Until(due) - 1)
		if n := s.engine.count(); n != 1 {
			t.Errorf("%d attempts before it was due", n)
		}
		s.pass(1)
		s.expect(w.Tunnel.Ref, tunnel.Up, "")
	})
}

func TestAChangeOfTheNetworkEndsTheWaitOfATunnelThatCameBack(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		w := declared("site", 1)
		s.fails(w, tunnel.Unreachable)
		s.engine.set(func() { s.engine.connect = nil })
		s.source.want(w)
		s.pass(0)
		s.sup.Moved(func(netip.Addr) bool { return true }, false)
		s.pass(0)
		s.expect(w.Tunnel.Ref, tunnel.Up, "")
	})
}

// What a person orders, and what may end otherwise than before, is tried at once.
func TestWhatIsWorthWhileIsTriedAtOnceThoughItFailedBefore(t *testing.T) {
	ref := declared("site", 0).Tunnel.Ref
	for what, again := range map[string]func(s *stage, w tunnel.Wanted){
		"restarted": func(s *stage, w tunnel.Wanted) {
			s.source.want(w)
			s.pass(0)
			_ = s.sup.Restart(ref)
		},
		"switched off and on": func(s *stage, w tunnel.Wanted) {
			off := w
			off.Active, off.State, off.Reason = false, tunnel.Disabled, tunnel.SuspendedReason
			s.source.want(w, off)
			w.Generation++
			s.source.want(w)
		},
		"its configuration enabled": func(s *stage, w tunnel.Wanted) {
			off := w
			off.Active, off.State, off.Reason = false, tunnel.Inactive, tunnel.NoConfiguration
			s.source.want(off)
			w.Generation++
			s.source.want(w)
		},
		"another password": func(s *stage, w tunnel.Wanted) {
			s.source.mu.Lock()
			s.source.password = "mended"
			s.source.mu.Unlock()
			s.source.want(w)
		},
		"another server": func(s *stage, w tunnel.Wanted) {
			w.Tunnel.Server.Host = "elsewhere.example"
			s.source.want(w)
		},
		"an accepted host key": func(s *stage, w tunnel.Wanted) {
			w.Tunnel.Pin = tunnel.Pin{State: tunnel.PinConfirmed, KeyType: "ssh-ed25519", Fingerprint: "SHA256:new"}
			s.source.want(w)
		},
		"its configuration made again": func(s *stage, w tunnel.Wanted) {
			w.Revision++
			s.source.want(w)
		},
		"the operator's own": func(s *stage, w tunnel.Wanted) {
			w.Tunnel.Configuration = ""
			s.source.want(w)
		},
		"a day later": func(s *stage, w tunnel.Wanted) {
			s.pass(24 * time.Hour)
			s.source.want(w)
		},
	} {
		for _, reason := range []tunnel.Reason{tunnel.Unreachable, tunnel.LoginRefused, tunnel.HostKeyMismatch} {
			t.Run(what+" after "+string(reason), func(t *testing.T) {
				play(t, func(t *testing.T, s *stage) {
					w := declared("site", 1)
					s.fails(w, reason)
					s.engine.set(func() { s.engine.connect = nil })
					w.Generation++
					again(s, w)
					s.pass(0)
					s.expect(ref, tunnel.Up, "")
				})
			})
		}
	}
}

// A login that is broken off again and again before its answer may have been refused each time.
func TestBrokenOffLoginsCountForTheServer(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.engine.connect = offered
		for i := range 120 { // each another login
			w := as(fmt.Sprint("wrong", i))
			s.source.want(w)
			s.pass(5 * time.Second)
			s.withdraw(w.Tunnel.Ref)
		}
		if n := s.engine.count(); n > 6 {
			t.Errorf("%d logins in ten minutes", n)
		}
	})
}

func TestChecksThatAreBrokenOffCountForTheServer(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.engine.connect = func(ctx context.Context, a Attempt) error {
			for _, at := range []Stage{StageName, StageTCP, StageHostKey} {
				a.Stage(Step{Stage: at})
				a.Stage(Step{Stage: at, Done: true})
			}
			return offered(ctx, a)
		}
		for range 100 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, _ = s.sup.Check(ctx, Trial{Server: as("tried").Tunnel.Server}, func(TrialStep) {})
			cancel()
			s.pass(5 * time.Second)
		}
		if n := s.engine.count(); n > 6 {
			t.Errorf("%d logins in ten minutes", n)
		}
	})
}

// A login that has worked passes freely also after it was broken off.
func TestALoginThatWorkedIsNotBlamedForBeingBrokenOff(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.known()
		s.source.want(active(office, 1))
		s.pass(time.Minute)
		s.engine.set(func() { s.engine.connect = offered })
		for range 20 {
			_ = s.sup.Restart(office)
			s.pass(time.Second)
		}
		s.engine.set(func() { s.engine.connect = nil })
		_ = s.sup.Restart(office)
		s.pass(0)
		s.expect(office, tunnel.Up, "")
	})
}

func TestWhatIsRememberedOfTunnelsThatWentIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := newPaces(), error(&failed{Failure{Reason: tunnel.LoginRefused}})
		kind := func(i int) attempts { return attempts{byte(i), byte(i >> 8)} }
		for i := range maxPaces + 10 {
			b.leave(kind(i), &pausing{pace: pace(), err: err, until: time.Now().Add(time.Minute)})
			time.Sleep(time.Millisecond)
		}
		if n := len(b.left); n != maxPaces || b.of(kind(0)) != nil || b.of(kind(10)) == nil {
			t.Errorf("%d are remembered, the first: %v", n, b.of(kind(0)))
		}
		time.Sleep(time.Hour + longestRefused)
		b.leave(kind(0), &pausing{pace: pace(), err: err, until: time.Now().Add(time.Minute)})
		if n := len(b.left); n != 1 {
			t.Errorf("%d are remembered when they mean nothing", n)
		}
	})
}

func TestALinkThatWorksMakesWhatFailedForgotten(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		w := declared("site", 1)
		s.fails(w, tunnel.LoginRefused)
		s.engine.set(func() { s.engine.connect = nil })
		s.source.want(w)
		s.pass(time.Minute)
		s.expect(w.Tunnel.Ref, tunnel.Up, "")
		if n := len(s.sup.paces.left) + len(s.sup.paces.courses); n != 0 {
			t.Errorf("%d are remembered", n)
		}
	})
}

// slow is a server to which attempts take a moment to end, also when they are broken off.
func slow(connect func(context.Context, Attempt) error) func(context.Context, Attempt) error {
	return func(ctx context.Context, a Attempt) error {
		defer time.Sleep(100 * time.Millisecond)
		return connect(ctx, a)
	}
}

// One declaration may put another tunnel in the place of one whose attempt has yet to end.
func TestReplacingATunnelGainsNoAttempt(t *testing.T) {
	for name, c := range map[string]struct {
		connect     func(context.Context, Attempt) error
		least, most int // in an hour
	}{
		"no answer":          {slow(silent), 900, 1201},
		"handshake closed":   {slow(always(tunnel.HandshakeClosed)), 300, 900},
		"closed at once":     {always(tunnel.HandshakeClosed), 300, 900},
		"wrong password":     {slow(always(tunnel.LoginRefused)), 5, 7},
		"no answer to login": {slow(offered), 6, 12},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				s.engine.connect = c.connect
				for i := range 3600 {
					was, w := declared(tunnel.Name(fmt.Sprint("site", i)), 0), declared(tunnel.Name(fmt.Sprint("site", i+1)), uint64(i+1))
					was.Gone = true
					s.source.want(was, w)
					s.pass(time.Second)
				}
				if n := s.engine.count(); n < c.least || n > c.most {
					t.Errorf("%d attempts in an hour, not %d to %d", n, c.least, c.most)
				}
			})
		})
	}
}

// Whoever knows nothing of a failure is not held for it, though the server and the login are the same.
func TestATunnelOfAnotherModuleIsTriedAtOnce(t *testing.T) {
	for _, reason := range []tunnel.Reason{tunnel.Unreachable, tunnel.LoginRefused, tunnel.HostKeyMismatch} {
		t.Run(string(reason), func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				s.fails(declared("site", 1), reason)
				s.engine.set(func() { s.engine.connect = nil })
				w := declared("munich", 1)
				w.Tunnel.Ref.Owner = "tapi"
				s.source.want(w)
				s.pass(0)
				s.expect(w.Tunnel.Ref, tunnel.Up, "")
			})
		})
	}
}

// What has yet to end is waited for only where it was withdrawn: it may do so for long, and well.
func TestATunnelBesideAnotherIsTriedAtOnce(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.engine.connect = silent
		s.source.want(declared("site", 1))
		s.pass(time.Second)
		s.source.want(declared("other", 2))
		s.pass(0)
		if n := s.engine.count(); n != 2 {
			t.Errorf("%d attempts", n)
		}
	})
}

func TestAnAttemptThatDoesNotEndHoldsNobodyForLong(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.engine.connect = func(ctx context.Context, a Attempt) error {
			defer time.Sleep(time.Minute)
			return silent(ctx, a)
		}
		was, w := declared("site", 1), declared("other", 2)
		s.source.want(was)
		s.pass(time.Second)
		s.engine.set(func() { s.engine.connect = nil })
		s.withdraw(was.Tunnel.Ref)
		s.source.want(w)
		s.pass(longestPause - 1)
		if n := s.engine.count(); n != 1 {
			t.Errorf("%d attempts", n)
		}
		s.pass(1)
		s.expect(w.Tunnel.Ref, tunnel.Up, "")
		s.pass(time.Minute)
		if n := len(s.sup.paces.courses); n != 0 {
			t.Errorf("%d courses though none is under way", n)
		}
	})
}

// Whoever waits for the attempt of another to end can be withdrawn meanwhile.
func TestWaitingForAnAttemptToEndEndsWithTheTunnel(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.engine.connect = func(ctx context.Context, a Attempt) error {
			defer time.Sleep(5 * time.Second)
			return silent(ctx, a)
		}
		was, w := declared("site", 1), declared("other", 2)
		s.source.want(was)
		s.pass(time.Second)
		s.withdraw(was.Tunnel.Ref)
		s.source.want(w)
		s.pass(0)
		s.withdraw(w.Tunnel.Ref)
		s.sup.mu.Lock()
		defer s.sup.mu.Unlock()
		if s.sup.keepers[w.Tunnel.Ref] != nil {
			t.Error("the second has not ended")
		}
	})
}
