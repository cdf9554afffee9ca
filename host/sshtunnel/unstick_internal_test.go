package sshtunnel

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestUnstickFitsTheLibrary: an open that nobody will answer is found where the library keeps it, and freed; so are its
// packets found. A link whose end an open has missed waits for neither.
func TestUnstickFitsTheLibrary(t *testing.T) {
	s, err := sshtest.Start(sshtest.Options{Password: "secret", Mute: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	l, err := open(ctx, (&Config{
		Server:     tunnel.Server{Host: "127.0.0.1", Port: s.Port(), User: "root"},
		Credential: tunnel.Credential{Login: tunnel.LoginPassword, Password: "secret"},
	}).withDefaults(), func(context.Context, *Link) func() { return func() {} })
	if err != nil {
		t.Fatal(err)
	}
	defer l.receive()
	defer l.End(nil)
	if _, ok := follow(reflect.ValueOf(l.conn), "transport", "incoming"); !ok {
		t.Error("the packets that wait for the library are not found")
	}
	opened := make(chan error, 1)
	go func() {
		_, _, err := l.conn.OpenChannel("direct-tcpip", nil)
		opened <- err
	}()
	for {
		freeOpens(l.conn)
		select {
		case err := <-opened:
			if err == nil {
				t.Error("the open that was freed has succeeded")
			}
			return
		case <-ctx.Done():
			t.Fatal("an open that nobody answers was not freed")
		case <-time.After(time.Millisecond):
		}
	}
}
