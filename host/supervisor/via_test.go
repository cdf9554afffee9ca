package supervisor

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestProxiesArePacedAsServersAre: one that is not there is tried every 3 s, one that takes no password is left alone.
func TestProxiesArePacedAsServersAre(t *testing.T) {
	refusing := func(c tunnel.Cause) error {
		return &fakeError{Failure{Reason: tunnel.ProxyRefused, Message: "no", Diagnosis: &tunnel.Diagnosis{Cause: c}}}
	}
	tests := map[string]struct {
		with     error
		state    tunnel.State
		attempts [2]int // at least and at most, within the first 59 s
	}{
		"not there":      {fail(tunnel.ProxyUnreachable), tunnel.Waiting, [2]int{20, 20}},
		"wrong password": {refusing(tunnel.ProxyLogin), tunnel.Blocked, [2]int{1, 1}},
		"its rules":      {refusing(tunnel.ProxyRules), tunnel.Waiting, [2]int{6, 30}},
		"no cause":       {fail(tunnel.ProxyRefused), tunnel.Waiting, [2]int{6, 30}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				s.engine.connect = func(context.Context, Attempt) error { return test.with }
				w := active(office, 1, ldap)
				w.Tunnel.Via = tunnel.Via{Scheme: tunnel.ViaHTTP, Host: "proxy.example", Port: 3128}
				s.source.want(w)
				s.pass(59 * time.Second)
				s.expect(office, test.state, (*fakeEngine)(nil).Explain(test.with).Reason)
				if n := s.engine.count(); n < test.attempts[0] || n > test.attempts[1] {
					t.Errorf("%d attempts, want %v", n, test.attempts)
				}
				if got := s.engine.plans[0].Via; got != w.Tunnel.Via {
					t.Errorf("the engine was told the proxy %v, want %v", got, w.Tunnel.Via)
				}
			})
		})
	}
}

// TestWrongProxyPasswordsTakeTurns as wrong passwords of a server do: an account that many tunnels use shall not be locked.
func TestWrongProxyPasswordsTakeTurns(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.engine.connect = func(context.Context, Attempt) error {
			return &fakeError{Failure{Reason: tunnel.ProxyRefused, Message: "no", Diagnosis: &tunnel.Diagnosis{Cause: tunnel.ProxyLogin}}}
		}
		for i := range 20 {
			w := active(tunnel.Ref{Owner: tunnel.Operator, Name: tunnel.Name(fmt.Sprint("t", i))}, 1, ldap)
			w.Tunnel.Via = tunnel.Via{Scheme: tunnel.ViaHTTP, Host: "proxy.example", Port: 3128, User: "pbx"}
			s.source.want(w)
		}
		s.pass(50 * time.Second)
		if n := s.engine.count(); n == 0 || n > 3 {
			t.Errorf("%d logins were tried at once", n)
		}
	})
}
