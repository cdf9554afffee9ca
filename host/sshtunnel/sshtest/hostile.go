package sshtest

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// Hostile is a way for a server to do its clients harm, or to be broken.
type Hostile struct {
	Name   string
	LetsIn bool // clients log in, and have a link for a moment at least

	behave func(c net.Conn) // until the client hangs up
}

// Hostiles are all ways that are known.
func Hostiles() []Hostile {
	var all []Hostile
	for name, behave := range atTheDoor {
		all = append(all, Hostile{name, false, behave})
	}
	for name, w := range within {
		all = append(all, Hostile{name, true, w.serve})
	}
	return all
}

// HostileServer behaves in one of those ways to everybody.
type HostileServer struct {
	net.Listener
	work sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool // nil once closed
}

// Start starts a server of that sort on a free port of 127.0.0.1; Close ends it.
func (h Hostile) Start() (*HostileServer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &HostileServer{Listener: l, conns: map[net.Conn]bool{}}
	s.work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.work.Go(func() { s.serve(c, h.behave) })
		}
	})
	return s, nil
}

func (s *HostileServer) serve(c net.Conn, behave func(net.Conn)) {
	defer c.Close()
	s.mu.Lock()
	if s.conns == nil {
		s.mu.Unlock()
		return
	}
	s.conns[c] = true
	s.mu.Unlock()
	behave(c)
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
}

// Port is the port the server listens on.
func (s *HostileServer) Port() int { return s.Addr().(*net.TCPAddr).Port }

// Close ends the server with all its connections and waits for them.
func (s *HostileServer) Close() error {
	err := s.Listener.Close()
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close()
	}
	s.conns = nil
	s.mu.Unlock()
	s.work.Wait()
	return err
}

// Nasty is text that no terminal, log or page should get as it is: control and direction characters, invalid bytes, a
// forged line.
const Nasty = "\x1b[2J\x1b]0;owned\a\r\n\u202e\x00\xff\xfe forged=\"line\"\n"

// atTheDoor are the ways of those who let nobody in.
var atTheDoor = map[string]func(net.Conn){
	"silence":             drain,
	"endless lines":       func(c net.Conn) { pour(c, []byte(strings.Repeat("x", 78)+"\r\n")) },
	"endless empty lines": func(c net.Conn) { pour(c, []byte("\r\n")) },
	"an endless line":     func(c net.Conn) { pour(c, []byte("SSH-2.0-"+strings.Repeat("x", 1000))) },
	"nasty lines":         func(c net.Conn) { _, _ = io.WriteString(c, Nasty+Nasty); drain(c) },
	"a byte a second": func(c net.Conn) {
		for i := 0; ; i++ {
			if _, err := c.Write([]byte{"SSH-2.0-slow"[i%12]}); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	},
	"noise after the version": func(c net.Conn) { _ = NewRaw(c).Versions(); pour(c, []byte{0, 0, 0x40, 0, 7, 0x99, 0x13, 0x55}) },
	"an enormous packet":      func(c net.Conn) { _ = NewRaw(c).Versions(); pour(c, []byte{0xff, 0xff, 0xff, 0xf0}) },
	"half a key exchange": func(c net.Conn) {
		r := NewRaw(c)
		_ = r.Versions()
		_ = r.Rekey()
		drain(c)
	},
	"ignore before the keys": func(c net.Conn) {
		r := NewRaw(c)
		_ = r.Versions()
		repeat(r, Packet(MsgIgnore, strings.Repeat("x", 30000)))
	},
	"debug before the keys": func(c net.Conn) {
		r := NewRaw(c)
		_ = r.Versions()
		repeat(r, Packet(MsgDebug, true, Nasty, ""))
	},
	"endless banners at the login": atLogin(func(r *Raw) { repeat(r, Packet(MsgUserauthBanner, strings.Repeat(Nasty, 100), "")) }),
	"ignore at the login":          atLogin(func(r *Raw) { repeat(r, Packet(MsgIgnore, strings.Repeat("x", 30000))) }),
	"a long farewell at the login": atLogin(func(r *Raw) { _ = r.Send(Packet(MsgDisconnect, uint32(2), strings.Repeat(Nasty, 4000), "")) }),
	"a flood in place of the service": atKeys(func(r *Raw) {
		if _, err := r.Receive(); err == nil {
			repeat(r, Packet(MsgGlobalRequest, "x", false))
		}
	}),
	"a flood behind the keys": atKeys(func(r *Raw) { repeat(r, Packet(MsgGlobalRequest, "x", false)) }),
	"a flood at the login":    atLogin(func(r *Raw) { repeat(r, Packet(MsgGlobalRequest, "x", false)) }),
	"a farewell that goes on": atLogin(func(r *Raw) {
		_ = r.Send(Packet(MsgDisconnect, uint32(2), "bye", ""))
		repeat(r, Packet(MsgGlobalRequest, "x", false))
	}),
	"refusals for ever": atLogin(func(r *Raw) { repeat(r, Packet(msgAuthFailure, "password,keyboard-interactive,publickey", false)) }),
}

// drain takes all that the client says.
func drain(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// pour sends b without an end.
func pour(c net.Conn, b []byte) {
	go drain(c) // ends with the connection, which the caller's return closes
	for b = []byte(strings.Repeat(string(b), 1+4096/len(b))); ; {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// repeat sends p without an end.
func repeat(r *Raw, p []byte) {
	for r.send(p) == nil {
	}
}

// atKeys exchanges keys and then does as act does.
func atKeys(act func(*Raw)) func(net.Conn) {
	return func(c net.Conn) {
		r := NewRaw(c)
		if r.Versions() == nil && r.Rekey() == nil {
			act(r)
		}
	}
}

// atLogin exchanges keys, gives the service and then does as act does.
func atLogin(act func(*Raw)) func(net.Conn) {
	return atKeys(func(r *Raw) {
		if p, err := r.Receive(); err != nil || r.Send(append([]byte{msgServiceAccept}, p[1:]...)) != nil {
			return
		}
		if _, err := r.Receive(); err == nil {
			act(r)
		}
	})
}

// guest is a client within, of a server that does what it is asked and something else besides.
type guest struct {
	*Raw
	mu       sync.Mutex
	channels []uint32 // that it opened, by its numbers, which are ours too
	ports    []bind   // that it asked for
	came     chan struct{}
	replies  chan []byte // to be sent by another goroutine than the one that receives, and so finishes key exchanges
}

func (g *guest) reply(p []byte) {
	select {
	case g.replies <- p:
	case <-g.over:
	}
}

// sendReplies sends them until the connection is closed.
func (g *guest) sendReplies() {
	for {
		select {
		case p := <-g.replies:
			_ = g.Send(p)
		case <-g.over:
			return
		}
	}
}

// way is what a server does beside what it is asked.
type way struct {
	deaf    bool                               // reads nothing any more once it begins
	always  func(g *guest)                     // from the first channel on, until the client hangs up
	instead func(g *guest, packet []byte) bool // of answering a packet; false answers it
}

func (w way) serve(c net.Conn) {
	g := &guest{Raw: NewRaw(c), came: make(chan struct{}), replies: make(chan []byte, 1024)}
	if g.Login() != nil {
		return
	}
	var always, replies sync.WaitGroup
	defer always.Wait()
	defer replies.Wait()
	defer g.Close()
	replies.Go(g.sendReplies)
	if w.always != nil {
		always.Go(func() { <-g.came; w.always(g) })
	}
	begin := sync.OnceFunc(func() { close(g.came) })
	defer begin()
	for {
		p, err := g.Receive()
		if err != nil {
			return
		}
		if w.instead == nil || !w.instead(g, p) {
			g.answer(p)
		}
		if p[0] == MsgOpen {
			begin()
			if w.deaf {
				always.Wait() // the client ends the connection
				return
			}
		}
	}
}

// answer does what a decent server does with a packet, to a target that takes everything and says nothing.
func (g *guest) answer(p []byte) {
	switch p[0] {
	case MsgGlobalRequest:
		name, rest := cutText(p[1:])
		if name == "tcpip-forward" {
			host, port := cutText(rest[1:])
			g.mu.Lock()
			g.ports = append(g.ports, bind{host, binary.BigEndian.Uint32(port)})
			g.mu.Unlock()
		}
		if rest[0] != 0 {
			g.reply([]byte{MsgRequestSuccess})
		}
	case MsgOpen:
		n := opener(p)
		g.mu.Lock()
		g.channels = append(g.channels, n)
		g.mu.Unlock()
		g.reply(Packet(MsgOpenConfirm, n, n, uint32(2<<20), uint32(32<<10)))
	case MsgData:
		g.reply(Packet(MsgWindowAdjust, binary.BigEndian.Uint32(p[1:]), binary.BigEndian.Uint32(p[5:])))
	case MsgClose:
		g.reply(Packet(MsgClose, binary.BigEndian.Uint32(p[1:])))
	}
}

// cutText takes the first string off.
func cutText(p []byte) (string, []byte) {
	n := 4 + binary.BigEndian.Uint32(p)
	return string(p[4:n]), p[n:]
}

// opener is the number that the client gave the channel which p opens.
func opener(p []byte) uint32 {
	_, rest := cutText(p[1:])
	return binary.BigEndian.Uint32(rest)
}

// channel is the first that the client has opened.
func (g *guest) channel() uint32 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.channels) == 0 {
		return 0
	}
	return g.channels[0]
}

// port is the last that it asked for, or is about to; port 1 when it asks for none for a second.
func (g *guest) port() bind {
	for range 100 {
		g.mu.Lock()
		n := len(g.ports)
		if n > 0 {
			defer g.mu.Unlock()
			return g.ports[n-1]
		}
		g.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	return bind{"localhost", 1}
}

// flood sends what next says until the client hangs up.
func flood(next func(g *guest, i uint32) []byte) func(*guest) {
	return func(g *guest) {
		for i := uint32(0); g.Send(next(g, i)) == nil; i++ {
		}
	}
}

// open is the packet that opens channel n to the client.
func open(kind string, n, window, packet uint32, b bind, from string) []byte {
	return Packet(MsgOpen, kind, n, window, packet, b.Host, b.Port, from, uint32(1))
}

// within are the ways of those who let people in.
var within = map[string]way{
	"channels nobody asked for": {always: flood(func(_ *guest, i uint32) []byte {
		kinds := []string{"session", "x11", "auth-agent@openssh.com", "direct-tcpip", "forwarded-tcpip", Nasty}
		return open(kinds[i%6], 1000+i, 2<<20, 32<<10, bind{"localhost", 22}, Nasty)
	})},
	"channels nobody asked for, answers unread": {deaf: true, always: flood(func(_ *guest, i uint32) []byte {
		return open("session", 1000+i, 2<<20, 32<<10, bind{"localhost", 22}, "")
	})},
	"channels of mad sizes": {always: flood(func(g *guest, i uint32) []byte {
		return open("forwarded-tcpip", 1000+i, 1<<32-1, []uint32{0, 1, 1<<32 - 1}[i%3], g.port(), "192.0.2.1")
	})},
	"connections without an end": {always: flood(func(g *guest, i uint32) []byte {
		return open("forwarded-tcpip", 1000+i, 2<<20, 32<<10, g.port(), strings.Repeat(Nasty, 10))
	})},
	"requests that want answers": {always: flood(func(*guest, uint32) []byte { return Packet(MsgGlobalRequest, Nasty, true) })},
	"requests, answers unread": {deaf: true, always: flood(func(*guest, uint32) []byte {
		return Packet(MsgGlobalRequest, "keepalive@openssh.com", true)
	})},
	"debug":         {always: flood(func(*guest, uint32) []byte { return Packet(MsgDebug, true, strings.Repeat(Nasty, 500), "") })},
	"ignore":        {always: flood(func(*guest, uint32) []byte { return Packet(MsgIgnore, strings.Repeat("x", 30000)) })},
	"pings, unread": {deaf: true, always: flood(func(*guest, uint32) []byte { return Packet(MsgPing, strings.Repeat("x", 30000)) })},
	"answers to nothing": {always: flood(func(_ *guest, i uint32) []byte {
		return []byte{[]byte{MsgRequestSuccess, MsgRequestFailure}[i%2]}
	})},
	"doubled answers": {instead: func(g *guest, p []byte) bool {
		g.answer(p)
		g.answer(p)
		return p[0] == MsgGlobalRequest || p[0] == MsgOpen
	}},
	"a refusal after the confirmation": {instead: func(g *guest, p []byte) bool {
		g.answer(p)
		if p[0] == MsgOpen {
			g.reply(Packet(MsgOpenFailure, opener(p), uint32(2), Nasty, ""))
		}
		return true
	}},
	"late answers": {instead: func(g *guest, p []byte) bool {
		if p[0] == MsgOpen || p[0] == MsgGlobalRequest {
			time.Sleep(50 * time.Millisecond)
		}
		return false
	}},
	"long nasty refusals": {instead: func(g *guest, p []byte) bool {
		if p[0] == MsgOpen {
			g.reply(Packet(MsgOpenFailure, opener(p), uint32(4), strings.Repeat(Nasty, 4000), Nasty))
		}
		return p[0] == MsgOpen
	}},
	"confirmations of what was never opened": {always: flood(func(_ *guest, i uint32) []byte {
		return Packet(MsgOpenConfirm, 5000+i, uint32(1), uint32(2<<20), uint32(32<<10))
	})},
	"data for what was never opened": {always: flood(func(_ *guest, i uint32) []byte { return Packet(MsgData, 5000+i, "data") })},
	"ends of what was never opened":  {always: flood(func(_ *guest, i uint32) []byte { return Packet(MsgClose, 5000+i) })},
	"a window that only grows": {always: flood(func(g *guest, i uint32) []byte {
		return Packet(MsgWindowAdjust, g.channel(), uint32(1))
	})},
	"a window beyond all bounds": {always: flood(func(g *guest, i uint32) []byte {
		return Packet(MsgWindowAdjust, g.channel(), uint32(1<<31))
	})},
	"data beyond the window": {always: flood(func(g *guest, i uint32) []byte {
		return Packet(MsgData, g.channel(), strings.Repeat("x", 32<<10))
	})},
	"data in splinters": {always: func(g *guest) {
		for range 2 << 20 {
			if g.Send(Packet(MsgData, g.channel(), "x")) != nil {
				return
			}
		}
	}},
	"errors beyond the window": {always: flood(func(g *guest, i uint32) []byte {
		return Packet(MsgExtendedData, g.channel(), uint32(1), strings.Repeat("x", 32<<10))
	})},
	"requests of a channel": {always: flood(func(g *guest, i uint32) []byte {
		return Packet(MsgChannelRequest, g.channel(), "exec", true, Nasty)
	})},
	"the end again and again": {always: flood(func(g *guest, i uint32) []byte { return Packet(MsgEOF, g.channel()) })},
	"a huge window, and no reading": {deaf: true, instead: func(g *guest, p []byte) bool {
		if p[0] == MsgOpen {
			g.reply(Packet(MsgOpenConfirm, opener(p), opener(p), uint32(1<<31-1), uint32(32<<10)))
		}
		return p[0] == MsgOpen
	}, always: func(g *guest) { <-closed(g.Conn) }},
	"new keys all the time": {always: func(g *guest) {
		for g.Rekey() == nil {
		}
	}},
	"a long farewell": {always: func(g *guest) {
		_ = g.Send(Packet(MsgDisconnect, uint32(11), strings.Repeat(Nasty, 4000), Nasty))
	}},
}

// closed is closed once the connection is, without anything being read from it.
func closed(c net.Conn) <-chan struct{} {
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			if _, err := c.Write(nil); err != nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	return over
}
