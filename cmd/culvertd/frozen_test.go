package main

import (
	"fmt"
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
)

// stuckClient connects to port and writes until nothing goes any more. It stays connected until the test ends.
func stuckClient(t *testing.T, port int) {
	t.Helper()
	c, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	for sent := 0; ; {
		_ = c.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := c.Write(make([]byte, 64<<10))
		sent += n
		if err == nil {
			continue
		}
		if sent < 1<<20 {
			t.Fatalf("stuck after %d bytes already: %v", sent, err)
		}
		return
	}
}

// free waits until the ports can be listened on, which has to be so within two seconds.
func (r *rig) free(ports ...int) {
	r.t.Helper()
	began := time.Now()
	for _, port := range ports {
		eventually(r.t, 10*time.Second, "a port to be free", func() error {
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
			if err == nil {
				err = l.Close()
			}
			return err
		})
	}
	if took := time.Since(began); took > 2*time.Second {
		r.t.Errorf("the ports %v were free only after %s", ports, took)
	}
}

// Clients on either side that write without end to services that never read keep no tunnel up and no daemon running.
func TestStuckClientsHoldUpNoOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	sshd := sshdtest.Start(t, sshdtest.Options{AuthorizedKeys: []string{r.publicKey()}})
	deaf, reach, expose := startDeaf(t), freePort(t), freePort(t)
	r.must("tunnel", "add", "operator/x", "--server", "root@"+net.JoinHostPort(sshd.Host, strconv.Itoa(sshd.Port)), "--key", "host",
		"--expose", fmt.Sprintf("%d:%d", deaf, expose), "--reach", fmt.Sprintf("%d:127.0.0.1:%d", reach, deaf))
	for range 2 {
		r.waitState("operator/x", "up", 20*time.Second)
		stuckClient(t, reach)
		stuckClient(t, expose)
		r.must("tunnel", "disable", "operator/x")
		r.free(reach, expose)
		r.must("tunnel", "enable", "operator/x")
	}
	r.waitState("operator/x", "up", 20*time.Second)
	stuckClient(t, reach)
	stuckClient(t, expose)
	began := time.Now()
	r.stop()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the daemon took %s to end", took)
	}
	r.free(reach, expose)
}

// A server that stands still holds up no order either: what is no longer wanted is down here within two seconds, though
// the server hears nothing of it.
func TestAFrozenServerHoldsUpNoOrder(t *testing.T) {
	t.Parallel()
	b := newBroken(t)
	for _, pid := range b.sshd.Sessions() {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	b.must("tunnel", "disable", "operator/x")
	b.free(b.reach)
	b.sshd.Cut()
	b.must("tunnel", "enable", "operator/x")
	b.waitState("operator/x", "up", 20*time.Second)
	for _, pid := range b.sshd.Sessions() {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
	}
	began := time.Now()
	b.stop()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the daemon took %s to end", took)
	}
	b.free(b.reach)
}
