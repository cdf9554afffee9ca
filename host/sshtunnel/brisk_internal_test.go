package sshtunnel

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pair is both ends of a connection: the one that is tried as a brisk one, and its peer.
func pair(t *testing.T) (*brisk, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	b, err := newBrisk(c.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(); _ = peer.Close() })
	return b, peer.(*net.TCPConn)
}

// TestBriskCarriesAll of little and much, in turn, in both directions and into a peer that reads nothing for a while.
func TestBriskCarriesAll(t *testing.T) {
	b, peer := pair(t)
	sizes := []int{1, brief, brief + 1, 100, 300 << 10, 2, 1 << 20, 36, 0, 84}
	var all []byte
	for range 20 {
		for _, n := range sizes {
			part := make([]byte, n)
			for i := range part {
				part[i] = byte(rand.Int())
			}
			all = append(all, part...)
		}
	}
	go func() {
		rest := all
		for i := 0; len(rest) > 0; i++ {
			n := min(sizes[i%len(sizes)], len(rest))
			if m, err := b.Write(rest[:n]); m != n || err != nil {
				t.Errorf("wrote %d of %d: %v", m, n, err)
				break
			}
			rest = rest[n:]
		}
		_ = b.CloseWrite()
	}()
	go func() {
		_, _ = io.Copy(peer, peer) // what came goes back
		_ = peer.CloseWrite()
	}()
	var got []byte
	for i := 0; ; i++ {
		buf := make([]byte, 1+sizes[i%len(sizes)])
		n, err := b.Read(buf)
		got = append(got, buf[:n]...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, all) {
		t.Errorf("%d of %d bytes came back as they were sent", len(got), len(all))
	}
}

// TestBriskFailsAsASocketDoes: whoever reads the error finds the same, in the same words.
func TestBriskFailsAsASocketDoes(t *testing.T) {
	read := func(c net.Conn) error { _, err := c.Read(make([]byte, 10)); return err }
	write := func(c net.Conn) error {
		for {
			if _, err := c.Write(make([]byte, 1000)); err != nil {
				return err
			}
		}
	}
	reset := func(_, peer *net.TCPConn) { _ = peer.SetLinger(0); _ = peer.Close() }
	for _, c := range []struct {
		name string
		when func(c, peer *net.TCPConn)
		do   func(net.Conn) error
		is   error
	}{
		{"closed before it reads", func(c, _ *net.TCPConn) { _ = c.Close() }, read, net.ErrClosed},
		{"closed before it writes", func(c, _ *net.TCPConn) { _ = c.Close() }, write, net.ErrClosed},
		{"closed while it reads", func(c, _ *net.TCPConn) { time.AfterFunc(20*time.Millisecond, func() { _ = c.Close() }) }, read, net.ErrClosed},
		{"closed while it writes", func(c, _ *net.TCPConn) { time.AfterFunc(20*time.Millisecond, func() { _ = c.Close() }) }, write, net.ErrClosed},
		{"reads until a deadline", func(c, _ *net.TCPConn) { _ = c.SetDeadline(time.Now().Add(20 * time.Millisecond)) }, read, os.ErrDeadlineExceeded},
		{"writes until a deadline", func(c, _ *net.TCPConn) { _ = c.SetDeadline(time.Now().Add(20 * time.Millisecond)) }, write, os.ErrDeadlineExceeded},
		{"the peer ends", func(_, peer *net.TCPConn) { _ = peer.Close() }, read, io.EOF},
		{"the peer resets", reset, read, syscall.ECONNRESET},
		{"it ended its own direction", func(c, _ *net.TCPConn) { _ = c.CloseWrite() }, write, syscall.EPIPE},
	} {
		t.Run(c.name, func(t *testing.T) {
			said := func(asItself bool) string {
				b, peer := pair(t)
				conn := net.Conn(b)
				if asItself {
					conn = b.TCPConn
				}
				c.when(b.TCPConn, peer)
				err := c.do(conn)
				if !errors.Is(err, c.is) {
					t.Errorf("it says %v", err)
				}
				var timeout net.Error
				if errors.As(err, &timeout) != (c.is != io.EOF) || timeout != nil && timeout.Timeout() != (c.is == os.ErrDeadlineExceeded) {
					t.Errorf("%v: not of the kind it should be", err)
				}
				words := strings.NewReplacer(b.LocalAddr().String(), "HERE", b.RemoteAddr().String(), "THERE")
				return words.Replace(err.Error())
			}
			if ours, theirs := said(false), said(true); ours != theirs {
				t.Errorf("it says %q, and a socket %q", ours, theirs)
			}
		})
	}
}

// TestBriskReadsOnPastADeadline that was taken back.
func TestBriskReadsOnPastADeadline(t *testing.T) {
	b, peer := pair(t)
	_ = b.SetReadDeadline(time.Now())
	if _, err := b.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	_ = b.SetReadDeadline(time.Time{})
	if _, err := peer.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 9)
	if n, err := b.Read(p); err != nil || string(p[:n]) != "x" {
		t.Errorf("read %q: %v", p[:n], err)
	}
}

// TestBriskAllocatesNothing for what it reads and writes.
func TestBriskAllocatesNothing(t *testing.T) {
	b, peer := pair(t)
	go func() { _, _ = io.Copy(peer, peer) }()
	p := make([]byte, 36)
	got := testing.AllocsPerRun(100, func() {
		if _, err := b.Write(p); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(b, p); err != nil {
			t.Fatal(err)
		}
	})
	if got > 0.5 {
		t.Errorf("%.1f allocations", got)
	}
}
