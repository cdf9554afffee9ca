package sshtunnel

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestShedFitsTheLibrary: a link keeps room for a large packet until it is shed, by the keepalive too, and whatever is
// sent at that very moment arrives whole.
func TestShedFitsTheLibrary(t *testing.T) {
	s, err := sshtest.Start(sshtest.Options{Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	l, err := open(ctx, (&Config{
		Server:     tunnel.Server{Host: "127.0.0.1", Port: s.Port(), User: "root"},
		Credential: tunnel.Credential{Login: tunnel.LoginPassword, Password: "secret"},
	}).withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	large := func() {
		t.Helper()
		if _, _, err := l.conn.SendRequest("large@example.org", true, make([]byte, 30<<10)); err != nil {
			t.Fatal(err)
		}
	}
	large()
	if n := roomOf(t, l); n < 30<<10 {
		t.Errorf("room for %d bytes is kept after a large packet: shed is not needed any more, or looks in the wrong place", n)
	}
	if err := l.Keepalive(ctx); err != nil {
		t.Fatal(err)
	}
	if n := roomOf(t, l); n > maxKept {
		t.Errorf("room for %d bytes is kept after a keepalive, want at most %d", n, maxKept)
	}
	var shedding sync.WaitGroup
	done := make(chan struct{})
	defer shedding.Wait()
	defer close(done)
	shedding.Go(func() {
		for !isClosed(done) {
			shed(l.conn)
		}
	})
	for range 200 {
		large()
	}
}

// roomOf is the room for packets that a link keeps. Nothing is sent over it meanwhile.
func roomOf(t *testing.T, l *Link) int {
	t.Helper()
	n := -1
	withRoom(l.conn, func(kept *[]byte) { n = cap(*kept) })
	if n < 0 {
		t.Fatal("the room that the library keeps is not found")
	}
	return n
}
