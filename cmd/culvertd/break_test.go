package main

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
)

// soak reports whether the long forms of the tests shall run.
func soak() bool { return os.Getenv("CULVERT_SOAK") != "" }

// long is n in the long form and short otherwise.
func long(n, short int) int {
	if soak() {
		return n
	}
	return short
}

// broken is a tunnel with a mapping each way at an sshd, to be broken.
type broken struct {
	*rig
	sshd          *sshdtest.Server
	expose, reach int
}

func newBroken(t *testing.T) *broken {
	t.Helper()
	b := &broken{rig: newRig(t), expose: freePort(t), reach: freePort(t)}
	b.sshd = sshdtest.Start(t, sshdtest.Options{AuthorizedKeys: []string{b.publicKey()}})
	svc := startService(t)
	b.must("tunnel", "add", "operator/x", "--server", "root@"+net.JoinHostPort(b.sshd.Host, strconv.Itoa(b.sshd.Port)), "--key", "host",
		"--expose", fmt.Sprintf("%d:%d", svc.port, b.expose), "--reach", fmt.Sprintf("%d:127.0.0.1:%d", b.reach, svc.port))
	b.waitState("operator/x", "up", 20*time.Second)
	return b
}

// back waits until data flows through both mappings again, asked from outside, and returns how long that took.
func (b *broken) back(since time.Time, within time.Duration) time.Duration {
	b.t.Helper()
	for _, port := range []int{b.expose, b.reach} {
		eventually(b.t, within, "data to flow again", func() error { return ask(port, 1000, time.Second) })
	}
	return time.Since(since)
}

// settle waits until the link has lived so long.
func (b *broken) settle(lived time.Duration) {
	b.t.Helper()
	b.waitState("operator/x", "up", 20*time.Second)
	time.Sleep(lived) // the time that the link must have lived is what is tested
}

// A link that had lived 10 s comes back at once when the server's process dies: 1 s in 99 of 100; ceiling here 3 s.
func TestALinkThatLivedComesBackAtOnce(t *testing.T) {
	t.Parallel()
	b := newBroken(t)
	var took []time.Duration
	for range long(100, 2) {
		b.settle(10500 * time.Millisecond)
		began := time.Now()
		b.sshd.Cut()
		took = append(took, b.back(began, 20*time.Second))
	}
	slices.Sort(took)
	p99 := took[(len(took)-1)*99/100]
	t.Logf("data again after: p50 %v, p99 %v, max %v of %d", took[len(took)/2], p99, took[len(took)-1], len(took))
	if ceiling := time.Duration(long(1, 3)) * time.Second; p99 > ceiling {
		t.Errorf("p99 is %v, more than %v", p99, ceiling)
	}
	if lost := b.reasons("link-lost"); lost < len(took) {
		t.Errorf("%d losses stand in the events, there were %d", lost, len(took))
	}
}

// Breaks in a row: each waits longer than the one before, and none ever more than 15 s.
func TestBreaksInARowNeverWaitLong(t *testing.T) {
	t.Parallel()
	b := newBroken(t)
	for i := range long(12, 5) {
		b.settle(0)
		began := time.Now()
		b.sshd.Cut()
		took := b.back(began, 30*time.Second)
		t.Logf("break %d: data again after %v", i+1, took)
		if took > 15*time.Second {
			t.Errorf("break %d: %v", i+1, took)
		}
	}
}

// An sshd that is away comes back within 15 s of its return, however long it was away.
func TestAStoppedServerIsFoundAgain(t *testing.T) {
	t.Parallel()
	b := newBroken(t)
	b.sshd.Stop()
	b.waitState("operator/x", "waiting", 10*time.Second)
	time.Sleep(time.Duration(long(60, 12)) * time.Second) // the time it is away is what is tested
	v, err := b.tunnel("operator/x")
	if err != nil || v.Reason != "unreachable" {
		t.Errorf("meanwhile it is %s (%s), %v", v.State, v.Reason, err)
	}
	began := time.Now()
	b.sshd.Start(t)
	took := b.back(began, 30*time.Second)
	t.Logf("data again %v after its start", took)
	if took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
}

// reasons counts the events with that reason about the tunnel itself.
func (b *broken) reasons(reason string) int {
	n := 0
	for _, e := range b.eventList() {
		if e.Type == "tunnel-state" && e.Reason == reason && e.Fields["was"] == "up" {
			n++
		}
	}
	return n
}
