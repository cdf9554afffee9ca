package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// echo is a service that gives back what it gets.
func startEcho(t *testing.T) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	t.Cleanup(func() { l.Close(); open.Wait() })
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			})
		}
	})
	return l.Addr().(*net.TCPAddr).Port
}

// live is a connection through a tunnel that is used all the time: numbers go out and must come back, each once and in
// order, over one and the same connection.
type live struct {
	conn net.Conn
	done chan struct{}
	sent atomic.Uint64 // and come back
	err  error         // valid when done is closed
}

// keepAlive opens connections to the ports and uses them until the test ends.
func keepAlive(t *testing.T, ports ...int) (all []*live) {
	t.Helper()
	for _, port := range ports {
		c, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		l := &live{conn: c, done: make(chan struct{})}
		t.Cleanup(func() { c.Close(); <-l.done })
		go l.use()
		all = append(all, l)
	}
	return all
}

func (l *live) use() {
	defer close(l.done)
	buf := make([]byte, 8)
	for n := uint64(1); ; n++ {
		binary.BigEndian.PutUint64(buf, n)
		_ = l.conn.SetDeadline(time.Now().Add(30 * time.Second))
		if _, l.err = l.conn.Write(buf); l.err != nil {
			return
		}
		if _, l.err = io.ReadFull(l.conn, buf); l.err != nil {
			return
		}
		if got := binary.BigEndian.Uint64(buf); got != n {
			l.err = fmt.Errorf("%d came back as %d", n, got)
			return
		}
		l.sent.Store(n)
		time.Sleep(time.Millisecond) // used all the time, not all of the machine
	}
}

// fine says that the connection does not work any more, or that nothing has come back for five seconds.
func (l *live) fine() error {
	was := l.sent.Load()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		select {
		case <-l.done:
			return fmt.Errorf("a connection ended after %d round trips: %w", l.sent.Load(), l.err)
		default:
		}
		if l.sent.Load() > was {
			return nil
		}
	}
	return fmt.Errorf("nothing has come back for 5 s after %d round trips", was)
}
