package sshtunnel_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// blackHole is a port that neither takes nor refuses connections, until end is called: its queue is full.
func blackHole(t *testing.T) (port int, end func()) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	must(t, err)
	end = sync.OnceFunc(func() { _ = syscall.Close(fd) })
	t.Cleanup(end)
	must(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(t, syscall.Listen(fd, 0))
	name, err := syscall.Getsockname(fd)
	must(t, err)
	port = name.(*syscall.SockaddrInet4).Port
	for { // until it takes no more
		c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), 200*time.Millisecond)
		if err != nil {
			return port, end
		}
		t.Cleanup(func() { c.Close() })
	}
}

// storm opens n connections through m at the same time and gives each up after a moment.
func storm(t *testing.T, l *running, m tunnel.Mapping, n int) {
	t.Helper()
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if c, err := l.Open(ctx, m, "127.0.0.1"); err == nil {
				c.Close()
				t.Error("a black hole was opened")
			}
		})
	}
	all.Wait()
}

// TestSilentTargetTakesNothingFromOthers: however many clients of it give up, proofs, questions and clients of all other
// mappings go on, and it works again once its target answers.
func TestSilentTargetTakesNothingFromOthers(t *testing.T) {
	s := start(t, sshtest.Options{})
	l := open(t, config("127.0.0.1", s.Port()))
	svc := serve(t, echo)
	hole, end := blackHole(t)
	silent, exposed := reach("silent", 0, "127.0.0.1", hole), expose("exposed", svc.port, freePort(t))
	must(t, l.Apply(soon(t), silent))
	must(t, l.Apply(soon(t), exposed))
	for range 3 {
		storm(t, l, silent, 500)
	}
	if n := l.Unanswered(); n != 64 {
		t.Errorf("%d channels are unanswered, want those of 64 clients", n)
	}
	for range 20 { // questions that nobody answers
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if askTarget(l, ctx, "silent") == nil {
			t.Error("a black hole was opened")
		}
		cancel()
	}
	if n := l.Unanswered(); n != 64+16 {
		t.Errorf("%d channels are unanswered, want those of 64 clients and 16 questions", n)
	}
	began := time.Now()
	must(t, l.Prove(soon(t), "exposed"))
	good := reach("good", 0, "127.0.0.1", svc.port)
	must(t, l.Apply(soon(t), good))
	must(t, askTarget(l, soon(t), "good"))
	c, err := l.Open(soon(t), good, "127.0.0.1")
	must(t, err)
	talk(t, c, "hello\n")
	c.Close()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the others took %v", took)
	}

	end() // from now on its port refuses
	eventually(t, "all are answered", func() bool { return l.Unanswered() == 0 })
	_, err = l.Open(soon(t), silent, "127.0.0.1")
	wantReason(t, err, tunnel.TargetRefused)
}

// TestBurstOfClientsWaitsForItsTurn: more at the same time than may be unanswered are all served.
func TestBurstOfClientsWaitsForItsTurn(t *testing.T) {
	s := start(t, sshtest.Options{})
	l := open(t, config("127.0.0.1", s.Port()))
	svc := serve(t, echo)
	m := reach("m", 0, "127.0.0.1", svc.port)
	must(t, l.Apply(soon(t), m))
	var all sync.WaitGroup
	for range 500 {
		all.Go(func() {
			c, err := l.Open(soon(t), m, "127.0.0.1")
			if err != nil {
				t.Error(err)
				return
			}
			c.Close()
		})
	}
	all.Wait()
}

// TestSilenceIsTheServersOrTheTargets: a target that does not answer is told from a server that does not.
func TestSilenceIsTheServersOrTheTargets(t *testing.T) {
	const wait = 3 * time.Second // in half of it a busy machine must bring an answer
	hole, _ := blackHole(t)
	tests := map[string]struct {
		target int
		freeze bool
		reason tunnel.Reason
	}{
		"silent target": {hole, false, tunnel.TargetUnreachable},
		"frozen server": {serve(t, echo).port, true, tunnel.ServerBusy},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, c := byKey(t, sshdtest.Options{})
			l := open(t, c.WithOpenWait(wait))
			m := reach("m", 0, "127.0.0.1", test.target)
			must(t, l.Apply(soon(t), m))
			must(t, l.Keepalive(soon(t)))
			if test.freeze {
				s.Freeze()
				defer s.Thaw()
			}
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			defer cancel()
			wantReason(t, askTarget(l, ctx, "m"), test.reason)
			_, err := l.Open(soon(t), m, "127.0.0.1")
			wantReason(t, err, test.reason)
		})
	}
}
