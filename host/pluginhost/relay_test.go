package pluginhost

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// pair is both ends of a connection.
func pair(t *testing.T, network, address string) (here, there stream) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	o, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); o.Close() })
	return c.(stream), o.(stream)
}

// TestRelayEndsWithAModuleThatIsGone, though whoever came to it stays and says nothing; not with one that has said all.
func TestRelayEndsWithAModuleThatIsGone(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(stream){
		"at once":          func(s stream) { _ = s.Close() },
		"after its answer": func(s stream) { _ = s.CloseWrite(); time.Sleep(2 * goneWatch); _ = s.Close() },
	} {
		client, outer := pair(t, "tcp", "127.0.0.1:0")
		inner, module := pair(t, "unix", filepath.Join(t.TempDir(), "s"))
		done := make(chan struct{})
		go func() { defer close(done); relay(t.Context(), outer, inner) }()
		if _, err := io.WriteString(module, "no"); err != nil {
			t.Fatal(err)
		}
		leave(module)
		if b, err := io.ReadAll(client); string(b) != "no" || err != nil {
			t.Errorf("%s: the client reads %q, %v", name, b, err)
		}
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Errorf("%s: it does not end", name)
		}
	}
}

// TestRelayKeepsTheOtherDirection of a module that has said all, and listens.
func TestRelayKeepsTheOtherDirection(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	client, outer := pair(t, "tcp", "127.0.0.1:0")
	inner, module := pair(t, "unix", filepath.Join(t.TempDir(), "s"))
	done := make(chan struct{})
	go func() { defer close(done); relay(ctx, outer, inner) }()
	_ = module.CloseWrite()
	if _, err := io.ReadAll(client); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * goneWatch) // it looks, and finds the module there
	if _, err := io.WriteString(client, "and yet"); err != nil {
		t.Fatal(err)
	}
	_ = client.CloseWrite()
	if b, err := io.ReadAll(module); string(b) != "and yet" || err != nil {
		t.Errorf("the module reads %q, %v", b, err)
	}
	<-done
}

// TestOneTooManyWaitsForRoom, no longer than a moment.
func TestOneTooManyWaitsForRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		o := &door{slots: make(chan struct{}, 1), ctx: ctx}
		if !o.room() {
			t.Error("there is no room for the first")
		}
		if began := time.Now(); o.room() || time.Since(began) != doorRoom {
			t.Errorf("the second waits %v", time.Since(began))
		}
		time.AfterFunc(doorRoom/2, func() { <-o.slots })
		if began := time.Now(); !o.room() || time.Since(began) != doorRoom/2 {
			t.Errorf("once the first goes, it waits %v", time.Since(began))
		}
		cancel()
		if o.room() {
			t.Error("there is room behind a door that is closed")
		}
	})
}
