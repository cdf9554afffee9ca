package sshtunnel_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// dialIn opens a connection through a private mapping to handle.
func dialIn(t *testing.T, l *running, handle func(*net.TCPConn)) sshtunnel.Conn {
	t.Helper()
	return dialTo(t, l, serve(t, handle))
}

func dialTo(t *testing.T, l *running, s *service) sshtunnel.Conn {
	t.Helper()
	m := reach("private", 0, "127.0.0.1", s.port)
	must(t, l.Apply(soon(t), m))
	c, err := l.Open(soon(t), m, "127.0.0.1")
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestOpenHasHalfCloseAndDeadlines(t *testing.T) {
	s := start(t, sshtest.Options{})
	l := open(t, config("127.0.0.1", s.Port()))

	data := bytes.Repeat([]byte("culvert "), 128<<10)
	c := dialIn(t, l, digest)
	if got := exchangeAll(t, c, data); !bytes.Equal(got, digestOf(data)) {
		t.Errorf("%d bytes came back of %d", len(got), len(data))
	}

	c = dialIn(t, l, echo)
	for range 2 { // a deadline that has passed is no end: the next read works
		must(t, c.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("got %v, want the deadline", err)
		}
		must(t, c.SetReadDeadline(time.Time{}))
		talk(t, c, "still here\n")
	}
}

// TestOpenDeadlineReachesAReadUnderWay: it is set while the read waits, as http and database drivers do.
func TestOpenDeadlineReachesAReadUnderWay(t *testing.T) {
	s := start(t, sshtest.Options{})
	l := open(t, config("127.0.0.1", s.Port()))
	c := dialIn(t, l, echo)
	reading := make(chan error, 1)
	go func() { _, err := c.Read(make([]byte, 1)); reading <- err }()
	time.Sleep(20 * time.Millisecond) // most likely it waits by now; it holds either way
	must(t, c.SetReadDeadline(time.Now()))
	if err := <-reading; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	must(t, c.SetDeadline(time.Now().Add(time.Hour)))
	must(t, c.SetDeadline(time.Time{}))
	talk(t, c, "still here\n")
}

func TestOpenWriteDeadline(t *testing.T) {
	s := start(t, sshtest.Options{})
	l := open(t, config("127.0.0.1", s.Port()))
	c := dialTo(t, l, stuck(t))
	must(t, c.SetWriteDeadline(time.Now().Add(300*time.Millisecond)))
	for {
		if _, err := c.Write(make([]byte, 1<<20)); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("got %v, want the deadline", err)
			}
			break
		}
	}
	must(t, c.SetWriteDeadline(time.Time{}))
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("wrote after a write that was given up half done")
	}
}

// TestOpenCloseEndsWhatWaits, and the end of its mapping does too.
func TestOpenCloseEndsWhatWaits(t *testing.T) {
	s := start(t, sshtest.Options{})
	l := open(t, config("127.0.0.1", s.Port()))
	for name, end := range map[string]func(sshtunnel.Conn){
		"Close":    func(c sshtunnel.Conn) { c.Close() },
		"Withdraw": func(sshtunnel.Conn) { must(t, l.Withdraw(soon(t), "private")) },
	} {
		c := dialIn(t, l, echo)
		reading := make(chan error, 1)
		go func() { _, err := c.Read(make([]byte, 1)); reading <- err }()
		end(c)
		if err := <-reading; err == nil {
			t.Errorf("%s: the read returned data", name)
		}
		eventually(t, "its place is free", func() bool { return l.Traffic("private").Open == 0 })
	}
	c := dialIn(t, l, echo)
	l.stop()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlives its link")
	}
}

func TestOpenRefused(t *testing.T) {
	s := start(t, sshtest.Options{})
	l := open(t, config("127.0.0.1", s.Port()))
	m := reach("private", 0, "127.0.0.1", freePort(t))
	must(t, l.Apply(soon(t), m))
	_, err := l.Open(soon(t), m, "127.0.0.1")
	wantReason(t, err, tunnel.TargetRefused)
}

// TestRelayOfAPrivateSocket joins a unix socket with Open, as the private sockets of modules are.
func TestRelayOfAPrivateSocket(t *testing.T) {
	s := start(t, sshtest.Options{})
	l := open(t, config("127.0.0.1", s.Port()))
	site := dialIn(t, l, digest)
	ours, theirs := unixPair(t)
	var relay sync.WaitGroup
	relay.Go(func() { sshtunnel.Relay(ours, site) })
	data := bytes.Repeat([]byte("culvert "), 64<<10)
	if got := exchangeAll(t, theirs, data); !bytes.Equal(got, digestOf(data)) {
		t.Errorf("%d bytes came back of %d", len(got), len(data))
	}
	relay.Wait()
	p := l.Traffic("private")
	in, out := p.In, p.Out
	if out != uint64(len(data)) || in != uint64(len(data)+32) {
		t.Errorf("counted %d in, %d out", in, out)
	}
	eventually(t, "its place is free", func() bool { return l.Traffic("private").Open == 0 })
}

// TestRelayEndsWithItsMapping, also while the client says nothing.
func TestRelayEndsWithItsMapping(t *testing.T) {
	s := start(t, sshtest.Options{})
	l := open(t, config("127.0.0.1", s.Port()))
	site := dialIn(t, l, echo)
	ours, theirs := unixPair(t)
	relayed := make(chan struct{})
	go func() { defer close(relayed); sshtunnel.Relay(ours, site) }()
	talk(t, theirs, "hello\n")
	must(t, l.Withdraw(soon(t), "private"))
	<-relayed
	if _, err := theirs.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the end", err)
	}
}

// TestIdleClientGoesWhenItsTargetGoes: a client that keeps both directions open does not stay for ever.
func TestIdleClientGoesWhenItsTargetGoes(t *testing.T) {
	s := start(t, sshtest.Options{})
	l := open(t, config("127.0.0.1", s.Port()))
	lport := freePort(t)
	must(t, l.Apply(soon(t), reach("r", lport, "127.0.0.1", serve(t, func(c *net.TCPConn) { c.SetLinger(0) }).port)))
	dial(t, "127.0.0.1", lport)
	eventually(t, "its place is free", func() bool { return l.Traffic("r").Open == 0 })
}

func unixPair(t *testing.T) (a, b *net.UnixConn) {
	t.Helper()
	l, err := net.Listen("unix", t.TempDir()+"/s")
	must(t, err)
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() { c, _ := l.Accept(); accepted <- c }()
	dialed, err := net.Dial("unix", l.Addr().String())
	must(t, err)
	t.Cleanup(func() { dialed.Close() })
	other := <-accepted
	if other == nil {
		t.Fatal("no connection")
	}
	t.Cleanup(func() { other.Close() })
	return other.(*net.UnixConn), dialed.(*net.UnixConn)
}
