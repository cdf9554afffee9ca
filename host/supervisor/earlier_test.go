package supervisor

import (
	"context"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Each attempt is told of the last link whose end the server may not have heard: its session may hold our ports.
func TestAnAttemptIsToldOfTheLinkBefore(t *testing.T) {
	restart := func(s *stage) { _ = s.sup.Restart(office) }
	silent := func(s *stage) {
		s.engine.link(-1).falls(PeerSilent)
		s.pass(0)
	}
	for what, c := range map[string]struct {
		do    func(s *stage)
		first bool // the next attempt is told of the first link
	}{
		"a clean goodbye": {restart, false},
		"a break":         {func(s *stage) { s.engine.link(0).breaks(fail(tunnel.LinkLost)) }, true},
		"a restart in the silence": {func(s *stage) {
			s.engine.connect = always(tunnel.Unreachable)
			silent(s)
			s.engine.connect = nil
			restart(s)
		}, true},
		"a restart in doubt": {func(s *stage) { s.engine.link(0).falls(PeerDoubted); restart(s) }, true},
		"a restart of a frozen server": {func(s *stage) {
			s.engine.link(0).freezes()
			s.pass(30 * time.Second)
			restart(s)
		}, true},
		"a messenger on its way, and a break of the next": {func(s *stage) {
			silent(s)
			s.pass(wakePatience)
			restart(s)
		}, false}, // the next was up: the server gave it every port
		"a break before the next was up": {func(s *stage) {
			s.engine.set(func() {
				s.engine.shape = func(l *fakeLink) { l.apply = refuses(tunnel.RemotePortHeld) }
			})
			s.engine.link(0).breaks(fail(tunnel.LinkLost))
			s.pass(time.Minute)
			restart(s)
		}, true},
	} {
		t.Run(what, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				s.source.want(active(office, 1, ldap, http))
				s.pass(time.Minute)
				began := s.engine.plan(0)
				if !began.Earlier.IsZero() {
					t.Errorf("the first attempt is told of %s", began.Earlier)
				}
				c.do(s)
				s.pass(0)
				want := time.Time{}
				if c.first {
					want = s.engine.attempts[0]
				}
				if got := s.engine.plan(-1).Earlier; !got.Equal(want) {
					t.Errorf("told of %s, want %s", got, want)
				}
			})
		})
	}
}

// refuses is a server that lets nothing listen, for that reason.
func refuses(r tunnel.Reason) func(context.Context, tunnel.Mapping) error {
	return func(context.Context, tunnel.Mapping) error { return fail(r) }
}

// A messenger that was heard has freed the ports.
func TestAMessengerThatWasHeardIsForgotten(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		old := s.silences(nil)
		s.pass(wakePatience)
		s.carries(s.engine.link(1))
		close(old.heard)
		s.pass(time.Second)
		s.engine.link(1).falls(PeerDoubted) // so that its end says nothing about its own ports
		_ = s.sup.Restart(office)
		s.pass(0)
		if got := s.engine.plan(-1).Earlier; !got.Equal(s.engine.link(1).since) {
			t.Errorf("told of %s, want the second link's %s", got, s.engine.link(1).since)
		}
	})
}

// One that the engine gave up after two hours was not heard: its session may still hold the ports.
func TestAMessengerThatWasNeverHeardIsRemembered(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		old := s.silences(func(context.Context, Attempt) error {
			s.shaped(func(l *fakeLink) { l.apply = refuses(tunnel.RemotePortHeld) })
			return nil
		})
		s.pass(wakePatience + messengerFor)
		s.expect(office, tunnel.Degraded, tunnel.RemotePortHeld)
		close(old.heard) // so that the engine ends it now
		s.pass(time.Second)
		if old.ran() {
			t.Fatal("the messenger runs on")
		}
		_ = s.sup.Restart(office)
		s.pass(0)
		if got := s.engine.plan(-1).Earlier; !got.Equal(old.since) {
			t.Errorf("told of %s, want %s", got, old.since)
		}
	})
}

// A port that is held is asked for again: soon at first, every 15 s for ever, and never another one.
func TestAHeldPortIsAskedForEveryFifteenSeconds(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.engine.shape = func(l *fakeLink) { l.apply = refuses(tunnel.RemotePortHeld) }
		s.source.want(active(office, 1, http))
		s.pass(24 * time.Hour)
		s.expect(office, tunnel.Degraded, tunnel.RemotePortHeld)
		asked := s.engine.link(0).times("apply", "http")
		for i := 1; i < len(asked); i++ {
			gap, want := asked[i].Sub(asked[i-1]), doubled(250*time.Millisecond, 15*time.Second, i-1)
			if gap != want {
				t.Fatalf("gap %d is %s, want %s", i, gap, want)
			}
		}
		if len(asked) < 24*60*4 {
			t.Errorf("asked %d times in a day", len(asked))
		}
		if s.engine.count() != 1 {
			t.Error("the link was made anew")
		}
	})
}
