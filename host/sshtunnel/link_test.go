package sshtunnel_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"testing"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestLinkCarriesAndProvesReachAndExpose(t *testing.T) {
	s := start(t, sshtest.Options{})
	l := open(t, config("127.0.0.1", s.Port()))
	back := serve(t, echo)
	far := serve(t, echo)
	lport, rport := freePort(t), freePort(t)
	must(t, l.Apply(soon(t), reach("r", lport, "127.0.0.1", far.port)))
	must(t, l.Apply(soon(t), expose("e", back.port, rport)))
	must(t, l.Prove(soon(t), "r"))
	must(t, l.Prove(soon(t), "e"))
	must(t, l.Keepalive(soon(t)))
	must(t, askTarget(l, soon(t), "r"))
	must(t, askTarget(l, soon(t), "e"))

	data := make([]byte, 1<<20)
	rand.Read(data)
	want := sha256.Sum256(data)
	for _, port := range []int{lport, rport} {
		for _, host := range []string{"127.0.0.1", "::1"} {
			sum, n := swap(t, dial(t, host, port), bytes.Clone(data))
			if sum != want || n != int64(len(data)) {
				t.Errorf("through %s %d: %d bytes came back, or others than were sent", host, port, n)
			}
		}
	}
	r := l.Traffic("r")
	in, out, last := r.In, r.Out, r.Target
	if in != 2<<20 || out != 2<<20 || last.IsZero() {
		t.Errorf("traffic: in %d, out %d, target %v", in, out, last)
	}
	if err := l.stop(); err == nil {
		t.Error("Run returned nil after its context ended")
	}
	wantReason(t, l.Keepalive(soon(t)), tunnel.LinkLost)
}
