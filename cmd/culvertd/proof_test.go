package main

import (
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
)

// A server that says yes to a forward and does not make it is never called up.
func TestALyingServerIsNeverUp(t *testing.T) {
	other := startService(t)
	for name, lie := range map[string]sshtest.Options{
		"it never listens":                  {NeverListen: true},
		"it joins the port to another":      {JoinTo: net.JoinHostPort("127.0.0.1", strconv.Itoa(other.port))},
		"it answers nothing but keepalives": {Mute: true, KeepaliveOK: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			svc := startService(t)
			lie.AuthorizedKeys = []string{r.publicKey()}
			site, err := sshtest.Start(lie)
			if err != nil {
				t.Fatal(err)
			}
			defer site.Close()
			r.must("tunnel", "add", "operator/x", "--server", "pbx@"+site.Addr(), "--key", "host",
				"--expose", fmt.Sprintf("m=%d:%d", svc.port, freePort(t)))
			seen := map[string]bool{}
			for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
				v, err := r.tunnel("operator/x")
				if err != nil {
					t.Fatal(err)
				}
				seen[v.State] = true
				if v.State == "up" || v.Mappings[0].State == "up" {
					t.Fatalf("called %s, its mapping %s", v.State, v.Mappings[0].State)
				}
			}
			for _, e := range r.eventList() {
				if e.Fields["state"] == "up" {
					t.Errorf("the events call it up: %+v", e)
				}
			}
			if !seen["degraded"] && !seen["connecting"] {
				t.Errorf("it never got as far as the forward: %v", seen)
			}
		})
	}
}

// The service behind a mapping of either kind sees at most one connection of ours and never a byte while proofs go on.
func TestProofsDoNotDisturbTheService(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	sshd := sshdtest.Start(t, sshdtest.Options{AuthorizedKeys: []string{r.publicKey()}})
	exposed, reached := startService(t), startService(t)
	r.must("tunnel", "add", "operator/x", "--server", "root@"+net.JoinHostPort(sshd.Host, strconv.Itoa(sshd.Port)), "--key", "host",
		"--expose", fmt.Sprintf("e=%d:%d", exposed.port, freePort(t)), "--reach", fmt.Sprintf("r=%d:127.0.0.1:%d", freePort(t), reached.port))
	first := r.waitState("operator/x", "up", 20*time.Second)
	time.Sleep(60 * time.Second) // idle time is what is tested
	last := r.waitState("operator/x", "up", time.Second)
	for i, m := range last.Mappings {
		if moved := m.ProvedAt.Sub(*first.Mappings[i].ProvedAt); moved < 40*time.Second {
			t.Errorf("proved_at of %s moved on by %v only", m.Name, moved)
		}
	}
	for name, s := range map[string]*service{"expose": exposed, "reach": reached} {
		if n := s.connections.Load(); n > 1 {
			t.Errorf("the service behind %s saw %d connections", name, n)
		}
		if n := s.bytes.Load(); n > 0 {
			t.Errorf("the service behind %s saw %d bytes", name, n)
		}
	}
}
