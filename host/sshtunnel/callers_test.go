package sshtunnel_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestCallersAreThoseWhoConnect at the server's port, and never the proofs that run meanwhile.
func TestCallersAreThoseWhoConnect(t *testing.T) {
	_, c := byKey(t, sshdtest.Options{})
	l := open(t, c)
	svc := serve(t, echo)
	m, private := expose("e", svc.port, freePort(t)), reach("r", 0, "127.0.0.1", svc.port)
	must(t, l.Apply(soon(t), m))
	must(t, l.Apply(soon(t), private))
	for range 5 {
		must(t, l.Prove(soon(t), "e"))
		must(t, askTarget(l, soon(t), "e"))
		must(t, askTarget(l, soon(t), "r"))
	}
	for _, name := range []string{"e", "r"} {
		if now := l.Traffic(name); now.Total != 0 || len(now.Callers) != 0 {
			t.Errorf("%s counts the host's own: %+v", name, now)
		}
	}
	proving := make(chan error, 1)
	for range 3 {
		go func() { proving <- l.Prove(soon(t), "e") }()
		client := dial(t, "127.0.0.1", m.Remote.Port)
		talk(t, client, "hello\n")
		must(t, <-proving)
	}
	talk(t, dial(t, "::1", m.Remote.Port), "hello\n")
	conn, err := l.Open(soon(t), private, "module \x1b[1m")
	must(t, err)
	talk(t, conn, "hello\n")
	e := l.Traffic("e")
	if len(e.Callers) != 2 || e.Callers[0].Address != "::1" || e.Callers[1].Address != "127.0.0.1" || e.Callers[1].Total != 3 ||
		e.Callers[1].Open != 3 || e.Total != 4 {
		t.Errorf("got %+v, want three of 127.0.0.1 and one of ::1", e)
	}
	r := l.Traffic("r")
	if len(r.Callers) != 1 || r.Callers[0].Address != `module \x1b[1m` || r.Total != 1 {
		t.Errorf("got %+v, want the module's one connection", r)
	}
	conn.Close()
	eventually(t, "it has gone", func() bool { return l.Traffic("r").Callers[0].Open == 0 })
}

// TestWhoOnlyListensIsCounted: at once where no proof may be on its way, else as soon as it has said nothing for too long.
func TestWhoOnlyListensIsCounted(t *testing.T) {
	for name, test := range map[string]struct {
		server sshtest.Options
		proof  tunnel.Reason
	}{
		"after a proof":              {sshtest.Options{}, ""},
		"after a proof that is lost": {sshtest.Options{LoseTargets: true}, tunnel.RemotePortHeld},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := open(t, config("127.0.0.1", start(t, test.server).Port()))
			m := expose("e", serve(t, func(c *net.TCPConn) { say(c, "220 ready\r\n"); echo(c) }).port, freePort(t))
			must(t, l.Apply(soon(t), m))
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			wantResult(t, l.Prove(ctx, "e"), test.proof)
			c := dial(t, "127.0.0.1", m.Remote.Port)
			_, err := io.ReadFull(c, make([]byte, 11))
			must(t, err)
			if n := l.Traffic("e"); test.proof == "" && n.Total != 1 {
				t.Errorf("not counted at once: %+v", n)
			}
			eventually(t, "it is counted", func() bool {
				n := l.Traffic("e")
				return n.Open == 1 && n.Total == 1 && len(n.Callers) == 1
			})
		})
	}
}

// TestWhoDoesNotReachTheServiceIsNotCounted, nor is the service found then: also not those who are held for a proof.
func TestWhoDoesNotReachTheServiceIsNotCounted(t *testing.T) {
	t.Parallel()
	const clients = 20
	c := config("127.0.0.1", start(t, sshtest.Options{LoseTargets: true}).Port())
	missed := make(chan tunnel.Reason, clients)
	c.Missed = func(_ tunnel.Mapping, why *sshtunnel.Failure) { missed <- why.Reason }
	l := open(t, c)
	m := expose("e", freePort(t), freePort(t))
	must(t, l.Apply(soon(t), m))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	proving := make(chan error, 1)
	go func() { proving <- l.Prove(ctx, "e") }()
	for range clients {
		say(dial(t, "127.0.0.1", m.Remote.Port), "hello\n")
		time.Sleep(20 * time.Millisecond) // most come while the proof is under way
	}
	for range clients {
		if reason := <-missed; reason != tunnel.TargetRefused {
			t.Errorf("told %s", reason)
		}
	}
	wantResult(t, <-proving, tunnel.RemotePortHeld)
	if n := l.Traffic("e"); n.Open != 0 || n.Total != 0 || len(n.Callers) != 0 || !n.Target.IsZero() {
		t.Errorf("counted: %+v", n)
	}
}
