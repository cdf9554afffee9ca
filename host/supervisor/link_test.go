package supervisor

import (
	"context"
	"errors"
	"log"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(dialEnv); path != "" {
		if err := playModule(path); err != nil {
			log.Fatal(err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// always makes every attempt fail for one reason.
func always(r tunnel.Reason) func(context.Context, Attempt) error {
	return func(_ context.Context, a Attempt) error {
		a.Stage(Step{Stage: StageTCP})
		return fail(r)
	}
}

func TestATunnelIsUpWhenEveryMappingIsProved(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
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
		if len(s.source.learned) != 1 {
			t.Errorf("learned %v", s.source.learned)
		}
	})
}

func TestAnUnreachableServerIsTriedEveryThreeSeconds(t *testing.T) {
	for _, reason := range []tunnel.Reason{tunnel.Unreachable, tunnel.UnknownHost, tunnel.NameLookupFailed} {
		t.Run(string(reason), func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				s.engine.connect = always(reason)
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
						t.Fatalf("gaps %v", s.engine.gaps())
					}
				}
				if n := s.engine.count(); n != 11 {
					t.Errorf("%d attempts in 30 s", n)
				}
			})
		})
	}
}

// TestAServerThatIsStartedAgainIsFoundSoon: it refuses connections for a moment. One that does so for long is asked no more
// often than a silent one.
func TestAServerThatIsStartedAgainIsFoundSoon(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		away := &fakeError{Failure{Reason: tunnel.Unreachable, Message: "refused", Diagnosis: &tunnel.Diagnosis{Cause: tunnel.NothingListens}}}
		s.engine.connect = func(context.Context, Attempt) error { return away }
		s.source.want(active(office, 1, ldap))
		s.pass(2 * time.Second)
		if n := s.engine.count(); n < 5 {
			t.Errorf("%d attempts in 2 s", n)
		}
		s.pass(5 * time.Minute)
		gaps := s.engine.gaps()
		for i, g := range gaps {
			if g > 3*time.Second || i > 0 && g < gaps[i-1] {
				t.Fatalf("gaps %v", gaps)
			}
		}
		if last := gaps[len(gaps)-1]; last != 3*time.Second {
			t.Errorf("%s between the last two", last)
		}
	})
}

func TestAServerThatHangsUpIsTriedWithBackoffForEver(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.engine.connect = always(tunnel.HandshakeClosed)
		s.source.want(active(office, 1, ldap))
		s.pass(10 * time.Minute)
		s.expect(office, tunnel.Waiting, tunnel.HandshakeClosed)
		gaps, most, sum := s.engine.gaps(), 500*time.Millisecond, time.Duration(0)
		for i, g := range gaps {
			if g <= 0 || g > most {
				t.Errorf("gap %d is %s, want at most %s", i, g, most)
			}
			sum += g
			most = min(2*most, 10*time.Second)
		}
		if mean := sum / time.Duration(len(gaps)); mean < 3*time.Second || mean > 7*time.Second {
			t.Errorf("%d attempts, %s apart on average: no full jitter up to 10 s", len(gaps), mean)
		}
	})
}

func TestARefusedLoginWaitsTwiceAsLongEachTime(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.engine.connect = always(tunnel.LoginRefused)
		s.source.want(active(office, 1, ldap))
		s.pass(time.Second)
		now := s.expect(office, tunnel.Blocked, tunnel.LoginRefused)
		if d := time.Until(now.NextAttempt); d != 59*time.Second {
			t.Errorf("next attempt in %s", d)
		}
		s.pass(6 * time.Hour)
		want := []time.Duration{1, 2, 4, 8, 16, 32, 60, 60}
		for i := range want {
			want[i] *= time.Minute
		}
		if got := s.engine.gaps()[:len(want)]; !slices.Equal(got, want) {
			t.Errorf("gaps %v, want %v", got, want)
		}
	})
}

func TestWhatBlocksIsTriedAtOnceAfterAChange(t *testing.T) {
	for _, reason := range []tunnel.Reason{tunnel.LoginRefused, tunnel.HostKeyMismatch} {
		t.Run(string(reason), func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				s.engine.connect = always(reason)
				s.source.want(active(office, 1, ldap))
				s.pass(10 * time.Second)
				s.expect(office, tunnel.Blocked, reason)
				s.engine.set(func() { s.engine.connect = nil })
				s.source.want(active(office, 2, ldap))
				s.pass(0)
				s.expect(office, tunnel.Up, "")
			})
		})
	}
}

func TestAChangedHostKeyIsShownAndNeverTriedAgain(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		other := tunnel.Pin{KeyType: "ssh-ed25519", Fingerprint: "SHA256:other"}
		s.engine.connect = func(context.Context, Attempt) error {
			return &fakeError{Failure{Reason: tunnel.HostKeyMismatch, Message: "another key", Shown: other}}
		}
		s.source.want(active(office, 1, ldap))
		s.pass(48 * time.Hour)
		if now := s.expect(office, tunnel.Blocked, tunnel.HostKeyMismatch); !now.NextAttempt.IsZero() {
			t.Errorf("next attempt %s", now.NextAttempt)
		}
		if n := s.engine.count(); n != 1 {
			t.Errorf("%d attempts", n)
		}
		if !slices.Equal(s.source.shown, []tunnel.Pin{other}) {
			t.Errorf("shown %v", s.source.shown)
		}
	})
}

func TestAMissingSecretBlocksBeforeAnyAttempt(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.credential = &tunnel.StatusError{Ref: office, State: tunnel.Blocked, Reason: tunnel.SecretMissing, Message: "no password"}
		s.source.want(active(office, 1, ldap))
		s.pass(24 * time.Hour)
		s.expect(office, tunnel.Blocked, tunnel.SecretMissing)
		if n := s.engine.count(); n != 0 {
			t.Errorf("%d attempts without a secret", n)
		}
	})
}

func TestASteadyLinkReconnectsAtOnce(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1, ldap))
		s.pass(10 * time.Second)
		broke := time.Now()
		s.engine.link(0).breaks(fail(tunnel.LinkLost))
		s.pass(0)
		s.expect(office, tunnel.Up, "")
		if got := s.engine.attempts[1].Sub(broke); got != 0 {
			t.Errorf("tried again after %s", got)
		}
		want := []tunnel.State{tunnel.Connecting, tunnel.Up, tunnel.Connecting, tunnel.Up}
		if !slices.Equal(s.source.states(office), want) {
			t.Errorf("states %v", s.source.states(office))
		}
		for _, r := range s.source.history(office) {
			if r.State == tunnel.Connecting && r.at.Equal(broke) && r.Reason != tunnel.LinkLost {
				t.Errorf("reconnecting for reason %q", r.Reason)
			}
		}
	})
}

func TestALinkThatEndsForNoKnownReasonIsLost(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.engine.closing = time.Second
		s.source.want(active(office, 1, ldap))
		s.pass(time.Second)
		s.engine.set(func() { s.engine.connect = silent })
		s.engine.link(0).breaks(errors.New("odd"))
		s.pass(0)
		s.expect(office, tunnel.Connecting, tunnel.LinkLost)
		s.pass(time.Second)
		now := s.expect(office, tunnel.Waiting, tunnel.LinkLost)
		if now.Message != "odd" {
			t.Errorf("message %q", now.Message)
		}
	})
}

// silent is a handshake in which the server says nothing.
func silent(ctx context.Context, _ Attempt) error { return silence(ctx) }

func TestBreaksInARowAreNeverFarApart(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.engine.shape = func(l *fakeLink) {
			go func() {
				select {
				case <-time.After(9 * time.Second):
					l.breaks(fail(tunnel.LinkLost))
				case <-l.ctx.Done():
				}
			}()
		}
		s.source.want(active(office, 1, ldap))
		s.pass(20 * time.Minute)
		gaps := s.engine.gaps()
		if len(gaps) < 60 {
			t.Errorf("only %d attempts", len(gaps))
		}
		late := false
		for i, g := range gaps {
			if pause := g - 9*time.Second; pause > 10*time.Second {
				t.Errorf("pause %d is %s", i, pause)
			} else if i > 8 && pause > time.Second {
				late = true
			}
		}
		if !late {
			t.Error("early breaks do not count as failures")
		}
	})
}

func TestTheLastFailureStaysInSightWhileARetryRuns(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.engine.connect = always(tunnel.HandshakeTimeout)
		s.source.want(active(office, 1, ldap))
		s.pass(0)
		s.engine.set(func() {
			s.engine.connect = func(ctx context.Context, a Attempt) error {
				a.Stage(Step{Stage: StageLogin})
				return silence(ctx)
			}
		})
		s.pass(600 * time.Millisecond)
		now := s.expect(office, tunnel.Connecting, tunnel.HandshakeTimeout)
		if now.Message != "because of handshake-timeout" {
			t.Errorf("message %q", now.Message)
		}
	})
}

func TestARetryThatReachesNobodyIsToldOnlyWhenItLasts(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.engine.connect = always(tunnel.Unreachable)
		s.source.want(active(office, 1, ldap))
		s.pass(time.Minute)
		if want := []tunnel.State{tunnel.Connecting, tunnel.Waiting}; !slices.Equal(s.source.states(office), want) {
			t.Errorf("states %v, want %v", s.source.states(office), want)
		}
		s.engine.set(func() { s.engine.connect = func(ctx context.Context, _ Attempt) error { return silence(ctx) } })
		s.pass(3 * time.Second)
		s.expect(office, tunnel.Waiting, tunnel.Unreachable)
		s.pass(time.Second)
		s.expect(office, tunnel.Connecting, tunnel.Unreachable)
	})
}

func TestTheMessageTellsTheStageOfAFreshAttempt(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.engine.connect = func(_ context.Context, a Attempt) error {
			for _, at := range []Stage{StageName, StageTCP, StageHostKey, StageLogin} {
				a.Stage(Step{Stage: at})
				time.Sleep(100 * time.Millisecond)
			}
			return nil
		}
		s.source.want(active(office, 1, ldap))
		s.pass(time.Second)
		var told []string
		for _, r := range s.source.history(office) {
			if r.State == tunnel.Connecting && r.Message != "" && !slices.Contains(told, r.Message) {
				told = append(told, r.Message)
			}
		}
		want := []string{
			"looking up the server's name", "connecting to the server", "checking the host key", "logging in",
			"proving the mappings",
		}
		if !slices.Equal(told, want) {
			t.Errorf("told %q", told)
		}
		if now := s.expect(office, tunnel.Up, ""); now.Message != "" {
			t.Errorf("message %q", now.Message)
		}
	})
}

func TestEightHandshakesAtATimePerServer(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.known()
		s.engine.connect = func(ctx context.Context, _ Attempt) error {
			time.Sleep(time.Second)
			return ctx.Err()
		}
		for i := range 20 {
			s.source.want(active(tunnel.Ref{Owner: tunnel.Operator, Name: tunnel.Name("t" + string(rune('a'+i)))}, 1))
		}
		elsewhere := active(tunnel.Ref{Owner: tunnel.Operator, Name: "elsewhere"}, 1)
		elsewhere.Tunnel.Server.Port = 2222
		s.source.want(elsewhere)
		for _, want := range []int{9, 17, 21} {
			s.pass(0)
			if n := s.engine.count() - 1; n != want {
				t.Errorf("%d handshakes began, want %d", n, want)
			}
			time.Sleep(time.Second)
		}
		s.pass(0)
		if n := len(s.sup.gate.lanes); n != 0 {
			t.Errorf("%d lanes are left", n)
		}
	})
}

func TestWhoGivesUpWaitingForAHandshakeLeavesTheLane(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.known()
		s.engine.connect = silent
		for i := range 8 {
			s.source.want(active(tunnel.Ref{Owner: tunnel.Operator, Name: tunnel.Name("t" + string(rune('a'+i)))}, 1))
		}
		s.pass(time.Second)
		s.source.want(active(office, 1))
		s.pass(time.Second)
		s.source.want(disabled(office))
		s.pass(time.Second)
		s.expect(office, tunnel.Disabled, tunnel.SuspendedReason)
		if n := s.engine.count() - 1; n != 8 {
			t.Errorf("%d attempts", n)
		}
		for _, l := range s.sup.gate.lanes {
			if l.users != 8 {
				t.Errorf("%d in the lane", l.users)
			}
		}
	})
}

func TestAPlaceAmongTheHandshakesIsKeptUntilTheFirstAnswerOrNone(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.engine.shape = func(l *fakeLink) { l.keepalive = silence }
		for i := range 10 {
			s.source.want(active(tunnel.Ref{Owner: tunnel.Operator, Name: tunnel.Name("t" + string(rune('a'+i)))}, 1))
		}
		s.pass(8*time.Second - 1)
		if n := s.engine.count(); n != 8 {
			t.Errorf("%d attempts while nothing is answered", n)
		}
		s.engine.set(func() { s.engine.shape = nil })
		s.pass(1)
		if n := s.engine.count(); n != 10 {
			t.Errorf("%d attempts after the first deadlines", n)
		}
	})
}

func TestRestartMakesANewLinkAndAsksTheTargetsAgain(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1, ldap))
		s.pass(time.Second)
		told := len(s.source.history(office))
		if err := s.sup.Restart(office); err != nil {
			t.Fatal(err)
		}
		if h := s.source.history(office); len(h) == told || h[told].State.Linked() {
			t.Error("nothing was said of it when Restart has returned")
		}
		s.pass(0)
		s.expect(office, tunnel.Up, "")
		if s.engine.link(0).ctx.Err() == nil || len(s.engine.link(1).times("target", "ldap")) != 1 {
			t.Error("the old link stands or the target was not asked")
		}
	})
}

func TestRestartEndsAnyWait(t *testing.T) {
	for _, reason := range []tunnel.Reason{tunnel.HostKeyMismatch, tunnel.LoginRefused, tunnel.Unreachable} {
		play(t, func(t *testing.T, s *stage) {
			s.engine.connect = always(reason)
			s.source.want(active(office, 1))
			s.pass(time.Second)
			if err := s.sup.Restart(office); err != nil {
				t.Fatal(err)
			}
			s.pass(0)
			if n := s.engine.count(); n != 2 {
				t.Errorf("%s: %d attempts", reason, n)
			}
		})
	}
}

func TestRestartOfWhatDoesNotRun(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		if err := s.sup.Restart(office); !errors.Is(err, tunnel.ErrNotFound) {
			t.Errorf("no such tunnel: %v", err)
		}
		s.source.want(disabled(office))
		s.pass(0)
		if err := s.sup.Restart(office); err != nil {
			t.Error(err)
		}
		s.pass(time.Second)
		s.expect(office, tunnel.Disabled, tunnel.SuspendedReason)
		if s.engine.count() != 0 {
			t.Error("a disabled tunnel was tried")
		}
	})
}

func disabled(ref tunnel.Ref, ms ...tunnel.Mapping) tunnel.Wanted {
	w := active(ref, 1, ms...)
	w.Active, w.State, w.Reason, w.Remedy = false, tunnel.Disabled, tunnel.SuspendedReason, "culvert tunnel enable "+ref.String()
	return w
}

func TestWhatIsNoLongerWantedComesDownAtOnce(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1, ldap))
		s.pass(time.Minute)
		s.source.want(disabled(office, ldap))
		s.pass(0)
		now := s.expect(office, tunnel.Disabled, tunnel.SuspendedReason)
		if m := now.Mapping("ldap"); m.State != tunnel.Down || m.Reason != tunnel.SuspendedReason || m.ProvedAt.IsZero() {
			t.Errorf("mapping %+v", m)
		}
		if s.engine.link(0).ctx.Err() == nil {
			t.Error("the link stands")
		}
		if want := []tunnel.State{tunnel.Connecting, tunnel.Up, tunnel.Disabled}; !slices.Equal(s.source.states(office), want) {
			t.Errorf("states %v, want %v", s.source.states(office), want)
		}
		s.source.want(active(office, 1, ldap))
		s.pass(0)
		s.expect(office, tunnel.Up, "")
	})
}

func TestATunnelThatComesBackWaitsUntilItsPredecessorIsGone(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.engine.closing = time.Second
		s.source.want(active(office, 1, ldap))
		s.pass(time.Minute)
		s.source.want(tunnel.Wanted{Tunnel: tunnel.Tunnel{Ref: office}, Gone: true}, active(office, 7, ldap))
		s.pass(900 * time.Millisecond)
		if n := s.engine.count(); n != 1 {
			t.Fatalf("%d attempts while the old link closes", n)
		}
		s.pass(100 * time.Millisecond)
		s.expect(office, tunnel.Up, "")
	})
}

func TestAGoneTunnelLeavesNothing(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1, ldap))
		s.pass(0)
		s.source.want(tunnel.Wanted{Tunnel: tunnel.Tunnel{Ref: office}, Gone: true})
		s.pass(0)
		if len(s.sup.keepers) != 0 || s.engine.link(0).ctx.Err() == nil {
			t.Error("something is left")
		}
	})
}

func TestAChangeOfServerMakesANewLink(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1, ldap))
		s.pass(time.Second)
		moved := active(office, 2, ldap)
		moved.Tunnel.Server.Host = "elsewhere.example"
		s.source.want(moved)
		s.pass(0)
		s.expect(office, tunnel.Up, "")
		if got := s.engine.plans[1].Server.Host; got != "elsewhere.example" {
			t.Errorf("connected to %s", got)
		}
	})
}

func TestAllLinksCloseTogetherAtTheEnd(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.engine.closing = 5 * time.Second
		for _, name := range []tunnel.Name{"a", "b", "c", "d"} {
			s.source.want(active(tunnel.Ref{Owner: tunnel.Operator, Name: name}, 1, ldap))
		}
		s.pass(0)
		began := time.Now()
		if err := s.end(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestTheEndIsNoFailure(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1, ldap))
		s.pass(15 * time.Second)
		told := len(s.source.history(office))
		if err := s.end(); err != nil {
			t.Error(err)
		}
		if h := s.source.history(office); len(h) != told {
			t.Errorf("told at the end: %v", h[told:])
		}
	})
}

func TestALinkThatDoesNotCloseIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, engine := newFakeSource(), &fakeEngine{closing: time.Hour}
		sup := New(Config{Source: source, Engine: engine, Log: quiet})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- sup.Run(ctx) }()
		source.want(active(office, 1))
		time.Sleep(time.Second)
		began := time.Now()
		cancel()
		if err := <-done; err == nil {
			t.Error("the end was called complete")
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("took %s", took)
		}
		time.Sleep(2 * time.Hour) // the bubble ends only when its goroutines have
	})
}

func TestRunEndsWithTheSourcesError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken registry")
		sup := New(Config{Source: brokenSource{newFakeSource(), broken}, Engine: &fakeEngine{}, Log: quiet})
		if err := sup.Run(t.Context()); !errors.Is(err, broken) {
			t.Errorf("Run: %v", err)
		}
	})
}
