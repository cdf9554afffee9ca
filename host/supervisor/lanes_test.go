package supervisor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Mappings of the second link: one by its lane, of either kind, and one by its target.
var (
	upload = tunnel.Mapping{Name: "upload", Kind: tunnel.Reach, Lane: tunnel.LaneBulk,
		Local: tunnel.Endpoint{Port: 2022}, Remote: tunnel.Endpoint{Port: 22}}
	archive = tunnel.Mapping{Name: "archive", Kind: tunnel.Expose, Lane: tunnel.LaneBulk,
		Local: tunnel.Endpoint{Port: 8090}, Remote: tunnel.Endpoint{Port: 18090}}
	byName = tunnel.Mapping{Name: "byname", Kind: tunnel.Reach,
		Local: tunnel.Endpoint{Port: 1636}, Remote: tunnel.Endpoint{Host: "dc1.corp.local", Port: 636}}
)

func TestWhichMappingsRideOnTheSecondLink(t *testing.T) {
	reach := func(host string) tunnel.Mapping {
		return tunnel.Mapping{Kind: tunnel.Reach, Remote: tunnel.Endpoint{Host: host, Port: 1}}
	}
	phone := tunnel.Mapping{Kind: tunnel.Expose, Local: tunnel.Endpoint{Host: "phone.example", Port: 80}} // the PBX looks that up
	for _, m := range []tunnel.Mapping{upload, archive, byName, reach("dc1"), reach("10.1.2.3.example")} {
		if !onSecond(m) {
			t.Errorf("%v rides on the main link", m)
		}
	}
	for _, m := range []tunnel.Mapping{ldap, http, phone, reach(""), reach("localhost"), reach("LocalHost"), reach("10.1.2.3"), reach("2001:db8::1")} {
		if onSecond(m) {
			t.Errorf("%v rides on the second link", m)
		}
	}
}

// on are the names of the mappings that l carries.
func (l *fakeLink) on() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var names []string
	for name := range l.mappings {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// asked is what l was asked after that time.
func (l *fakeLink) asked(after time.Time) []call {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.calls), func(c call) bool { return !c.at.After(after) })
}

// hasTwo has a tunnel with mappings for both links up for a minute, and returns its links.
func (s *stage) hasTwo() (main, second *fakeLink) {
	s.t.Helper()
	s.source.want(active(office, 1, ldap, upload, http, archive, byName))
	s.pass(time.Minute)
	s.expect(office, tunnel.Up, "")
	if n := s.engine.count(); n != 2 {
		s.t.Fatalf("%d attempts, want 2", n)
	}
	main, second = s.engine.link(0), s.engine.link(1)
	s.rides(main, second)
	return main, second
}

// rearranges changes the mappings of a tunnel that has its host key pinned.
func (s *stage) rearranges(ms ...tunnel.Mapping) {
	w := active(office, 1, ms...)
	w.Tunnel.Pin = s.source.learned[0]
	s.source.want(w)
}

// rides fails the test unless all is up, each mapping where it belongs.
func (s *stage) rides(main, second *fakeLink) {
	s.t.Helper()
	s.expect(office, tunnel.Up, "")
	if got := main.on(); got != "http ldap" {
		s.t.Errorf("the main link carries %s", got)
	}
	if got := second.on(); got != "archive byname upload" {
		s.t.Errorf("the second link carries %s", got)
	}
}

// mappingsAre fails the test unless the mappings are up, but those named are down for that reason.
func (s *stage) mappingsAre(reason tunnel.Reason, down ...string) {
	s.t.Helper()
	for _, m := range s.source.now(office).Mappings {
		switch is := slices.Contains(down, m.Name); {
		case is && (m.State != tunnel.Down || m.Reason != reason):
			s.t.Errorf("%s is %s (%s: %s), want down (%s)", m.Name, m.State, m.Reason, m.Message, reason)
		case !is && m.State != tunnel.Up:
			s.t.Errorf("%s is %s (%s: %s), want up", m.Name, m.State, m.Reason, m.Message)
		}
	}
}

// steady fails the test if, since then, a mapping of the main link was anything but up.
func (s *stage) steady(since time.Time) {
	s.t.Helper()
	for _, r := range s.source.history(office) {
		for _, m := range r.Mappings {
			if r.at.After(since) && !onSecond(mappingOf(m.Name)) && m.State != tunnel.Up {
				s.t.Errorf("%s after: %s was %s (%s)", r.at.Sub(since), m.Name, m.State, m.Reason)
			}
		}
	}
}

func mappingOf(name string) tunnel.Mapping {
	all := []tunnel.Mapping{ldap, http, upload, archive, byName}
	return all[slices.IndexFunc(all, func(m tunnel.Mapping) bool { return m.Name == name })]
}

var laned = []string{"upload", "archive", "byname"}

func TestNoSecondLinkIsMadeForNothing(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1, ldap, http))
		s.pass(time.Minute)
		if n := s.engine.count(); n != 1 {
			t.Errorf("%d attempts", n)
		}
	})
}

func TestTheSecondLinkIsMadeLikeTheMainOneAndLearnsNothing(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		w := active(office, 1, upload)
		w.Tunnel.Via = tunnel.Via{Scheme: tunnel.ViaHTTP, Host: "proxy.example", Port: 3128}
		s.source.want(w)
		s.pass(time.Minute)
		s.expect(office, tunnel.Up, "")
		main, second := s.engine.plans[0], s.engine.plans[1]
		if second.Server != main.Server || second.Via != main.Via || second.Credential != main.Credential || second.Ref != main.Ref {
			t.Errorf("planned %+v, the main link %+v", second, main)
		}
		if second.Pin.Fingerprint != "SHA256:k" {
			t.Errorf("expects the key %v", second.Pin)
		}
		if err := second.Learned(t.Context(), tunnel.Pin{Fingerprint: "SHA256:other"}); err == nil || len(s.source.learned) != 1 {
			t.Errorf("learned a key: %v, %v", err, s.source.learned)
		}
		if n := len(s.engine.link(1).times("keepalive", "")); n < 6 {
			t.Errorf("the second link was asked for %d signs of life in a minute", n)
		}
	})
}

func TestLossOfTheSecondLinkIsNoticedByItsMappingsAlone(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		main, second := s.hasTwo()
		second.script(func() { second.mappings["upload"].in, second.mappings["upload"].out = 7, 9 })
		before := len(main.times("apply", "ldap"))
		s.engine.set(func() { s.engine.connect = func(context.Context, Attempt) error { return fail(tunnel.Unreachable) } })
		since := time.Now()
		second.breaks(fail(tunnel.LinkLost))
		s.pass(0)
		s.expect(office, tunnel.Degraded, tunnel.Unreachable)
		s.mappingsAre(tunnel.Unreachable, laned...)
		s.pass(14 * time.Second) // at once, then every three seconds
		if n := s.engine.count(); n != 7 {
			t.Errorf("%d attempts", n-2)
		}
		s.engine.set(func() { s.engine.connect = nil })
		s.pass(4 * time.Second)
		s.rides(main, s.engine.link(2))
		s.steady(since)
		if n := len(main.times("apply", "ldap")); n != before || main.ctx.Err() != nil {
			t.Error("the main link noticed")
		}
		for _, m := range s.source.now(office).Mappings {
			if m.Name == "upload" && (m.BytesIn != 7 || m.BytesOut != 9) {
				t.Errorf("what was carried before is forgotten: %d and %d bytes", m.BytesIn, m.BytesOut)
			}
		}
	})
}

// What answered through one second link is asked again through the next.
func TestTargetsAreAskedAgainOnANewSecondLink(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		main, second := s.hasTwo()
		s.shaped(func(l *fakeLink) {
			l.target = func(context.Context, string) error { return fail(tunnel.TargetRefused) }
		})
		second.breaks(fail(tunnel.LinkLost))
		s.pass(time.Second)
		s.mappingsAre(tunnel.TargetRefused, laned...)
		if n := len(main.times("target", "ldap")); n != 1 {
			t.Errorf("the target of the main link was asked %d times", n)
		}
	})
}

func TestASecondLinkThatLivedIsMadeAgainAtOnceElseBeforeClientsAreRefused(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		main, second := s.hasTwo()
		second.breaks(fail(tunnel.LinkLost))
		s.pass(time.Second)
		s.rides(main, s.engine.link(2))
		const breaks = 40
		most, sum := 500*time.Millisecond, time.Duration(0)
		for i := range breaks { // those that break at once
			began := time.Now()
			s.engine.link(2 + i).breaks(fail(tunnel.LinkLost))
			s.pass(0)
			s.mappingsAre(tunnel.LinkLost, laned...)
			for s.engine.count() == 3+i && time.Since(began) <= most {
				s.pass(10 * time.Millisecond)
			}
			if s.engine.count() != 4+i {
				t.Fatalf("break %d: no new link within %s", i, most)
			}
			s.rides(main, s.engine.link(3+i))
			sum += time.Since(began)
			most = min(2*most, holdFor/2)
		}
		if mean := sum / breaks; mean < 2*time.Second || mean > 7*time.Second {
			t.Errorf("%s apart on average: no full jitter up to 10 s", mean)
		}
	})
}

func TestAServerThatRefusesTheSecondLink(t *testing.T) {
	tests := map[string]struct {
		with        error
		least, most int // attempts in a minute and a half
	}{
		"its login":       {fail(tunnel.LoginRefused), 2, 2},
		"another key":     {&fakeError{Failure{Reason: tunnel.HostKeyMismatch, Message: "other", Shown: tunnel.Pin{Fingerprint: "SHA256:x"}}}, 8, 10},
		"too many logins": {fail(tunnel.HandshakeClosed), 13, 60},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				s.engine.connect = func(_ context.Context, a Attempt) error {
					if a.Pin == (tunnel.Pin{}) {
						return nil
					}
					return test.with
				}
				s.source.want(active(office, 1, ldap, upload))
				s.pass(90 * time.Second)
				reason := (*fakeEngine)(nil).Explain(test.with).Reason
				now := s.expect(office, tunnel.Degraded, reason)
				s.mappingsAre(reason, "upload")
				if !strings.Contains(now.Message, "second link") {
					t.Errorf("the message does not say which link: %s", now.Message)
				}
				if n := s.engine.count() - 1; n < test.least || n > test.most {
					t.Errorf("%d attempts, want %d to %d", n, test.least, test.most)
				}
				if shown := s.source.shown; (reason == tunnel.HostKeyMismatch) != (len(shown) > 0) {
					t.Errorf("shown %v", shown)
				}
			})
		})
	}
}

func TestAFrozenSecondLinkDegradesItsMappingsAlone(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		main, second := s.hasTwo()
		since := time.Now()
		second.script(func() { second.keepalive = silence })
		s.pass(20 * time.Second)
		s.expect(office, tunnel.Degraded, tunnel.ServerBusy)
		s.mappingsAre(tunnel.ServerBusy, laned...)
		s.pass(20 * time.Second)
		s.mappingsAre(tunnel.ServerBusy, laned...)
		second.script(func() { second.keepalive = nil })
		s.pass(4 * time.Second)
		s.rides(main, second)
		s.steady(since)

		second.script(func() { second.keepalive = silence })
		s.pass(40 * time.Second)
		if second.retired() { // it has answered in between
			t.Error("given up though it froze for less than a minute each time")
		}
		s.pass(45 * time.Second)
		if !second.retired() {
			t.Error("a link that was frozen for more than a minute is not given up")
		}
		s.rides(main, s.engine.link(2))
		s.steady(since)
	})
}

// TestTheSecondLinkSpeaksForItsMappingsWhileTheMainLinkIsFrozen: what is proved there stays so, also while the main link
// rests and no other can be made, and no longer than the second link lives.
func TestTheSecondLinkSpeaksForItsMappingsWhileTheMainLinkIsFrozen(t *testing.T) {
	for name, ends := range map[string]func(s *stage, main, second *fakeLink){
		"the second link falls silent": func(s *stage, _, second *fakeLink) { second.falls(PeerSilent); s.pass(aloneFor) },
		"both fall silent": func(s *stage, main, second *fakeLink) {
			main.falls(PeerSilent)
			second.falls(PeerSilent)
			s.pass(0)
		},
		"the second link breaks": func(s *stage, _, second *fakeLink) { second.breaks(fail(tunnel.LinkLost)); s.pass(0) },
		"the second link freezes": func(s *stage, _, second *fakeLink) {
			second.script(func() { second.keepalive = silence })
			s.pass(20 * time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				main, second := s.hasTwo()
				s.engine.set(func() { s.engine.connect = func(context.Context, Attempt) error { return fail(tunnel.Unreachable) } })
				began := time.Now()
				main.freezes()
				s.pass(30 * time.Second)
				s.expect(office, tunnel.Degraded, tunnel.ServerBusy)
				s.mappingsAre(tunnel.ServerBusy, "ldap", "http")
				s.pass(time.Minute)
				s.expect(office, tunnel.Waiting, tunnel.Unreachable)
				s.mappingsAre(tunnel.Unreachable, "ldap", "http")
				s.untouched(began, second)
				if g := s.sup.keepers[office].standing.glance("upload"); g.link == nil {
					t.Error("its clients are held")
				}

				ends(s, main, second)
				for _, m := range s.source.now(office).Mappings {
					if m.State != tunnel.Down {
						t.Errorf("%s is %s", m.Name, m.State)
					}
				}
				if g := s.sup.keepers[office].standing.glance("ldap"); g.link != nil {
					t.Error("the main link, which rests, is asked for something")
				}
				s.engine.set(func() { s.engine.connect = nil })
				main.thaws()
				main.falls(PeerAnswers)
				second.script(func() { second.keepalive = nil })
				second.falls(PeerAnswers)
				s.pass(20 * time.Second)
				s.rides(main, s.engine.live()[1])
			})
		})
	}
}

// untouched fails the test if, since then, a mapping of the second link was anything but up, or not proved again.
func (s *stage) untouched(since time.Time, second *fakeLink) {
	s.t.Helper()
	for _, r := range s.source.history(office) {
		for _, m := range r.Mappings {
			if r.at.After(since) && onSecond(mappingOf(m.Name)) && m.State != tunnel.Up {
				s.t.Errorf("%s after: %s was %s (%s)", r.at.Sub(since), m.Name, m.State, m.Reason)
			}
		}
	}
	if proofs := second.times("prove", "archive"); time.Since(proofs[len(proofs)-1]) > cycle {
		s.t.Errorf("last proved %s ago", time.Since(proofs[len(proofs)-1]))
	}
}

// TestAMainLinkThatIsGivenUpTakesTheSecondWithIt: what was on that is asked for again beside the new one, and not said to be
// proved in between.
func TestAMainLinkThatIsGivenUpTakesTheSecondWithIt(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		main, second := s.hasTwo()
		s.shaped(func(l *fakeLink) {
			l.apply = func(context.Context, tunnel.Mapping) error { time.Sleep(time.Second); return nil }
		})
		since := time.Now()
		main.freezes()
		for !main.retired() {
			s.untouched(since, second)
			s.pass(100 * time.Millisecond)
			if time.Since(since) > 2*replaceAfter {
				t.Fatal("not given up")
			}
		}
		if second.on() != "" || second.ctx.Err() == nil {
			t.Error("the second link stands still")
		}
		for _, m := range s.source.now(office).Mappings {
			if m.State != tunnel.Down {
				t.Errorf("%s is %s, and nobody has proved it on the new links", m.Name, m.State)
			}
		}
		s.pass(3 * time.Second)
		s.rides(s.engine.link(2), s.engine.link(3))
	})
}

func TestASilentSecondLinkIsGivenUpForANewOneBesideIt(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		main, second := s.hasTwo()
		for i := range 3 {
			since := time.Now()
			second.falls(PeerDoubted)
			s.pass(7 * time.Second)
			second.falls(PeerSilent)
			s.pass(aloneFor - 1)
			if second.retired() {
				t.Fatal("given up in haste")
			}
			s.pass(time.Second)
			if !second.retired() || !second.ran() {
				t.Fatal("not given up, or its server is not told")
			}
			for _, c := range second.asked(since) {
				t.Errorf("asked to %s %s %s into the silence", c.what, c.name, c.at.Sub(since))
			}
			second = s.engine.link(2 + i)
			s.rides(main, second)
			s.steady(since)
			if earlier := s.engine.plans[2+i].Earlier; earlier.IsZero() {
				t.Error("the engine is not told of the link before")
			}
			if i > 0 && s.engine.link(i).ran() {
				t.Error("more than one link waits for its server to hear")
			}
		}
	})
}

func TestTwoSilentLinksShareTheirFate(t *testing.T) {
	for name, story := range map[string]func(t *testing.T, s *stage, main, second *fakeLink){
		"they answer again": func(t *testing.T, s *stage, main, second *fakeLink) {
			main.falls(PeerAnswers)
			s.pass(time.Second)
			second.falls(PeerAnswers)
			s.pass(3 * time.Second)
			s.rides(main, second)
			if second.ctx.Err() != nil {
				t.Error("the second link was ended")
			}
		},
		"a new link stands": func(t *testing.T, s *stage, main, second *fakeLink) {
			s.engine.set(func() { s.engine.connect = nil })
			s.pass(10 * time.Second)
			if !main.retired() || !second.retired() || !main.ran() || !second.ran() {
				t.Error("not both were given up, or their server is not told")
			}
			live := s.engine.live()
			if len(live) != 2 {
				t.Fatalf("%d links stand", len(live))
			}
			s.rides(live[0], live[1])
			close(main.heard)
			close(second.heard)
			s.pass(0)
			if main.ran() || second.ran() {
				t.Error("they run on though the server has heard")
			}
		},
		"the server hears of one alone": func(t *testing.T, s *stage, main, second *fakeLink) {
			s.engine.set(func() { s.engine.connect = nil })
			s.pass(10 * time.Second)
			close(main.heard)
			s.pass(partingGrace - time.Second)
			if !second.ran() {
				t.Error("the second was dropped at once")
			}
			s.pass(2 * time.Second)
			if second.ran() {
				t.Error("the second runs on for ever")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				main, second := s.hasTwo()
				s.engine.set(func() { s.engine.connect = func(context.Context, Attempt) error { return fail(tunnel.Unreachable) } })
				since := time.Now()
				for _, p := range []Peer{PeerDoubted, PeerSilent} {
					main.falls(p)
					second.falls(p)
					s.pass(30 * time.Second)
				}
				s.rests(main, since)
				s.rests(second, since)
				story(t, s, main, second)
			})
		})
	}
}

func TestTheMainLinkTakesTheSecondWithIt(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		main, second := s.hasTwo()
		main.breaks(fail(tunnel.LinkLost))
		s.pass(time.Second)
		if second.ran() || second.retired() {
			t.Error("the second link was left, or not closed")
		}
		s.rides(s.engine.link(2), s.engine.link(3))
	})
}

func TestALaneChangeMovesTheMappingAndItsPort(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		main, second := s.hasTwo()
		s.engine.set(func() { s.engine.closing = time.Second })
		wide := http
		wide.Lane = tunnel.LaneBulk
		s.rearranges(ldap, upload, wide, archive, byName)
		s.pass(time.Second)
		if main.on() != "ldap" || second.on() != "archive byname http upload" {
			t.Errorf("carried by the main link: %s; by the second: %s", main.on(), second.on())
		}
		before := len(second.times("apply", "upload"))
		s.rearranges(ldap, upload, http, archive, byName)
		s.pass(time.Second)
		s.rides(main, second)
		if len(second.times("apply", "upload")) != before {
			t.Error("other mappings noticed")
		}

		narrow, slim := archive, upload
		narrow.Lane, slim.Lane = tunnel.LaneMain, tunnel.LaneMain
		began := time.Now()
		s.rearranges(ldap, slim, http, narrow)
		s.pass(10 * time.Second)
		s.expect(office, tunnel.Up, "")
		if main.on() != "archive http ldap upload" || second.ran() {
			t.Errorf("the main link carries %s; the second stands: %v", main.on(), second.ran())
		}
		if at := main.times("apply", "archive")[0]; at.Before(began.Add(time.Second)) {
			t.Error("its port was asked for before the second link had given it back")
		}
		if n := s.engine.count(); n != 2 {
			t.Errorf("%d attempts", n)
		}
		s.rearranges(ldap, upload)
		s.pass(10 * time.Second)
		if again := s.engine.link(2); again.on() != "upload" {
			t.Errorf("the second link, made again, carries %s; %+v", again.on(), s.source.now(office))
		}
	})
}

func TestOpenWaitsForTheSecondLink(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		opened := errors.New("opened")
		s.engine.shape = func(l *fakeLink) {
			l.open = func(context.Context, tunnel.Mapping) (Conn, error) { return nil, opened }
		}
		main, second := s.hasTwo()
		link := s.sup.keepers[office].standing.glance("ldap").link
		open := func(m tunnel.Mapping, d time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			_, err := link.Open(ctx, m, "caller")
			return err
		}
		if err := open(upload, time.Second); err != opened || len(second.times("open", "upload")) != 1 {
			t.Errorf("got %v, asked on the second link %v", err, second.times("open", "upload"))
		}
		if err := open(ldap, time.Second); err != opened || len(main.times("open", "ldap")) != 1 {
			t.Errorf("got %v, asked on the main link %v", err, main.times("open", "ldap"))
		}
		slow := func(d time.Duration) func() {
			return func() {
				s.engine.connect = func(ctx context.Context, _ Attempt) error { sleepUntil(ctx, time.Now().Add(d)); return ctx.Err() }
			}
		}
		s.engine.set(slow(5 * time.Second))
		second.breaks(fail(tunnel.LinkLost))
		s.pass(time.Second)
		if err := open(upload, 3*time.Second); why(err).Reason != tunnel.LinkLost {
			t.Errorf("got %v when the time was over", err)
		}
		began := time.Now()
		if err := open(upload, 10*time.Second); err != opened || time.Since(began) != time.Second {
			t.Errorf("got %v after %s", err, time.Since(began))
		}
		if err := open(ldap, time.Second); err != opened {
			t.Errorf("got %v on the main link", err)
		}
	})
}

// TestClientsAreHeldWhileTheSecondLinkIsMade, as they are for the main one: refused only where somebody has to do something.
func TestClientsAreHeldWhileTheSecondLinkIsMade(t *testing.T) {
	for reason, held := range map[tunnel.Reason]bool{tunnel.Unreachable: true, tunnel.HandshakeClosed: true, tunnel.LoginRefused: false} {
		play(t, func(t *testing.T, s *stage) {
			_, second := s.hasTwo()
			ports := s.sup.keepers[office].ports
			try := func(name string) (waits bool, why tunnel.Reason) {
				_, turned, err := ports.try(t.Context(), name, "caller")
				var se *tunnel.StatusError
				if errors.As(err, &se) {
					why = se.Reason
				}
				return turned != nil, why
			}
			s.engine.set(func() { s.engine.connect = func(context.Context, Attempt) error { return fail(reason) } })
			second.breaks(fail(tunnel.LinkLost))
			s.pass(2 * time.Second)
			if waits, why := try("upload"); waits != held || !held && why != reason {
				t.Errorf("%s: waits %v, refused because of %q", reason, waits, why)
			}
			if waits, why := try("ldap"); waits || why != tunnel.TargetRefused {
				t.Errorf("%s: on the main link a client waits %v, refused because of %q", reason, waits, why)
			}
		})
	}
}

func TestNothingOfTheSecondLinkIsLeft(t *testing.T) {
	for name, end := range map[string]func(s *stage){
		"suspended": func(s *stage) {
			s.source.want(disabled(office, ldap, upload, http, archive, byName))
			s.pass(2 * time.Second)
		},
		"restarted": func(s *stage) { _ = s.sup.Restart(office); s.pass(2 * time.Second) },
		"all over":  func(s *stage) { _ = s.end() },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				main, second := s.hasTwo()
				end(s)
				if main.ran() || second.ran() {
					t.Error("a link is left")
				}
			})
		})
	}
}
