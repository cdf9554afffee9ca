package sshtunnel_test

import (
	"testing"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestTheLeastLineOfAUserWithoutAShell logs in as a user without a shell, by exactly the line of authorized_keys that is printed for the
// tunnel: everything of it works, its proofs and their measure included, and nothing else.
func TestTheLeastLineOfAUserWithoutAShell(t *testing.T) {
	target, svc := serve(t, echo), serve(t, echo)
	other := counting(t)
	mappings := []tunnel.Mapping{
		reach("reach", freePort(t), "127.0.0.1", target.port),
		reach("reach-gateway", freePort(t), "", target.port),
		expose("expose", svc.port, freePort(t)),
		expose("expose-gateway", svc.port, freePort(t)),
	}
	for i, m := range mappings {
		mappings[i].Kind = tunnel.Kind(m.Name)
	}
	options := tunnel.AuthorizedOptions(tunnel.Tunnel{Server: tunnel.Server{Host: "127.0.0.1", Port: 22, User: "pbx"}, Mappings: mappings})
	t.Log(options)
	s := sshd(options, "GatewayPorts clientspecified").as("pbx")
	s.files = func(t *testing.T) sshdtest.Files { return sshdtest.Files{}.With(t, sshdtest.User{Name: "pbx"}) }
	c, server := s.start(t, 0)
	l := open(t, c)
	for _, m := range mappings {
		t.Run(m.Name, func(t *testing.T) { worksByItsLine(t, l, m) })
	}
	t.Run("another port", func(t *testing.T) {
		wantRefusal(t, l.Apply(soon(t), expose("o", svc.port, freePort(t))), tunnel.RemotePortForbidden, tunnel.PermitListenOther)
	})
	t.Run("a port of ours for everybody", func(t *testing.T) {
		wide := mappings[2]
		must(t, l.Withdraw(soon(t), wide.Name))
		wide.Name, wide.Kind = "wide", tunnel.ExposeGateway
		wantRefusal(t, l.Apply(soon(t), wide), tunnel.RemotePortForbidden, tunnel.PermitListenOther)
	})
	t.Run("another target", func(t *testing.T) {
		must(t, l.Apply(soon(t), reach("t", 0, "127.0.0.1", other.port)))
		wantRefusal(t, askTarget(l, soon(t), "t"), tunnel.ForwardingForbidden, tunnel.PermitOpenOther)
	})
	if other.connections.Load() != 0 {
		t.Error("another target was reached")
	}
	if t.Failed() {
		t.Log(server.Log())
	}
}

// worksByItsLine carries data through m, proves it and measures it.
func worksByItsLine(t *testing.T, l *running, m tunnel.Mapping) {
	must(t, l.Apply(soon(t), m))
	for range 2 {
		must(t, l.Prove(soon(t), m.Name))
	}
	port := m.Local.Port
	if m.Kind.Exposes() {
		port = m.Remote.Port
	}
	talk(t, dial(t, "127.0.0.1", port), "hello\n")
	must(t, askTarget(l, soon(t), m.Name))
	want := map[tunnel.Kind]tunnel.Bound{tunnel.Expose: tunnel.BoundLoopback, tunnel.ExposeGateway: tunnel.BoundAll}[m.Kind]
	if want == "" {
		want = tunnel.BoundUnknown
	}
	if b := l.Bound(m.Name); b != want {
		t.Errorf("bound %s, want %s", b, want)
	}
}

// wantRefusal is wantReason with the cause.
func wantRefusal(t *testing.T, err error, reason tunnel.Reason, cause tunnel.Cause) *sshtunnel.Failure {
	t.Helper()
	f := wantReason(t, err, reason)
	if f.Diagnosis == nil || f.Diagnosis.Cause != cause {
		t.Errorf("diagnosis %+v, want cause %s", f.Diagnosis, cause)
	}
	return f
}
