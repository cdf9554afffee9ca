package supervisor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// seconds are times as seconds since began.
func seconds(began time.Time, at []time.Time) []float64 {
	var s []float64
	for _, t := range at {
		s = append(s, t.Sub(began).Seconds())
	}
	return s
}

// shaped makes every link of the stage answer as shape says.
func (s *stage) shaped(shape func(l *fakeLink)) { s.engine.set(func() { s.engine.shape = shape }) }

// expectMapping fails the test unless the mapping is in that state for that reason.
func (s *stage) expectMapping(name string, state tunnel.State, reason tunnel.Reason) tunnel.MappingStatus {
	s.t.Helper()
	s.sup.Recount(office) // as whoever looks does
	m := s.source.now(office).Mapping(name)
	if m.State != state || m.Reason != reason {
		s.t.Fatalf("mapping %s is %s (%s: %s), want %s (%s)", name, m.State, m.Reason, m.Message, state, reason)
	}
	return m
}

func TestIdleMappingsAreProvedEveryTenSecondsAndTheirServicesLeftAlone(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		began := time.Now()
		s.source.want(active(office, 1, ldap, http))
		s.pass(65 * time.Second)
		l, want := s.engine.link(0), []float64{0, 10, 20, 30, 40, 50, 60}
		if got := seconds(began, l.times("prove", "http")); !slices.Equal(got, want) {
			t.Errorf("http proved at %v", got)
		}
		for _, name := range []string{"ldap", "http"} {
			if got := seconds(began, l.times("target", name)); !slices.Equal(got, []float64{0}) {
				t.Errorf("service behind %s opened at %v", name, got)
			}
			m := s.expectMapping(name, tunnel.Up, "")
			if got := m.ProvedAt.Sub(began); got != time.Minute {
				t.Errorf("%s proved at %s", name, got)
			}
		}
	})
}

// A proof that comes back from the server is a sign of life too: there is one of these in each cycle, and no more.
func TestAServerIsAskedForASignOfLifeWhereNoProofIsOne(t *testing.T) {
	late := func(ctx context.Context, _ string) error { return after(2 * time.Second)(ctx) }
	every := []float64{0, 10, 20, 30, 40, 50, 60}
	for name, c := range map[string]struct {
		mappings []tunnel.Mapping
		proof    func(context.Context, string) error
		asked    []float64
	}{
		"only local ports are proved": {[]tunnel.Mapping{ldap}, nil, every},
		"proofs are forbidden": {
			[]tunnel.Mapping{http}, func(context.Context, string) error { return fail(tunnel.ProofForbidden) }, every,
		},
		"proofs are slow":         {[]tunnel.Mapping{http}, late, every},
		"proofs come back":        {[]tunnel.Mapping{ldap, http}, nil, []float64{0}},
		"two come back each time": {[]tunnel.Mapping{http, again(http)}, nil, []float64{0}},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				s.shaped(func(l *fakeLink) { l.proof = c.proof })
				began := time.Now()
				s.source.want(active(office, 1, c.mappings...))
				s.pass(65 * time.Second)
				l := s.engine.link(0)
				if got := seconds(began, l.times("keepalive", "")); !slices.Equal(got, c.asked) {
					t.Errorf("keepalives at %v, want %v", got, c.asked)
				}
				s.sup.Recount(office)
				if at := s.source.now(office).Link.At; time.Since(at) > cycle {
					t.Errorf("the link is known to stand since %s", time.Since(at))
				}
			})
		})
	}
}

// Periodic questions of all links are asked on common beats, never later than a cycle after the last ones, whenever a link
// came up.
func TestAllLinksAreAskedOnTheSameBeats(t *testing.T) {
	for what, m := range map[string]tunnel.Mapping{"prove": http, "keepalive": ldap} {
		t.Run(what, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				for i := range 7 {
					ref := tunnel.Ref{Owner: "beats", Name: tunnel.Name(fmt.Sprint("t", i))}
					s.source.want(active(ref, 1, m))
					s.pass(37 * time.Millisecond)
				}
				s.pass(time.Minute)
				for i := range 7 {
					l, name := s.engine.link(i), ""
					if what == "prove" {
						name = m.Name
					}
					asked := l.times(what, name)
					if len(asked) < 6 {
						t.Fatalf("link %d was asked %d times in a minute", i, len(asked))
					}
					for j, at := range asked[1:] {
						if off := at.UnixNano() % int64(beats); off != 0 {
							t.Errorf("link %d is asked %s after a beat", i, time.Duration(off))
						}
						if late := at.Sub(asked[j]) - cycle; late > 0 {
							t.Errorf("link %d is asked %s late", i, late)
						}
					}
				}
			})
		})
	}
}

// again is another mapping of the same kind.
func again(m tunnel.Mapping) tunnel.Mapping {
	m.Name, m.Local.Port, m.Remote.Port = m.Name+"2", m.Local.Port+1, m.Remote.Port+1
	return m
}

// A server that stops answering, in between or while it is asked, is known to within a cycle and the time for an answer
// since it was last asked what it has answered, and its link is replaced a minute after it was first asked in vain.
func TestAServerThatStopsIsNoticedInTimeWhateverItAnsweredLast(t *testing.T) {
	for name, takes := range map[string]time.Duration{"proofs at once": 0, "proofs soon": precedence / 2, "proofs slowly": 3 * time.Second} {
		t.Run(name, func(t *testing.T) {
			for i := range 42 {
				play(t, func(t *testing.T, s *stage) {
					var when atomic.Pointer[time.Time]
					alive := func(ctx context.Context, takes time.Duration) error {
						err := after(takes)(ctx)
						if stops := when.Load(); err != nil || stops != nil && time.Now().After(*stops) {
							return silence(ctx)
						}
						return nil
					}
					s.shaped(func(l *fakeLink) {
						l.keepalive = func(ctx context.Context) error { return alive(ctx, 0) }
						l.proof = func(ctx context.Context, _ string) error { return alive(ctx, takes) }
					})
					s.source.want(active(office, 1, ldap, http))
					s.pass(time.Minute)
					s.expect(office, tunnel.Up, "")
					stops := time.Now().Add(time.Duration(i) * cycle / 40)
					when.Store(&stops)
					s.pass(time.Until(stops) + cycle + patience)
					now := s.expect(office, tunnel.Degraded, tunnel.ServerBusy)
					if now.Link.State != tunnel.Down || now.Mapping("ldap").State != tunnel.Down {
						t.Fatalf("stopped at %s: %+v", stops, now)
					}
					s.pass(time.Until(stops) + cycle + replaceAfter)
					if n := s.engine.count(); n != 2 {
						t.Errorf("stopped at %s: %d attempts", stops, n)
					}
				})
			}
		})
	}
}

func TestAFailedProofIsAskedForEveryTwoSecondsUntilItHolds(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		began := time.Now()
		s.shaped(func(l *fakeLink) {
			l.proof = func(_ context.Context, name string) error {
				if d := time.Since(began); name == "http" && d >= 10*time.Second && d < 17*time.Second {
					return fail(tunnel.TargetUnreachable)
				}
				return nil
			}
		})
		s.source.want(active(office, 1, ldap, http))
		s.pass(10 * time.Second)
		s.expect(office, tunnel.Degraded, tunnel.TargetUnreachable)
		s.expectMapping("http", tunnel.Down, tunnel.TargetUnreachable)
		s.expectMapping("ldap", tunnel.Up, "")
		s.pass(8 * time.Second)
		s.expect(office, tunnel.Up, "")
		s.pass(12 * time.Second)
		want := []float64{0, 10, 12, 14, 16, 18, 28}
		if got := seconds(began, s.engine.link(0).times("prove", "http")); !slices.Equal(got, want) {
			t.Errorf("proved at %v, want %v", got, want)
		}
	})
}

func TestASilentProofIsAFailureAfterEightSecondsAndALateAnswerCountsAtOnce(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		began := time.Now()
		s.shaped(func(l *fakeLink) {
			l.proof = func(ctx context.Context, _ string) error {
				if time.Since(began) < 10*time.Second {
					return nil
				}
				select {
				case <-time.After(time.Until(began.Add(19 * time.Second))):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		})
		s.source.want(active(office, 1, http))
		s.pass(18*time.Second - 1)
		s.expect(office, tunnel.Up, "")
		s.pass(1)
		s.expect(office, tunnel.Degraded, tunnel.ServerBusy)
		s.pass(time.Second)
		s.expect(office, tunnel.Up, "")
	})
}

func TestATargetThatRefusedIsOpenedAgainEveryThirtySeconds(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		began := time.Now()
		s.shaped(func(l *fakeLink) {
			l.target = func(context.Context, string) error {
				if time.Since(began) < 45*time.Second {
					return fail(tunnel.TargetRefused)
				}
				return nil
			}
		})
		s.source.want(active(office, 1, ldap))
		s.pass(59 * time.Second)
		s.expect(office, tunnel.Degraded, tunnel.TargetRefused)
		m := s.expectMapping("ldap", tunnel.Down, tunnel.TargetRefused)
		if m.ProvedAt.Sub(began) != 50*time.Second {
			t.Errorf("proofs stopped at %s", m.ProvedAt.Sub(began))
		}
		if got := m.Target.At.Sub(began); got != 30*time.Second {
			t.Errorf("seen down after %s", got)
		}
		s.pass(2 * time.Minute)
		s.expect(office, tunnel.Up, "")
		l := s.engine.link(0)
		if got := seconds(began, l.times("target", "ldap")); !slices.Equal(got, []float64{0, 30, 60}) {
			t.Errorf("opened at %v", got)
		}
		if n := len(l.times("withdraw", "ldap")); n != 0 {
			t.Error("the listener did not stay")
		}
	})
}

func TestASilentTargetIsUnreachable(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.shaped(func(l *fakeLink) {
			l.target = func(ctx context.Context, _ string) error {
				_ = silence(ctx)
				return fail(tunnel.TargetUnreachable)
			}
		})
		s.source.want(active(office, 1, ldap))
		s.pass(8*time.Second - 1)
		s.expect(office, tunnel.Connecting, "")
		s.pass(1)
		s.expect(office, tunnel.Degraded, tunnel.TargetUnreachable)
	})
}

// A server that does not answer says nothing about targets. They are opened as soon as it answers again, and not before.
func TestABusyServerIsNoVerdictOnATarget(t *testing.T) {
	for name, unanswered := range map[string]func(context.Context) error{
		"the engine does not know": silence,
		"the engine knows":         func(ctx context.Context) error { _ = silence(ctx); return fail(tunnel.ServerBusy) },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				s.shaped(func(l *fakeLink) {
					l.keepalive = silence
					l.target = func(ctx context.Context, _ string) error { return unanswered(ctx) }
				})
				s.source.want(active(office, 1, ldap))
				s.pass(30 * time.Second)
				s.expect(office, tunnel.Degraded, tunnel.ServerBusy)
				s.expectMapping("ldap", tunnel.Down, tunnel.ServerBusy)
				l := s.engine.link(0)
				if n := len(l.times("target", "ldap")); n != 1 {
					t.Errorf("the target was opened %d times", n)
				}
				l.script(func() { l.keepalive, l.target = nil, nil })
				s.pass(13 * time.Second) // the question under way ends, the next is answered, then the target is opened
				s.expect(office, tunnel.Up, "")
				s.expectMapping("ldap", tunnel.Up, "")
			})
		})
	}
}

func TestConnectionsOfOthersProveATarget(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.shaped(func(l *fakeLink) {
			l.target = func(context.Context, string) error { return fail(tunnel.TargetRefused) }
		})
		s.source.want(active(office, 1, ldap))
		s.pass(5 * time.Second)
		s.expectMapping("ldap", tunnel.Down, tunnel.TargetRefused)
		l, at := s.engine.link(0), time.Now()
		l.script(func() { l.mappings["ldap"].target, l.mappings["ldap"].in = at, 7 })
		s.pass(2 * time.Second)
		m := s.expectMapping("ldap", tunnel.Up, "")
		if !m.TargetProvedAt.Equal(at) || m.BytesIn != 7 {
			t.Errorf("mapping %+v", m)
		}
	})
}

func TestAServiceThatDoesNotTakeAConnectionIsDownAndOpenedAtOnce(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		began := time.Now()
		s.source.want(active(office, 1, http))
		s.pass(35 * time.Second)
		l := s.engine.link(0)
		l.script(func() { l.target = func(context.Context, string) error { return fail(tunnel.TargetRefused) } })
		if _, err := s.engine.plans[0].DialLocal(t.Context(), http); err == nil {
			t.Fatal("the stage has no service to dial")
		}
		s.pass(0)
		s.expectMapping("http", tunnel.Up, "") // what that means is the engine's to say
		s.engine.plans[0].Missed(http, Failure{Reason: tunnel.TargetRefused, Message: "refused"})
		s.pass(0)
		s.expectMapping("http", tunnel.Down, tunnel.TargetRefused)
		if got := seconds(began, l.times("target", "http")); !slices.Equal(got, []float64{0, 35}) {
			t.Errorf("opened at %v", got)
		}
		l.script(func() { l.target = nil })
		s.pass(30 * time.Second)
		s.expectMapping("http", tunnel.Up, "")
	})
}

func TestATargetThatOthersDoNotReachIsDownUntilItIsReached(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1, ldap))
		s.pass(15 * time.Second)
		miss := func() { s.engine.plans[0].Missed(ldap, Failure{Reason: tunnel.TargetRefused, Message: "refused"}) }
		miss()
		s.expectMapping("ldap", tunnel.Down, tunnel.TargetRefused)
		s.pass(2 * time.Second) // it was opened 17 s ago: not again
		s.expectMapping("ldap", tunnel.Down, tunnel.TargetRefused)
		s.pass(15 * time.Second)
		s.expectMapping("ldap", tunnel.Up, "")
		s.pass(30 * time.Second)
		miss()
		s.pass(0) // it was one connection's own mishap
		s.expectMapping("ldap", tunnel.Up, "")
	})
}

func TestAForbiddenProofLeavesTheMappingUnproved(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.shaped(func(l *fakeLink) {
			l.proof = func(_ context.Context, name string) error {
				if name == "http" {
					return fail(tunnel.ProofForbidden)
				}
				return nil
			}
		})
		s.source.want(active(office, 1, ldap, http))
		s.pass(25 * time.Second)
		s.expect(office, tunnel.Degraded, tunnel.ProofForbidden)
		s.expectMapping("http", tunnel.Unproved, tunnel.ProofForbidden)
		s.expectMapping("ldap", tunnel.Up, "")
		if n := len(s.engine.link(0).times("prove", "http")); n != 3 {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestAHeldPortIsAskedForAgainAndOthersNoticeNothing(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		began := time.Now()
		s.shaped(func(l *fakeLink) {
			l.apply = func(_ context.Context, m tunnel.Mapping) error {
				if m.Name == "http" && time.Since(began) < 50*time.Second {
					return fail(tunnel.RemotePortHeld)
				}
				return nil
			}
		})
		s.source.want(active(office, 1, ldap, http))
		s.pass(55 * time.Second)
		s.expect(office, tunnel.Degraded, tunnel.RemotePortHeld)
		if m := s.expectMapping("http", tunnel.Down, tunnel.RemotePortHeld); m.Listener.At.Sub(began) != 45750*time.Millisecond {
			t.Errorf("seen held at %s", m.Listener.At.Sub(began))
		}
		s.expectMapping("ldap", tunnel.Up, "")
		s.pass(10 * time.Second)
		s.expect(office, tunnel.Up, "")
		l, want := s.engine.link(0), []float64{0, 0.25, 0.75, 1.75, 3.75, 7.75, 15.75, 30.75, 45.75, 60.75}
		if got := seconds(began, l.times("apply", "http")); !slices.Equal(got, want) {
			t.Errorf("asked for at %v, want %v", got, want)
		}
		if n := len(l.times("apply", "ldap")); n != 1 || s.engine.count() != 1 {
			t.Error("a neighbour was disturbed")
		}
	})
}

func TestAPortThatAStrangerSharesIsGivenBackAndAskedForAnew(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		began := time.Now()
		s.shaped(func(l *fakeLink) {
			l.proof = func(context.Context, string) error {
				if time.Since(began) < 5*time.Second {
					return fail(tunnel.RemotePortHeld)
				}
				return nil
			}
		})
		s.source.want(active(office, 1, http))
		s.pass(5 * time.Second)
		s.expectMapping("http", tunnel.Down, tunnel.RemotePortHeld)
		s.pass(3 * time.Second)
		s.expect(office, tunnel.Up, "")
		l := s.engine.link(0)
		if in, out := len(l.times("apply", "http")), len(l.times("withdraw", "http")); in != 6 || out != 5 {
			t.Errorf("asked for %d times, withdrawn %d times", in, out)
		}
	})
}

func TestALyingServerIsNeverUp(t *testing.T) {
	liars := map[string]func(l *fakeLink){
		"it never listens": func(l *fakeLink) {
			l.proof = func(context.Context, string) error { return fail(tunnel.TargetUnreachable) }
		},
		"it joins the port to another service": func(l *fakeLink) {
			l.proof = func(context.Context, string) error { return fail(tunnel.RemotePortHeld) }
		},
		"it answers keepalives and nothing else": func(l *fakeLink) {
			l.apply = func(ctx context.Context, _ tunnel.Mapping) error { return silence(ctx) }
		},
		"its proofs are never answered": func(l *fakeLink) {
			l.proof = func(ctx context.Context, _ string) error { return silence(ctx) }
		},
	}
	for name, lie := range liars {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				s.shaped(lie)
				s.source.want(active(office, 1, http))
				s.pass(5 * time.Minute)
				for _, r := range s.source.history(office) {
					if r.State == tunnel.Up || r.Mapping("http").State != tunnel.Down || !r.Mapping("http").ProvedAt.IsZero() {
						t.Fatalf("it was called %s, %+v", r.State, r.Mapping("http"))
					}
				}
				s.expect(office, tunnel.Degraded, s.source.now(office).Reason)
			})
		})
	}
}

func TestATunnelWithoutMappingsIsUpWhenItsLinkAnswers(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.shaped(func(l *fakeLink) {
			l.keepalive = func(context.Context) error { time.Sleep(time.Second); return nil }
		})
		s.source.want(active(office, 1))
		s.pass(time.Second - 1)
		s.expect(office, tunnel.Connecting, "")
		s.pass(1)
		s.expect(office, tunnel.Up, "")
	})
}

func TestASilentServerIsBusyAndRecovers(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		began := time.Now()
		s.shaped(func(l *fakeLink) {
			l.keepalive = func(ctx context.Context) error {
				if d := time.Since(began); d >= 10*time.Second && d < 30*time.Second {
					return silence(ctx)
				}
				return nil
			}
		})
		s.source.want(active(office, 1, ldap))
		s.pass(18*time.Second - 1)
		s.expect(office, tunnel.Up, "")
		s.pass(1)
		s.expect(office, tunnel.Degraded, tunnel.ServerBusy)
		proved := s.expectMapping("ldap", tunnel.Down, tunnel.ServerBusy).ProvedAt
		s.pass(11 * time.Second) // its local port was asked in the meantime, and leads to us
		s.expect(office, tunnel.Degraded, tunnel.ServerBusy)
		if m := s.expectMapping("ldap", tunnel.Down, tunnel.ServerBusy); !m.ProvedAt.Equal(proved) || m.Remedy == "" {
			t.Errorf("proved while the server was silent: %+v", m)
		}
		s.pass(5 * time.Second)
		s.expect(office, tunnel.Up, "")
		s.expectMapping("ldap", tunnel.Up, "")
		s.pass(10 * time.Second)
		if m := s.expectMapping("ldap", tunnel.Up, ""); !m.ProvedAt.After(proved) {
			t.Errorf("not proved again: %+v", m)
		}
		if s.engine.count() != 1 {
			t.Error("the link did not stay")
		}
	})
}

func TestALinkIsReplacedAfterAMinuteWithoutAnswer(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1, ldap))
		s.pass(5 * time.Second)
		l, began := s.engine.link(0), s.engine.attempts[0]
		l.script(func() { l.keepalive = silence })
		s.pass(65*time.Second - 1)
		s.expect(office, tunnel.Degraded, tunnel.ServerBusy)
		s.pass(1)
		s.expect(office, tunnel.Connecting, tunnel.ServerBusy)
		s.pass(wakePatience)
		s.expect(office, tunnel.Up, "")
		if got := s.engine.attempts[1].Sub(began); got != 70*time.Second {
			t.Errorf("replaced after %s", got)
		}
	})
}

func TestAChangedMappingLeavesItsNeighboursAlone(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1, ldap, http))
		s.pass(5 * time.Second)
		moved := http
		moved.Remote.Port = 18081
		sip := tunnel.Mapping{Name: "sip", Kind: tunnel.Reach, Local: tunnel.Endpoint{Port: 5060}, Remote: tunnel.Endpoint{Port: 5060}}
		from := len(s.source.history(office))
		s.source.want(active(office, 1, ldap, moved, sip))
		s.pass(0)
		s.expect(office, tunnel.Up, "")
		l := s.engine.link(0)
		if l.mappings["http"].Remote.Port != 18081 || len(l.times("withdraw", "http")) != 1 || l.mappings["sip"] == nil {
			t.Errorf("the link carries %v", l.mappings)
		}
		s.source.want(active(office, 1, ldap))
		s.pass(0)
		if len(l.mappings) != 1 || len(l.times("apply", "ldap")) != 1 || len(l.times("withdraw", "ldap")) != 0 {
			t.Errorf("the link carries %v after %v", l.mappings, l.calls)
		}
		for _, r := range s.source.history(office)[from:] {
			if m := r.Mapping("ldap"); m.State != tunnel.Up || !r.State.Linked() {
				t.Errorf("meanwhile %s, ldap %s", r.State, m.State)
			}
		}
		if s.engine.count() != 1 {
			t.Error("the link was made anew")
		}
	})
}

func TestANewMappingIsNotUpBeforeItIsProved(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1, ldap))
		s.pass(5 * time.Second)
		l := s.engine.link(0)
		l.script(func() { l.proof = func(context.Context, string) error { time.Sleep(time.Second); return nil } })
		s.source.want(active(office, 1, ldap, http))
		s.pass(500 * time.Millisecond)
		s.expect(office, tunnel.Degraded, "")
		s.expectMapping("ldap", tunnel.Up, "")
		s.expectMapping("http", tunnel.Down, "")
		s.pass(500 * time.Millisecond)
		s.expect(office, tunnel.Up, "")
	})
}

func TestAPortPassesFromOneMappingToAnother(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		ports := map[int]string{}
		s.shaped(func(l *fakeLink) {
			l.apply = func(_ context.Context, m tunnel.Mapping) error {
				if who := ports[m.Remote.Port]; who != "" && l.mappings[who] != nil {
					return fail(tunnel.RemotePortHeld)
				}
				ports[m.Remote.Port] = m.Name
				return nil
			}
		})
		s.source.want(active(office, 1, http))
		s.pass(time.Second)
		other := http
		other.Name = "web"
		s.source.want(active(office, 1, other))
		s.pass(0)
		s.expect(office, tunnel.Up, "")
		if n := len(s.engine.link(0).times("apply", "web")); n != 1 {
			t.Errorf("asked for %d times", n)
		}
	})
}

// TestOneSlowMappingKeepsTheTunnelConnecting, and no other: each speaks for itself as soon as it had its verdict.
func TestOneSlowMappingKeepsTheTunnelConnecting(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.shaped(func(l *fakeLink) {
			l.target = func(_ context.Context, name string) error {
				if name == "ldap" {
					time.Sleep(3 * time.Second)
				}
				return nil
			}
			l.proof = func(_ context.Context, name string) error {
				if name == "web" {
					return fail(tunnel.RemotePortHeld)
				}
				return nil
			}
		})
		web := http
		web.Name = "web"
		s.source.want(active(office, 1, ldap, http, web))
		s.pass(0)
		if now := s.expect(office, tunnel.Connecting, ""); now.Message != "proving ldap" {
			t.Errorf("it says %q", now.Message)
		}
		s.expectMapping("http", tunnel.Up, "")
		s.expectMapping("web", tunnel.Down, tunnel.RemotePortHeld)
		if m := s.expectMapping("ldap", tunnel.Down, ""); m.Message != "proving ldap" {
			t.Errorf("ldap says %q", m.Message)
		}
		s.source.want(active(office, 1, ldap, http))
		s.pass(2 * time.Second)
		s.expect(office, tunnel.Connecting, "")
		s.pass(time.Second)
		s.expect(office, tunnel.Up, "")
	})
}

func TestWhatALinkCarriedStaysCounted(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1, ldap))
		s.pass(15 * time.Second)
		for i, want := range []uint64{100, 200} {
			l := s.engine.link(i)
			l.script(func() { l.mappings["ldap"].in, l.mappings["ldap"].out = 100, 10 })
			l.breaks(fail(tunnel.LinkLost))
			s.pass(15 * time.Second)
			if m := s.expectMapping("ldap", tunnel.Up, ""); m.BytesIn != want || m.BytesOut != want/10 {
				t.Errorf("link %d: %d in, %d out", i, m.BytesIn, m.BytesOut)
			}
		}
	})
}

func TestOnlyWhatIsNotMeasuredIsWarnedOf(t *testing.T) {
	web := http
	web.Name, web.Remote.Port = "web", 18081
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1, ldap, http, web))
		s.pass(0)
		now := s.expect(office, tunnel.Up, "")
		if len(now.Warnings) != 1 || !strings.Contains(now.Warnings[0], "http, web ") || !strings.Contains(now.Warnings[0], "--server-lan") {
			t.Errorf("warnings %q", now.Warnings)
		}
		l := s.engine.link(0)
		l.script(func() { l.bound = tunnel.BoundLoopback })
		s.pass(10 * time.Second)
		if now := s.source.now(office); len(now.Warnings) != 0 || now.Mapping("http").Bound != tunnel.BoundLoopback {
			t.Errorf("warnings %q though all is measured", now.Warnings)
		}
	})
}

func TestWhatAMappingCarriedStaysCountedWhenItsPortIsAskedForAnew(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1, http))
		s.pass(5 * time.Second)
		l := s.engine.link(0)
		l.script(func() {
			l.mappings["http"].out = 100
			l.proof = func(context.Context, string) error { return fail(tunnel.RemotePortHeld) }
		})
		s.pass(6 * time.Second)
		l.script(func() { l.proof = nil })
		s.pass(6 * time.Second)
		if m := s.expectMapping("http", tunnel.Up, ""); m.BytesOut != 100 {
			t.Errorf("mapping %+v", m)
		}
	})
}

func TestAModuleThatListensLateIsFoundAtOnce(t *testing.T) {
	metrics := tunnel.Mapping{Name: "metrics", Kind: tunnel.Expose, Remote: tunnel.Endpoint{Port: 19100}}
	play(t, func(t *testing.T, s *stage) {
		began := time.Now()
		s.shaped(func(l *fakeLink) {
			l.target = func(context.Context, string) error {
				if time.Since(began) < 3*time.Second {
					return fail(tunnel.TargetRefused)
				}
				return nil
			}
		})
		s.source.want(active(office, 1, metrics))
		s.pass(3 * time.Second)
		s.expect(office, tunnel.Degraded, tunnel.TargetRefused)
		s.pass(time.Second)
		s.expect(office, tunnel.Up, "")
	})
}

func TestAnOldLinkDoesNotSpeakForANewServer(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1, ldap, http))
		s.pass(9 * time.Second)
		s.engine.set(func() { s.engine.connect = always(tunnel.Unreachable) })
		s.engine.link(0).script(func() { // it takes its time to end
			s.engine.link(0).proof = func(context.Context, string) error { time.Sleep(5 * time.Second); return nil }
		})
		s.pass(2 * time.Second)
		at := time.Now()
		s.source.want(active(office, 2, ldap, http))
		s.pass(time.Second)
		s.expect(office, tunnel.Connecting, "")
		s.source.want(active(office, 2, ldap))
		s.pass(10 * time.Second)
		s.expect(office, tunnel.Waiting, tunnel.Unreachable)
		for _, r := range s.source.history(office) {
			if !r.at.Before(at) && r.State.Linked() {
				t.Errorf("%s at %s", r.State, r.at.Sub(at))
			}
		}
	})
}

func TestALostLinkIsNotBlamedOnItsMappings(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.source.want(active(office, 1, ldap))
		s.pass(9 * time.Second)
		l := s.engine.link(0)
		l.script(func() {
			l.proof = func(context.Context, string) error {
				time.AfterFunc(10*time.Millisecond, func() { l.breaks(fail(tunnel.LinkLost)) })
				return fail(tunnel.LinkLost)
			}
		})
		s.pass(3 * time.Second)
		s.expect(office, tunnel.Up, "")
		if slices.Contains(s.source.states(office), tunnel.Degraded) {
			t.Errorf("states %v", s.source.states(office))
		}
	})
}
