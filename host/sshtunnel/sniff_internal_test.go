package sshtunnel

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

// pieces is a channel that brings its data in pieces and keeps what is written to it.
type pieces struct {
	ssh.Channel // none: only what is below is used
	mu          sync.Mutex
	in          [][]byte
	out         bytes.Buffer
}

func (p *pieces) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.in) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.in[0])
	if p.in[0] = p.in[0][n:]; len(p.in[0]) == 0 {
		p.in = p.in[1:]
	}
	return n, nil
}

func (p *pieces) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *pieces) CloseWrite() error { return nil }
func (p *pieces) Close() error      { return nil }

// sniffAll runs data, cut at every one of cuts, through a sniffed channel and returns what its reader gets.
func sniffAll(t *testing.T, f *forward, data string, cuts ...int) (got string, p *pieces, s *sniffed) {
	t.Helper()
	p = &pieces{}
	from := 0
	for _, c := range append(cuts, len(data)) {
		if c > from && c <= len(data) {
			p.in, from = append(p.in, []byte(data[from:c])), c
		}
	}
	s = &sniffed{channel: &channel{Channel: p, link: &Link{sock: &socket{}}}, foreign: func() {}, decided: make(chan struct{}), replied: make(chan struct{})}
	s.look(f)
	all, _ := io.ReadAll(s)
	return string(all), p, s
}

// TestSniffLosesNothingAndLetsNoNonceThrough cuts a nonce, and everything that only begins like one, at every place.
func TestSniffLosesNothingAndLetsNoNonceThrough(t *testing.T) {
	f := &forward{prover: newProver(nil, "", 9100, "")}
	r := f.prover.begin([]string{"localhost"})
	nonce := string(r.tickets[0].nonce)
	for cut := range len(nonce) {
		got, p, s := sniffAll(t, f, nonce, cut)
		if !s.own || got != "" || p.out.String() != string(answerTo([]byte(nonce))) {
			t.Fatalf("cut at %d: own %v, the service gets %q, the answer is %q", cut, s.own, got, p.out.String())
		}
	}
	if !r.tickets[0].came() || !isClosed(r.over) {
		t.Error("the round does not know that its nonce came")
	}
	others := []string{
		"", "c", "x", nonceHead, nonce[:nonceLen-1], nonce[:nonceLen-1] + "x", "GET / HTTP/1.1\r\n",
		strings.ToUpper(nonce), string(newNonce()), nonce + "more", strings.Repeat("z", 10<<10),
	}
	for _, data := range others {
		for _, cut := range []int{0, 1, nonceLen / 2, nonceLen - 1} {
			got, p, s := sniffAll(t, f, data, cut)
			if s.own || got != data || p.out.Len() > 0 {
				t.Fatalf("%q cut at %d: own %v, the service gets %q, answered %q", data, cut, s.own, got, p.out.String())
			}
		}
	}
	f.prover.finish(r)
	if got, _, s := sniffAll(t, f, nonce); s.own || got != nonce {
		t.Error("a nonce that came in time is still looked for")
	}
	late := f.prover.begin([]string{"localhost"})
	f.prover.finish(late)
	if got, _, s := sniffAll(t, f, string(late.tickets[0].nonce)); !s.own || got != "" {
		t.Errorf("a late nonce gets through: %q", got)
	}
}
