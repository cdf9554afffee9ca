package sshtunnel

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/crypto/ssh"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// offered is a channel as a server offers it.
type offered struct {
	ssh.NewChannel // none: only what is below is used
	kind           string
	extra          []byte
}

func (o offered) ChannelType() string { return o.kind }
func (o offered) ExtraData() []byte   { return o.extra }

// FuzzWanted gives what a hostile server may say of a channel: only those that name a port that was asked for, in exactly
// the form of RFC 4254, are taken.
func FuzzWanted(f *testing.F) {
	good := ssh.Marshal(&endpoints{"localhost", 9100, "127.0.0.1", 40000})
	f.Add("forwarded-tcpip", good)
	f.Add("forwarded-tcpip", good[:len(good)-1])
	f.Add("forwarded-tcpip", append(good[:len(good):len(good)], 0))
	f.Add("forwarded-tcpip", ssh.Marshal(&endpoints{"", 9100, "fe80::1%eth0", 1 << 31}))
	f.Add("forwarded-tcpip", []byte{0xff, 0xff, 0xff, 0xff})
	f.Add("forwarded-tcpip", []byte(nil))
	f.Add("direct-tcpip", good)
	l := &Link{}
	m := &mapping{Mapping: tunnel.Mapping{Kind: tunnel.Expose, Remote: tunnel.Endpoint{Port: 9100}}, asked: true}
	l.mappings = []*mapping{m}
	f.Fuzz(func(t *testing.T, kind string, extra []byte) {
		got, origin := l.wanted(offered{kind: kind, extra: extra})
		if taken := kind == "forwarded-tcpip" && fromLocalhost9100(extra); taken != (got == m) {
			t.Errorf("%q %x: taken %v, want %v", kind, extra, got == m, taken)
		}
		if name := callerName(origin); name == "" || len(name) > maxCaller || tunnel.Clean(name, 1000) != name {
			t.Errorf("caller %q of %x", name, extra)
		}
	})
}

// fromLocalhost9100 reads the payload by hand: string, uint32, string, uint32 and nothing after.
func fromLocalhost9100(b []byte) bool {
	const head = "\x00\x00\x00\x09localhost\x00\x00\x23\x8c"
	rest, ok := strings.CutPrefix(string(b), head)
	return ok && len(rest) >= 4 && uint64(len(rest)) == uint64(binary.BigEndian.Uint32([]byte(rest)))+8
}

// FuzzSniff sends the beginning of a nonce and anything after it, in pieces: what is not the nonce arrives unchanged, and
// the nonce never does.
func FuzzSniff(f *testing.F) {
	f.Add(uint8(0), "GET / HTTP/1.1\r\n", uint8(3), uint8(3))
	f.Add(uint8(nonceLen), "", uint8(10), uint8(20))
	f.Add(uint8(nonceLen), "more", uint8(nonceLen), uint8(2))
	f.Add(uint8(nonceLen-1), "x", uint8(1), uint8(1))
	f.Add(uint8(5), strings.Repeat("z", 9000), uint8(1), uint8(200))
	f.Fuzz(func(t *testing.T, begin uint8, rest string, first, second uint8) {
		p := newProver(nil, "", 9100, "")
		r := p.begin([]string{"localhost"})
		defer p.finish(r)
		nonce := nonceHead + strings.Repeat("0123456789abcdef", 2) + "\r\n" // always the same: what was found is found again
		r.tickets[0].nonce = []byte(nonce)
		data := nonce[:min(int(begin), nonceLen)] + rest
		cuts := []int{int(first), int(first) + int(second)}
		got, ch, s := sniffAll(t, &forward{prover: p}, data, cuts...)
		whole := data == nonce || strings.HasPrefix(data, nonce) && (cuts[0] == nonceLen || cuts[1] == nonceLen)
		switch {
		case s.own != whole:
			t.Errorf("%q cut at %v: taken for a nonce %v, want %v", data, cuts, s.own, whole)
		case whole && (got != "" || !r.tickets[0].came() || ch.out.String() != string(answerTo([]byte(nonce)))):
			t.Errorf("a nonce: the service gets %q, the answer is %q", got, ch.out.String())
		case !whole && (got != data || ch.out.Len() > 0):
			t.Errorf("%q cut at %v: the service gets %q, answered %q", data, cuts, got, ch.out.String())
		}
	})
}

// FuzzGreeting has the peer begin with anything: what people are shown of it is one line without control characters.
func FuzzGreeting(f *testing.F) {
	for _, s := range []string{"", "SSH-2.0-OpenSSH_9.7\r\n", "SSH-1.5-old\n", "HTTP/1.1 400 Bad\r\n\r\n", "\x1b[2J\x07\n", "\xff\xfe\u202e", "\r"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, said string) {
		e := &entry{attempt: &attempt{config: &Config{}}, at: "site:22", sock: &socket{greeting: []byte(said[:min(len(said), maxGreeting)])}}
		for _, got := range []*Failure{e.handshakeClosed(errors.New("EOF")), e.handshakeTimeout(errors.New("timeout"))} {
			if len(got.Message) > 1000 || strings.IndexFunc(got.Message, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
				t.Errorf("shown: %q", got.Message)
			}
		}
	})
}
