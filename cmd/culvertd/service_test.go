package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// service is a TCP service of the tests: it answers a sender's end with the count and SHA-256 of what it got, so that a
// connection proves both directions and half-close at once. It counts who came and what they said.
type service struct {
	port        int
	connections atomic.Int64
	bytes       atomic.Int64
}

func startService(t *testing.T) *service {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &service{port: l.Addr().(*net.TCPAddr).Port}
	var open sync.WaitGroup
	t.Cleanup(func() { l.Close(); open.Wait() })
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.connections.Add(1)
			open.Go(func() { s.answer(c) })
		}
	})
	return s
}

func (s *service) answer(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Minute))
	h := sha256.New()
	n, _ := io.Copy(h, c)
	s.bytes.Add(n)
	fmt.Fprintf(c, "%d %x", n, h.Sum(nil))
}

// ask sends n bytes to port, ends its direction and checks the answer that comes after that end.
func ask(port, n int, within time.Duration) error {
	c, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), within)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(within))
	h := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(c, h), &pattern{}, int64(n)); err != nil {
		return err
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	got, err := io.ReadAll(c)
	if err != nil {
		return err
	}
	if want := fmt.Sprintf("%d %x", n, h.Sum(nil)); string(got) != want {
		return fmt.Errorf("answered %q, want %q", got, want)
	}
	return nil
}

// pattern is a stream in which every place looks different.
type pattern struct{ n uint64 }

func (p *pattern) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(p.n ^ p.n>>8 ^ p.n>>17)
		p.n++
	}
	return len(b), nil
}
