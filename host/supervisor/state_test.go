package supervisor

import (
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// An attempt hears only after a while that it is superseded. Nothing that it says in between counts, whatever comes of it.
func TestASupersededAttemptSaysNothing(t *testing.T) {
	moved := active(office, 2, ldap)
	moved.Tunnel.Server.Host = "elsewhere.example"
	for what, say := range map[string]func(s *standing, round uint64){
		"it lasts":            func(s *standing, round uint64) { s.trying(round) },
		"it begins":           func(s *standing, round uint64) { s.retry(round) },
		"it comes to a stage": func(s *standing, round uint64) { s.stage(round, StageLogin) },
		"it fails": func(s *standing, round uint64) {
			s.failed(round, tunnel.Blocked, Failure{Reason: tunnel.LoginRefused}, time.Time{})
		},
		"it succeeds": func(s *standing, round uint64) {
			if s.linked(round, &fakeLink{}) {
				t.Error("its link is wanted")
			}
		},
	} {
		for _, next := range []tunnel.Wanted{disabled(office, ldap), moved} {
			t.Run(what+"/"+next.Tunnel.Server.Host+"/"+string(next.State), func(t *testing.T) {
				var told []tunnel.Status
				s := newStanding(quiet, func(now tunnel.Status) { told = append(told, now) })
				s.supersede(active(office, 1, ldap))
				round := s.follow(active(office, 1, ldap))
				s.failed(round, tunnel.Waiting, Failure{Reason: tunnel.Unreachable}, time.Time{})
				s.supersede(next)
				before := len(told)
				say(s, round)
				if len(told) > before {
					t.Errorf("it was told: %+v", told[before:])
				}
				if s.link != nil {
					t.Error("its link counts")
				}
			})
		}
	}
}

// The same order may be set about while another is given: what is wanted now is what is told.
func TestAnOrderThatIsSupersededIsNotSetAbout(t *testing.T) {
	source := newFakeSource()
	k := newKeeper(Config{Source: source, Log: quiet}, nil, nil, nil, nil, office)
	k.want(active(office, 1, ldap))
	o := k.order()
	k.want(disabled(office, ldap))
	if _, due := k.begin(o); due {
		t.Error("it is set about")
	}
	if now := source.now(office); now.State != tunnel.Disabled {
		t.Errorf("told %s", now.State)
	}
}
