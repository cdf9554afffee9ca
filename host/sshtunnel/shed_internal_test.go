package sshtunnel

import (
	"bufio"
	"context"
	"sync"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestShedFitsTheLibrary: a link keeps room for a large packet until it is shed, by a keepalive and by a proof too, and whatever is
// sent at that very moment arrives whole.
func TestShedFitsTheLibrary(t *testing.T) {
	ctx, l := linkToTest(t)
	large := func() {
		t.Helper()
		if _, _, err := l.conn.SendRequest("large@example.org", true, make([]byte, 30<<10)); err != nil {
			t.Fatal(err)
		}
	}
	large()
	if packet, before := roomOf(t, l); packet < 30<<10 || before != libraryBuffer {
		t.Errorf("room for %d and %d bytes is kept after a large packet: shed is not needed any more, or looks in the wrong place", packet, before)
	}
	if err := l.Keepalive(ctx); err != nil {
		t.Fatal(err)
	}
	if packet, before := roomOf(t, l); packet > maxKept || before != firstPart {
		t.Errorf("room for %d and %d bytes is kept after a keepalive, want at most %d and %d", packet, before, maxKept, firstPart)
	}
	if err := l.Apply(ctx, tunnel.Mapping{Name: "http", Kind: tunnel.Expose, Remote: tunnel.Endpoint{Port: 18080}}); err != nil {
		t.Fatal(err)
	}
	large()
	if err := l.Prove(ctx, "http"); err != nil {
		t.Fatal(err)
	}
	if packet, _ := roomOf(t, l); packet > maxKept {
		t.Errorf("room for %d bytes is kept after a proof, want at most %d", packet, maxKept)
	}
	var shedding sync.WaitGroup
	done := make(chan struct{})
	defer shedding.Wait()
	defer close(done)
	shedding.Go(func() {
		for !isClosed(done) {
			l.shed()
		}
	})
	for range 200 {
		large()
	}
}

// linkToTest is a link to a server in the process, with time enough for a test.
func linkToTest(t *testing.T) (context.Context, *Link) {
	t.Helper()
	s, err := sshtest.Start(sshtest.Options{Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	l, err := open(ctx, (&Config{
		Server:     tunnel.Server{Host: "127.0.0.1", Port: s.Port(), User: "root"},
		Credential: tunnel.Credential{Login: tunnel.LoginPassword, Password: "secret"},
	}).withDefaults(), func(context.Context, *Link) func() { return func() {} })
	if err != nil {
		t.Fatal(err)
	}
	var receiving sync.WaitGroup
	receiving.Go(l.receive)
	t.Cleanup(receiving.Wait)
	t.Cleanup(func() { l.End(nil) })
	return ctx, l
}

// roomOf is the room for packets that a link keeps, and that before the socket. Nothing is sent over it meanwhile.
func roomOf(t *testing.T, l *Link) (packet, before int) {
	t.Helper()
	packet = -1
	withRoom(l.conn, func(kept *[]byte, w *bufio.Writer) { packet, before = cap(*kept), w.Size() })
	if packet < 0 {
		t.Fatal("the room that the library keeps is not found")
	}
	return packet, before
}
