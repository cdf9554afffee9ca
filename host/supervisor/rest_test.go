package supervisor

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// silences has a tunnel that was up for a minute fall silent, while no new link can be made unless connect says so.
func (s *stage) silences(connect func(context.Context, Attempt) error) (old *fakeLink) {
	s.t.Helper()
	s.source.want(active(office, 1, ldap, http))
	s.pass(time.Minute)
	s.expect(office, tunnel.Up, "")
	s.engine.set(func() { s.engine.connect = connect })
	old = s.engine.link(0)
	old.falls(PeerDoubted)
	s.pass(5 * time.Second)
	old.falls(PeerSilent)
	s.pass(0)
	return old
}

// rests fails the test unless the link runs on, nothing having been asked of it for a while.
func (s *stage) rests(l *fakeLink, since time.Time) {
	s.t.Helper()
	if l.ctx.Err() != nil {
		s.t.Error("the silent link was ended")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.calls {
		if c.at.After(since) && c.what != "wake" {
			s.t.Errorf("asked to %s %s %s into the silence", c.what, c.name, c.at.Sub(since))
		}
	}
}

// carries fails the test unless all mappings are on l.
func (s *stage) carries(l *fakeLink) {
	s.t.Helper()
	s.expect(office, tunnel.Up, "")
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mappings["ldap"] == nil || l.mappings["http"] == nil {
		s.t.Errorf("the link carries %v", l.mappings)
	}
}

func TestNothingIsAskedInDoubtAndNothingIsSaidOfIt(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1, ldap, http))
		s.pass(15 * time.Second)
		l, since, told := s.engine.link(0), time.Now(), len(s.source.history(office))
		l.falls(PeerDoubted)
		s.pass(5 * time.Minute)
		s.rests(l, since)
		s.expect(office, tunnel.Up, "")
		if h := s.source.history(office); len(h) != told {
			t.Errorf("told %v", h[told:])
		}
		l.falls(PeerAnswers)
		s.pass(0)
		if now := s.expectMapping("http", tunnel.Up, ""); !now.ProvedAt.Equal(time.Now()) {
			t.Errorf("proved at %s", now.ProvedAt)
		}
	})
}

// A question that was on its way when the doubt arose is put again: that it was not answered says nothing.
func TestAnAnswerThatWasLostInDoubtIsNoVerdict(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1, ldap, http))
		s.pass(15 * time.Second)
		l := s.engine.link(0)
		mute := func(ctx context.Context) error { return silence(ctx) }
		l.script(func() {
			l.proof, l.keepalive = func(ctx context.Context, _ string) error { return mute(ctx) }, mute
		})
		s.pass(6 * time.Second) // all are asked in this time
		l.falls(PeerDoubted)
		s.pass(time.Minute)
		s.expect(office, tunnel.Up, "")
		l.script(func() { l.proof, l.keepalive = nil, nil })
		l.falls(PeerAnswers)
		s.pass(0)
		s.carries(l)
		for _, r := range s.source.history(office) {
			if r.Reason != "" {
				t.Errorf("told %s (%s)", r.State, r.Reason)
			}
		}
	})
}

func TestASilentLinkRestsWhileANewOneIsTriedBesideIt(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		old, since := s.silences(always(tunnel.Unreachable)), time.Now()
		if got := s.engine.attempts[1].Sub(since); got != 0 {
			t.Errorf("tried after %s", got)
		}
		now := s.expect(office, tunnel.Waiting, tunnel.Unreachable)
		if l := now.Link; l.State != tunnel.Down || l.Reason != tunnel.LinkLost || !strings.Contains(l.Message, "last answered at 00:0") || !l.At.Equal(since) {
			t.Errorf("link %+v", l)
		}
		for _, m := range now.Mappings {
			if m.State != tunnel.Down {
				t.Errorf("mapping %+v", m)
			}
		}
		s.pass(10 * time.Minute)
		s.rests(old, since)
		for i, g := range s.engine.gaps()[1:] {
			if g != 3*time.Second {
				t.Fatalf("gap %d is %s", i, g)
			}
		}
		s.engine.set(func() { s.engine.connect = nil })
		s.pass(3 * time.Second)
		if state := s.source.now(office).State; state.Linked() {
			t.Errorf("%s before the old link was asked", state)
		}
		s.pass(wakePatience)
		s.carries(s.engine.link(1))
		if n := len(old.times("wake", "")); n != 1 || !old.retired() {
			t.Errorf("the old link was asked %d times, retired: %v", n, old.retired())
		}
		if d := s.engine.plan(-1).Earlier; !d.Equal(s.engine.attempts[0]) {
			t.Errorf("the new link was told of an earlier one of %s", d)
		}
		if n := len(s.engine.link(1).times("target", "ldap")); n != 1 {
			t.Errorf("the target was asked %d times", n)
		}
	})
}

// What this machine answers itself, as the proofs of its own ports, says nothing about the server.
func TestWhenTheServerLastAnsweredIsWhenItDid(t *testing.T) {
	for _, of := range []struct {
		mappings []tunnel.Mapping
		last     time.Duration
	}{
		{[]tunnel.Mapping{ldap}, 60 * time.Second},
		{[]tunnel.Mapping{ldap, http}, 70 * time.Second},
	} {
		play(t, func(t *testing.T, s *stage) {
			last := time.Now().Add(of.last).Format(time.TimeOnly)
			s.source.want(active(office, 1, of.mappings...))
			s.pass(65 * time.Second)
			s.engine.set(func() { s.engine.connect = always(tunnel.Unreachable) })
			l := s.engine.link(0)
			l.script(func() { l.keepalive = silence }) // and its proofs are answered yet
			s.pass(10 * time.Second)
			l.falls(PeerSilent)
			s.pass(time.Second)
			if got := s.source.now(office).Link; !strings.Contains(got.Message, "last answered at "+last) {
				t.Errorf("%d mappings: %+v, want %s", len(of.mappings), got, last)
			}
		})
	}
}

func TestASilentLinkThatAnswersGoesOnAtOnce(t *testing.T) {
	hanging := func(ctx context.Context, a Attempt) error {
		a.Stage(Step{Stage: StageTCP})
		return silence(ctx)
	}
	for what, connect := range map[string]func(context.Context, Attempt) error{
		"while an attempt runs": hanging, "between attempts": always(tunnel.Unreachable),
		"while the login is refused": always(tunnel.LoginRefused),
	} {
		t.Run(what, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				old := s.silences(connect)
				s.pass(time.Minute + time.Second)
				if state := s.source.now(office).State; state.Linked() {
					t.Errorf("meanwhile it is %s", state)
				}
				tried, asked := s.engine.count(), len(old.times("target", "ldap"))
				old.falls(PeerAnswers)
				s.pass(0)
				s.carries(old)
				if now := s.expectMapping("ldap", tunnel.Up, ""); !now.ProvedAt.Equal(time.Now()) {
					t.Errorf("proved at %s", now.ProvedAt)
				}
				if l := s.source.now(office).Link; l.State != tunnel.Up {
					t.Errorf("link %+v", l)
				}
				s.pass(time.Hour)
				s.carries(old)
				if n := s.engine.count(); n != tried || len(s.engine.live()) != 1 {
					t.Errorf("%d attempts more, %d links stand", n-tried, len(s.engine.live()))
				}
				if n := len(old.times("target", "ldap")); n != asked {
					t.Errorf("the target was asked %d times more", n-asked)
				}
			})
		})
	}
}

// The new link wins nearly every race by a second or two; the old one has the connections.
func TestTheOldLinkIsAskedBeforeItIsGivenUp(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1, ldap, http))
		s.pass(time.Minute)
		old := s.engine.link(0)
		old.script(func() {
			old.wake = func(context.Context) error { time.Sleep(time.Second); old.falls(PeerAnswers); return nil }
		})
		old.falls(PeerSilent)
		s.pass(time.Second)
		s.carries(old)
		if beside := s.engine.link(1); beside.ctx.Err() == nil || len(beside.calls) != 0 || beside.retired() {
			t.Errorf("the new link stands, or was used: %v", beside.calls)
		}
		s.pass(time.Minute)
		old.script(func() { old.wake = nil })
		old.falls(PeerSilent)
		s.pass(wakePatience)
		s.carries(s.engine.link(2))
	})
}

func TestARestingLinkThatBreaksChangesNothing(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		old := s.silences(always(tunnel.Unreachable))
		s.pass(time.Second)
		old.breaks(fail(tunnel.LinkLost))
		s.pass(0)
		s.expect(office, tunnel.Waiting, tunnel.Unreachable)
		s.engine.set(func() { s.engine.connect = nil })
		s.pass(2 * time.Second)
		s.carries(s.engine.link(1))
		if n := len(old.times("wake", "")); n != 0 {
			t.Error("a link that is gone was asked")
		}
	})
}

// What is no longer wanted, or wanted otherwise, is down at once: the link that rests, the messenger and the attempt.
func TestAnOrderEndsAllLinks(t *testing.T) {
	moved := active(office, 2, ldap, http)
	moved.Tunnel.Server.Host = "elsewhere.example"
	for what, give := range map[string]func(s *stage){
		"disabled":  func(s *stage) { s.source.want(disabled(office, ldap, http)) },
		"gone":      func(s *stage) { s.source.want(tunnel.Wanted{Tunnel: tunnel.Tunnel{Ref: office}, Gone: true}) },
		"moved":     func(s *stage) { s.source.want(moved) },
		"restarted": func(s *stage) { _ = s.sup.Restart(office) },
		"the end":   func(s *stage) { _ = s.end() },
	} {
		t.Run(what, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				messenger := s.silences(nil)
				s.pass(time.Minute)
				resting := s.engine.link(1)
				s.engine.set(func() { s.engine.connect = silent })
				resting.falls(PeerSilent)
				s.pass(time.Second)
				began := time.Now()
				s.engine.set(func() { s.engine.connect = nil })
				give(s)
				s.pass(0)
				if took := time.Since(began); took != 0 {
					t.Errorf("it took %s", took)
				}
				if messenger.ran() || resting.ran() {
					t.Errorf("the messenger runs: %v, the other: %v", messenger.ran(), resting.ran())
				}
				want := 0
				if what == "moved" || what == "restarted" {
					want = 1
					s.carries(s.engine.link(-1))
				}
				if n := len(s.engine.live()); n != want {
					t.Errorf("%d links stand", n)
				}
			})
		})
	}
}

func TestOneMessengerAtMost(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1, ldap, http))
		for i := range 12 {
			s.pass(time.Minute)
			s.carries(s.engine.link(i))
			s.engine.link(i).falls(PeerSilent)
			s.pass(wakePatience)
			for j := range i {
				if s.engine.link(j).ran() {
					t.Errorf("link %d still runs after silence %d", j, i)
				}
			}
			if !s.engine.link(i).ran() {
				t.Errorf("link %d is no messenger", i)
			}
		}
		last := s.engine.link(11)
		close(last.heard)
		s.pass(0)
		if last.ran() {
			t.Error("a messenger that was heard still runs")
		}
	})
}

func TestMappingsChangeWhileALinkRests(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		old := s.silences(always(tunnel.Unreachable))
		sip := tunnel.Mapping{Name: "sip", Kind: tunnel.Reach, Local: tunnel.Endpoint{Port: 5060}, Remote: tunnel.Endpoint{Port: 5060}}
		s.source.want(active(office, 1, ldap, sip))
		s.pass(0)
		if old.mappings["http"] != nil || old.mappings["sip"] != nil {
			t.Errorf("the silent link carries %v", old.mappings)
		}
		old.falls(PeerAnswers)
		s.pass(0)
		s.expect(office, tunnel.Up, "")
		if old.mappings["sip"] == nil || len(old.mappings) != 2 {
			t.Errorf("the link carries %v", old.mappings)
		}
	})
}

func TestAFrozenServerIsLeftForAnotherLinkAndTakenBack(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1, ldap, http))
		s.pass(5 * time.Second)
		old := s.engine.link(0)
		old.freezes()
		s.engine.set(func() { s.engine.connect = always(tunnel.HandshakeTimeout) })
		s.pass(13 * time.Second)
		if now := s.expect(office, tunnel.Degraded, tunnel.ServerBusy); now.Link.State != tunnel.Down || now.Link.Reason != tunnel.ServerBusy {
			t.Errorf("link %+v", now.Link)
		}
		s.pass(30 * time.Second) // the service behind expose is on the PBX and may answer, which says nothing of the server
		now, asked := s.expect(office, tunnel.Degraded, tunnel.ServerBusy), time.Now().Add(-38*time.Second)
		if want := "has not answered since " + asked.Format(time.TimeOnly); !strings.Contains(now.Message, want) {
			t.Errorf("%q, want: %s", now.Message, want)
		}
		if now.Diagnosis.Code() != tunnel.Frozen || len(now.Diagnosis.Evidence) == 0 || len(now.Diagnosis.Fixes) == 0 {
			t.Errorf("its diagnosis is %+v", now.Diagnosis)
		}
		s.pass(90 * time.Second)
		s.expect(office, tunnel.Waiting, tunnel.HandshakeTimeout)
		if s.engine.count() < 5 || old.ctx.Err() != nil {
			t.Errorf("%d attempts, the old link: %v", s.engine.count(), old.ctx.Err())
		}
		old.thaws()
		s.pass(urgency + patience)
		s.carries(old)
	})
}

// A machine that is heard again while its server's answer waits behind what it repeats keeps nobody from the link that stands.
func TestALinkWhoseMachineAloneIsHeardIsNotWaitedFor(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1, ldap, http))
		s.pass(time.Minute)
		old := s.engine.link(0)
		old.script(func() {
			old.keepalive = silence
			old.wake = func(ctx context.Context) error {
				old.falls(PeerAnswers)
				return silence(ctx)
			}
		})
		old.falls(PeerSilent)
		s.pass(wakePatience)
		s.carries(s.engine.link(1))
		if !old.retired() {
			t.Error("the old link was not given up")
		}
	})
}

// A new link that breaks while the old one is asked is no reason to give that up.
func TestALinkThatBreaksBesideARestingOneTakesNothingAway(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		old := s.silences(always(tunnel.Unreachable))
		s.engine.set(func() { s.engine.connect = nil })
		s.pass(4 * time.Second)
		s.engine.set(func() { s.engine.connect = always(tunnel.Unreachable) })
		s.engine.link(1).breaks(fail(tunnel.LinkLost))
		s.pass(10 * time.Second)
		if old.retired() {
			t.Error("the old link was given up")
		}
		old.falls(PeerAnswers)
		s.pass(0)
		s.carries(old)
	})
}

func TestWhatASilentLinkHasCarriedStaysCounted(t *testing.T) {
	for what, heals := range map[string]bool{"it goes on": true, "it is given up": false} {
		t.Run(what, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				old := s.silences(always(tunnel.Unreachable))
				old.script(func() { old.mappings["ldap"].in = 7 }) // said before the silence, and counted in it
				s.pass(time.Second)
				if heals {
					old.falls(PeerAnswers)
				} else {
					s.engine.set(func() { s.engine.connect = nil })
				}
				s.pass(10 * time.Second)
				if m := s.expectMapping("ldap", tunnel.Up, ""); m.BytesIn != 7 {
					t.Errorf("%d bytes are counted", m.BytesIn)
				}
			})
		})
	}
}

// What is not asked for any more, whatever the link, is no reason to await anything of a link that goes on.
func TestAMappingThatIsGivenUpHoldsUpNoRevival(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.engine.shape = func(l *fakeLink) {
			l.proof = func(_ context.Context, name string) error {
				if name == "http" {
					return fail(tunnel.WiderThanDeclared)
				}
				return nil
			}
		}
		s.source.want(active(office, 1, ldap, http))
		s.pass(time.Minute)
		s.expect(office, tunnel.Degraded, tunnel.WiderThanDeclared)
		old := s.engine.link(0)
		s.engine.set(func() { s.engine.connect = always(tunnel.Unreachable) })
		old.falls(PeerSilent)
		s.pass(time.Minute)
		old.falls(PeerAnswers)
		s.pass(0)
		s.expect(office, tunnel.Degraded, tunnel.WiderThanDeclared)
		s.expectMapping("ldap", tunnel.Up, "")
	})
}

// The places among the handshakes are for who shakes hands: links that rest take none.
func TestRestingLinksTakeNoPlaceOfAHandshake(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.engine.shape = func(l *fakeLink) { l.peer = PeerDoubted } // before any answer
		for i := range 8 {
			s.source.want(active(tunnel.Ref{Owner: tunnel.Operator, Name: tunnel.Name("t" + string(rune('a'+i)))}, 1))
		}
		s.pass(time.Second)
		s.engine.set(func() { s.engine.shape, s.engine.connect = nil, silent })
		for i := range 8 {
			s.engine.link(i).falls(PeerSilent)
		}
		s.pass(11 * time.Second)
		if n := s.engine.count(); n != 16 {
			t.Errorf("%d attempts", n)
		}
	})
}

// ran reports whether the engine has still to do with the link.
func (l *fakeLink) ran() bool { return !closed(l.over) }

// What is withdrawn meanwhile is no reason to keep the tunnel from its new link: the old one takes it along.
func TestAMappingThatGoesInTheSilenceDelaysNoNewLink(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		old := s.silences(always(tunnel.Unreachable))
		old.script(func() { old.withdraw = silence })
		s.rearranges(ldap)
		s.pass(time.Second)
		if n := len(old.times("withdraw", "http")); n != 1 {
			t.Fatalf("withdrawn %d times", n)
		}
		s.engine.set(func() { s.engine.connect = nil })
		s.pass(2*time.Second + wakePatience)
		s.expect(office, tunnel.Up, "")
		if got := s.engine.link(1).on(); got != "ldap" || !old.retired() {
			t.Errorf("the new link carries %q; the old is given up: %v", got, old.retired())
		}
	})
}

func TestALinkWhoseAddressIsGoneIsSilentAtOnce(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		here := netip.MustParseAddr("192.0.2.7")
		s.engine.shape = func(l *fakeLink) { l.local = here }
		s.source.want(active(office, 1, ldap, http))
		s.pass(time.Minute)
		old := s.engine.link(0)
		s.sup.Moved(func(a netip.Addr) bool { return a == here }, false)
		s.pass(0)
		s.carries(old)
		s.engine.set(func() { s.engine.connect = always(tunnel.Unreachable) })
		since := time.Now()
		s.sup.Moved(func(netip.Addr) bool { return false }, false)
		s.pass(0)
		now := s.expect(office, tunnel.Waiting, tunnel.Unreachable)
		if !strings.Contains(now.Link.Message, "192.0.2.7") {
			t.Errorf("link %+v", now.Link)
		}
		s.pass(time.Minute)
		s.rests(old, since)
		s.sup.Moved(func(netip.Addr) bool { return true }, false) // it is back
		s.pass(0)
		s.carries(old)

		s.pass(time.Minute)
		s.engine.set(func() { s.engine.connect = nil })
		s.sup.Moved(func(netip.Addr) bool { return false }, false)
		s.pass(0) // nobody waits for an answer to an address that is gone
		s.carries(s.engine.link(-1))
		if len(old.times("wake", "")) != 0 || !old.retired() {
			t.Errorf("the old link was asked %d times, retired: %v; %v", len(old.times("wake", "")), old.retired(), s.engine.gaps())
		}
	})
}

func TestAChangeOfTheNetworkEndsTheWaitForAServer(t *testing.T) {
	for reason, tried := range map[tunnel.Reason]bool{
		tunnel.Unreachable: true, tunnel.UnknownHost: true, tunnel.NameLookupFailed: true,
		tunnel.LoginRefused: false, tunnel.HostKeyMismatch: false, tunnel.HandshakeClosed: false,
	} {
		play(t, func(t *testing.T, s *stage) {
			s.engine.connect = always(reason)
			s.source.want(active(office, 1))
			s.pass(1)
			n := s.engine.count()
			s.sup.Moved(func(netip.Addr) bool { return true }, false)
			s.pass(0)
			if s.engine.count() > n != tried {
				t.Errorf("%s: %d attempts, %d after the change", reason, n, s.engine.count())
			}
		})
	}
}

// A machine that slept may have been left by its servers, and asks them when it wakes.
func TestEveryServerIsAskedAfterASleep(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1, ldap))
		s.pass(65 * time.Second)
		l, here := s.engine.link(0), func(netip.Addr) bool { return true }
		asked := len(l.times("keepalive", ""))
		s.sup.Moved(here, false)
		s.pass(0)
		if n := len(l.times("keepalive", "")); n != asked {
			t.Error("asked because of any change")
		}
		s.sup.Moved(here, true)
		s.pass(0)
		if n := len(l.times("keepalive", "")); n != asked+1 {
			t.Errorf("asked %d times", n-asked)
		}
	})
}
