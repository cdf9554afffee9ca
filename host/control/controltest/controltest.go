// Package controltest is a daemon without processes, disk and SSH for tests of the control API and of programs that use
// it: the real server on a real socket over a tunneltest.World, which keeps the real rules.
//
// What the parts behind the API would do, the test does itself: it installs modules, reports states, adds events. What
// was asked of them it finds in Fake.Calls.
package controltest

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Version is what the daemon says it is.
const Version = "v0.0.0-fake"

// AuthorizedKey is its public key.
const AuthorizedKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFake culvert@fake"

// OwnAuthorizedKey is that of every private key that a tunnel was given.
const OwnAuthorizedKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOwnOwnOwnOwnOwnOwnOwnOwnOwnOwnOwnOwnOwnOwnO own"

// Daemon is a running one.
type Daemon struct {
	*Fake
	Socket string
	stop   func()
}

// Start runs a daemon until the test ends.
func Start(t testing.TB) *Daemon {
	t.Helper()
	return StartAt(t, filepath.Join(Dir(t), "s"), New())
}

// StartAt runs a daemon over f on that socket until the test ends or Stop.
func StartAt(t testing.TB, socket string, f *Fake) *Daemon {
	t.Helper()
	l, token, err := control.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		serve(ctx, t, f, l, token)
	}()
	d := &Daemon{Fake: f, Socket: socket, stop: func() { cancel(); <-done }}
	t.Cleanup(d.Stop)
	return d
}

func serve(ctx context.Context, t testing.TB, f *Fake, l net.Listener, token string) {
	s := control.New(control.Config{
		Operator: f, Modules: f.modules(), Links: f.links(), Journal: f.Events, Keys: keys{f}, Settings: bySchema{},
		CheckSpacing: f.CheckSpacing, Token: token, IsModule: f.isModule, Tell: f.Events.Add, Version: Version,
	})
	if err := s.Serve(ctx, l); err != nil {
		t.Errorf("control server: %v", err)
	}
}

// Stop ends it; socket and token are gone then. It may be called twice.
func (d *Daemon) Stop() { d.stop() }

// Dir is a temporary directory with a path short enough for a socket.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Module installs a module.
func (f *Fake) Module(t testing.TB, d tunnel.Description) {
	t.Helper()
	if err := f.World.AddModule(d); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.descriptions[tunnel.Owner(d.Name)] = d
	f.statuses = append(f.statuses, control.ModuleStatus{Name: tunnel.Owner(d.Name), Version: d.Version, SHA256: "0123abcd", State: "stopped", Sandbox: control.Sandbox{Level: "full"}})
}
