package supervisor

import (
	"context"
	"fmt"
	"strings"
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

// TestAFrozenProxyIsNamedBeforeTheServer: the kernel that acknowledges is the proxy's, and who stands still is not known.
func TestAFrozenProxyIsNamedBeforeTheServer(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		w := active(office, 1, ldap)
		w.Tunnel.Via = tunnel.Via{Scheme: tunnel.ViaHTTP, Host: "proxy.example", Port: 3128}
		s.source.want(w)
		s.pass(5 * time.Second)
		s.engine.link(0).freezes()
		s.engine.set(func() { s.engine.connect = always(tunnel.HandshakeTimeout) })
		s.pass(30 * time.Second)
		now := s.expect(office, tunnel.Degraded, tunnel.ServerBusy)
		if now.Diagnosis.Code() != tunnel.Frozen || !strings.Contains(now.Message, "proxy.example:3128") || !strings.Contains(now.Remedy, "proxy") {
			t.Fatalf("%s; %s; %+v", now.Message, now.Remedy, now.Diagnosis)
		}
		if d := now.Diagnosis; !strings.Contains(d.Evidence[0], "acknowledged by the proxy proxy.example:3128") || !strings.HasPrefix(d.Fixes[0].Where, "a shell at the proxy") || len(d.Fixes) != 3 {
			t.Errorf("its diagnosis is %+v", d)
		}
	})
	play(t, func(t *testing.T, s *stage) {
		w := active(office, 1, ldap)
		w.Tunnel.Via = tunnel.Via{Scheme: tunnel.ViaHTTP, Host: "proxy.example", Port: 3128}
		s.source.want(w)
		s.pass(5 * time.Second)
		s.engine.set(func() { s.engine.connect = func(ctx context.Context, _ Attempt) error { return silence(ctx) } })
		s.engine.link(0).falls(PeerSilent)
		s.pass(time.Second)
		if now := s.source.now(office); !strings.Contains(now.Remedy, "whether the proxy proxy.example:3128 and the server run") {
			t.Errorf("of a machine that is not heard: %s; %s", now.Message, now.Remedy)
		}
	})
}
