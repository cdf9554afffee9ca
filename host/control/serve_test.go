package control

import (
	"bufio"
	"context"
	"fmt"
	"iter"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// silent is a journal in which nothing happens.
type silent struct{}

func (silent) Read(context.Context) iter.Seq2[tunnel.Event, error] {
	return func(func(tunnel.Event, error) bool) {}
}

func (silent) Follow(ctx context.Context) iter.Seq2[tunnel.Event, error] {
	return func(func(tunnel.Event, error) bool) { <-ctx.Done() }
}

// serve runs s on a socket of its own and returns an open request with that token.
func serve(t *testing.T, s *Server, token string) *bufio.Scanner {
	t.Helper()
	dir, err := os.MkdirTemp("", "cv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	l, _, err := Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "GET /v1/events?follow=1 HTTP/1.1\r\nHost: x\r\n%s: %s\r\n\r\n", tokenHeader, token)
	return bufio.NewScanner(c)
}

func newServer(token string) *Server {
	return New(Config{Journal: silent{}, Token: token, Tell: func(tunnel.Event) {},
		IsModule: func(int) (tunnel.Owner, bool) { return "", false }})
}

// A stream on which nothing happens shows that both ends live.
func TestStreamsBeat(t *testing.T) {
	s := newServer("token")
	s.heartbeat = 5 * time.Millisecond
	lines := serve(t, s, "token")
	beats := 0
	for beats < 3 && lines.Scan() {
		if strings.HasPrefix(lines.Text(), ": alive") {
			beats++
		}
	}
	if beats < 3 {
		t.Errorf("%d beats: %v", beats, lines.Err())
	}
}

// A server that was given no token lets nobody in.
func TestNoTokenOfItsOwn(t *testing.T) {
	lines := serve(t, newServer(""), "")
	if !lines.Scan() || !strings.Contains(lines.Text(), "401") {
		t.Errorf("%q", lines.Text())
	}
}
