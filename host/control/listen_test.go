package control_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/host/control/controltest"
)

func TestListenMakesWhatOthersMayUse(t *testing.T) {
	socket := filepath.Join(controltest.Dir(t), "run", "s")
	l, token, err := control.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]fs.FileMode{
		filepath.Dir(socket): fs.ModeDir | 0o750, socket: fs.ModeSocket | 0o660, control.TokenFile(socket): 0o640,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v %v, not %v", path, info, err, want)
		}
	}
	if b, err := os.ReadFile(control.TokenFile(socket)); err != nil || strings.TrimSpace(string(b)) != token || len(token) < 26 {
		t.Errorf("token file %q %v, token %q", b, err, token)
	}
	l.Close()
	for _, path := range []string{socket, control.TokenFile(socket)} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there", path)
		}
	}
}

func TestTokenIsNewAtEachStart(t *testing.T) {
	socket := filepath.Join(controltest.Dir(t), "s")
	seen := map[string]bool{}
	for range 3 {
		l, token, err := control.Listen(socket)
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		seen[token] = true
	}
	if len(seen) != 3 {
		t.Errorf("tokens: %v", seen)
	}
}

func TestSecondDaemonIsRefused(t *testing.T) {
	d := controltest.Start(t)
	before, err := os.ReadFile(control.TokenFile(d.Socket))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := control.Listen(d.Socket); err == nil || !strings.Contains(err.Error(), "another daemon answers") {
		t.Errorf("second daemon: %v", err)
	}
	after, err := os.ReadFile(control.TokenFile(d.Socket))
	if err != nil || string(after) != string(before) {
		t.Error("the running daemon's token changed")
	}
	c := control.NewClient(d.Socket)
	defer c.Close()
	if v, err := c.Version(t.Context()); err != nil || v.Version != controltest.Version {
		t.Errorf("the running daemon: %v %v", v, err)
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	socket := filepath.Join(controltest.Dir(t), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	l, _, err := control.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestListenRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		socket     func(t *testing.T, dir string) string
	}{
		{"a path too long for a socket", "107", func(_ *testing.T, dir string) string {
			return filepath.Join(dir, strings.Repeat("x", 100))
		}},
		{"a directory that others may write to", "writable by others", func(t *testing.T, dir string) string {
			must(0, os.Chmod(dir, 0o777))
			return filepath.Join(dir, "s")
		}},
		{"no directory", "not a directory", func(t *testing.T, dir string) string {
			must(0, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
			return filepath.Join(dir, "file", "s")
		}},
		{"a directory that is not there", "make it", func(_ *testing.T, dir string) string {
			return filepath.Join(dir, "a", "b", "s")
		}},
		{"a file that is no socket", "not a socket", func(t *testing.T, dir string) string {
			must(0, os.WriteFile(filepath.Join(dir, "s"), []byte("keep"), 0o600))
			return filepath.Join(dir, "s")
		}},
		{"somebody else's socket", "another daemon answers", func(t *testing.T, dir string) string {
			l := must(net.Listen("unix", filepath.Join(dir, "s")))
			t.Cleanup(func() { l.Close() })
			return filepath.Join(dir, "s")
		}},
		{"a link in the lock's place", "control socket", func(t *testing.T, dir string) string {
			must(0, os.Symlink("/etc/passwd", filepath.Join(dir, "s.lock")))
			return filepath.Join(dir, "s")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			socket := tt.socket(t, controltest.Dir(t))
			l, _, err := control.Listen(socket)
			if err == nil {
				l.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v does not say %q", err, tt.want)
			}
		})
	}
}

func TestForeignDirectoryIsRefused(t *testing.T) {
	dir := controltest.Dir(t)
	if err := os.Chown(dir, 12345, 12345); err != nil {
		t.Skipf("not root: %v", err)
	}
	if _, _, err := control.Listen(filepath.Join(dir, "s")); err == nil || !strings.Contains(err.Error(), "belongs to another user") {
		t.Errorf("foreign directory: %v", err)
	}
}

func TestNoDaemon(t *testing.T) {
	c := control.NewClient(filepath.Join(controltest.Dir(t), "s"))
	defer c.Close()
	_, err := c.Version(t.Context())
	var u *control.Unreachable
	if !errors.As(err, &u) || !errors.Is(err, fs.ErrNotExist) || u.Hint() == "" {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Version(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who does not wait: %v", err)
	}
}
