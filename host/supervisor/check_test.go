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

// try runs a check and returns its decided steps as "NAME ok", "NAME skipped" or "NAME REASON".
func (s *stage) try(trial Trial) (steps []string, key tunnel.Pin) {
	s.t.Helper()
	if trial.Server == (tunnel.Server{}) {
		trial.Server = tunnel.Server{Host: "site.example", Port: 22, User: "pbx"}
	}
	key, err := s.sup.Check(s.t.Context(), trial, func(step TrialStep) {
		switch {
		case !step.Done:
		case step.Skipped:
			steps = append(steps, step.Name+" skipped")
		case step.Failure != Failure{}:
			steps = append(steps, step.Name+" "+string(step.Failure.Reason))
		default:
			steps = append(steps, step.Name+" ok")
		}
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return steps, key
}

// through is a handshake whose stages succeed until the one that fails.
func through(failing Stage, with error) func(context.Context, Attempt) error {
	return func(_ context.Context, a Attempt) error {
		for _, at := range []Stage{StageName, StageTCP, StageProxy, StageHostKey, StageLogin} {
			if at == StageProxy && a.Via == (tunnel.Via{}) {
				continue
			}
			a.Stage(Step{Stage: at})
			if at == failing {
				a.Stage(Step{Stage: at, Done: true, Failure: (*fakeEngine)(nil).Explain(with)})
				return with
			}
			a.Stage(Step{Stage: at, Done: true, Took: time.Millisecond})
		}
		return nil
	}
}

func TestACheckTellsEachStep(t *testing.T) {
	shown := tunnel.Pin{KeyType: "ssh-rsa", Fingerprint: "SHA256:shown"}
	learned := tunnel.Pin{State: tunnel.PinLearned, KeyType: "ssh-ed25519", Fingerprint: "SHA256:k"}
	proxy := tunnel.Via{Scheme: tunnel.ViaHTTP, Host: "proxy.example", Port: 3128}
	refuses := func(r tunnel.Reason) func(*fakeLink) {
		return func(l *fakeLink) { l.target = func(context.Context, string) error { return fail(r) } }
	}
	cases := map[string]struct {
		connect  func(context.Context, Attempt) error
		shape    func(*fakeLink)
		via      tunnel.Via
		mappings []tunnel.Mapping
		steps    string
		key      tunnel.Pin
	}{
		"through a proxy": {
			via: proxy, key: learned,
			steps: "name ok, tcp ok, proxy ok, hostkey ok, login ok, forwarding ok",
		},
		"the proxy refuses": {
			via: proxy, connect: through(StageProxy, fail(tunnel.ProxyRefused)),
			steps: "name ok, tcp ok, proxy proxy-refused, hostkey skipped, login skipped, forwarding skipped",
		},
		"all is well": {
			mappings: []tunnel.Mapping{ldap, http}, key: learned,
			steps: "name ok, tcp ok, hostkey ok, login ok, forwarding ldap ok, forwarding http ok",
		},
		"unknown host": {
			connect: through(StageName, fail(tunnel.UnknownHost)), mappings: []tunnel.Mapping{ldap},
			steps: "name unknown-host, tcp skipped, hostkey skipped, login skipped, forwarding ldap skipped",
		},
		"another key": {
			connect: through(StageHostKey, &fakeError{Failure{Reason: tunnel.HostKeyMismatch, Message: "other", Shown: shown}}),
			key:     shown,
			steps:   "name ok, tcp ok, hostkey hostkey-mismatch, login skipped, forwarding skipped",
		},
		"wrong password": {
			connect: through(StageLogin, fail(tunnel.LoginRefused)),
			steps:   "name ok, tcp ok, hostkey ok, login login-refused, forwarding skipped",
		},
		"one mapping fails, the next is tried": {
			shape: func(l *fakeLink) {
				l.apply = func(_ context.Context, m tunnel.Mapping) error {
					if m.Name == "http" {
						return fail(tunnel.RemotePortForbidden)
					}
					return nil
				}
			},
			mappings: []tunnel.Mapping{http, ldap}, key: learned,
			steps: "name ok, tcp ok, hostkey ok, login ok, forwarding http remote-port-forbidden, forwarding ldap ok",
		},
		"no mappings, forwarding allowed": {
			shape: refuses(tunnel.TargetRefused), key: learned,
			steps: "name ok, tcp ok, hostkey ok, login ok, forwarding ok",
		},
		"no mappings, only named ports allowed": {
			shape: refuses(tunnel.ForwardingForbidden), key: learned,
			steps: "name ok, tcp ok, hostkey ok, login ok, forwarding ok",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				s.engine.connect, s.engine.shape = through("", nil), c.shape
				if c.connect != nil {
					s.engine.connect = c.connect
				}
				steps, key := s.try(Trial{Via: c.via, Mappings: c.mappings})
				if got := strings.Join(steps, ", "); got != c.steps {
					t.Errorf("steps %s\nwant %s", got, c.steps)
				}
				if key != c.key {
					t.Errorf("key %v, want %v", key, c.key)
				}
				if len(s.source.learned) != 0 || len(s.source.reports) != 0 {
					t.Error("the check left something behind")
				}
				if len(s.engine.links) > 0 && len(s.engine.link(0).mappings) != 0 {
					t.Error("a mapping was not withdrawn")
				}
			})
		})
	}
}

func TestACheckEndsWithItsContext(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.engine.connect = func(ctx context.Context, _ Attempt) error { return silence(ctx) }
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.sup.Check(ctx, Trial{}, func(TrialStep) {})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Check: %v", err)
		}
	})
}

func TestALinkThatBreaksDuringACheckFailsTheStepItWasIn(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.engine.connect = through("", nil)
		s.engine.shape = func(l *fakeLink) {
			l.proof = func(context.Context, string) error {
				l.breaks(fail(tunnel.LinkLost))
				return fail(tunnel.LinkLost)
			}
		}
		steps, _ := s.try(Trial{Mappings: []tunnel.Mapping{http, ldap}})
		want := []string{"forwarding http link-lost", "forwarding ldap skipped"}
		if !slices.Equal(steps[4:], want) {
			t.Errorf("steps %v", steps)
		}
	})
}
