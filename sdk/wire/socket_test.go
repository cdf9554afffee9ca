package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// recorder is callrecording's view of a host whose sockets are in a directory of the test's.
func recorder(t *testing.T) (c *client, dir string) {
	t.Helper()
	dir = t.TempDir()
	path := func(_ context.Context, ref tunnel.Ref, mapping string) (string, error) {
		return filepath.Join(dir, strings.ReplaceAll(ref.String(), "/", "-")+"-"+mapping), nil
	}
	return hostOf(t, HostServices{Owner: "callrecording", Service: recordings(), SocketPath: path, ListenPath: path}), dir
}

// private serves the private socket of main.archive's mapping sql with serve, one connection at a time.
func private(t *testing.T, dir string, serve func(*net.UnixConn)) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(dir, "callrecording-main.archive-sql"))
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(conn.(*net.UnixConn))
			_ = conn.Close()
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		served.Wait()
	})
}

func TestDialCarriesRawBytesAndHalfClose(t *testing.T) {
	c, dir := recorder(t)
	private(t, dir, func(conn *net.UnixConn) {
		_ = Greet(conn, nil)
		_, _ = conn.Write([]byte("banner\n"))
		asked, _ := io.ReadAll(conn) // until the module's half-close
		_, _ = conn.Write(append([]byte("you said "), asked...))
	})
	conn, err := c.Dial(t.Context(), "main", "sql")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("select 1")); err != nil {
		t.Fatal(err)
	}
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil || string(got) != "banner\nyou said select 1" {
		t.Errorf("it answers %q, %v", got, err)
	}
}

// Whoever puts a socket in the host's place gets nothing, and the module learns who it was.
func TestDialRefusesAnotherListenerThanTheHost(t *testing.T) {
	c, dir := recorder(t)
	c.hostPID = os.Getppid() // the listener, this process, is a stranger then
	got := make(chan string, 1)
	private(t, dir, func(conn *net.UnixConn) {
		_ = Greet(conn, nil)
		b, _ := io.ReadAll(conn)
		got <- string(b)
	})
	conn, err := c.Dial(t.Context(), "main", "sql")
	if conn != nil || err == nil || !strings.Contains(err.Error(), fmt.Sprintf("dial sql: process %d of user %d listens", os.Getpid(), os.Getuid())) {
		t.Errorf("it is %v, %v", conn, err)
	}
	if s := <-got; s != "" {
		t.Errorf("the stranger got %q", s)
	}
}

func TestDialReturnsTheTypedReason(t *testing.T) {
	c, dir := recorder(t)
	private(t, dir, func(conn *net.UnixConn) { _ = Greet(conn, blocked) })
	_, err := c.Dial(t.Context(), "main", "sql")
	var st *tunnel.StatusError
	if !errors.As(err, &st) || st.Reason != tunnel.HostKeyMismatch || st.Remedy != blocked.Remedy {
		t.Errorf("it is %v", err)
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	c, dir := recorder(t)
	private(t, dir, func(conn *net.UnixConn) { _, _ = io.Copy(io.Discard, conn) }) // a tunnel that stays waiting
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := c.Dial(ctx, "main", "sql"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("past the deadline it is %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(30*time.Millisecond, cancel)
	if _, err := c.Dial(ctx, "main", "sql"); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled it is %v", err)
	}
}

func TestTheContextOfDialIsForDialAlone(t *testing.T) {
	c, dir := recorder(t)
	over := make(chan bool)
	private(t, dir, func(conn *net.UnixConn) {
		_ = Greet(conn, nil)
		<-over
		_, _ = conn.Write([]byte("late"))
	})
	ctx, cancel := context.WithCancel(t.Context())
	conn, err := c.Dial(ctx, "main", "sql")
	cancel()
	close(over)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got, err := io.ReadAll(conn); string(got) != "late" {
		t.Errorf("after the context of Dial ended it reads %q, %v", got, err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(-time.Second))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past a deadline of its own it reads %v", err)
	}
}

func TestDialWaitsForTheSocket(t *testing.T) {
	c, dir := recorder(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := c.Dial(ctx, "main", "sql"); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "dial sql") {
		t.Errorf("where nobody listens it is %v", err)
	}
	answered := make(chan error, 1)
	go func() {
		conn, err := c.Dial(t.Context(), "main", "sql")
		if err == nil {
			_ = conn.Close()
		}
		answered <- err
	}()
	time.Sleep(20 * time.Millisecond) // the tunnel was declared just now
	private(t, dir, func(conn *net.UnixConn) { _ = Greet(conn, nil) })
	if err := <-answered; err != nil {
		t.Errorf("when it is there it is %v", err)
	}
}

func TestSocketsAreForTheirDirection(t *testing.T) {
	c, _ := recorder(t)
	if _, err := c.Dial(t.Context(), "main", "copy/status"); !errors.Is(err, tunnel.ErrInvalid) {
		t.Errorf("dialling an expose mapping is %v", err)
	}
	if _, err := c.Listen(t.Context(), "main", "sql"); !errors.Is(err, tunnel.ErrInvalid) {
		t.Errorf("listening for a reach mapping is %v", err)
	}
	_, err := c.Listen(t.Context(), "main", "copy/web")
	if !errors.Is(err, tunnel.ErrInvalid) || !strings.Contains(err.Error(), "port 8081") {
		t.Errorf("listening for a mapping with a port is %v", err)
	}
	if _, err := c.Listen(t.Context(), "main", "nothing"); !errors.Is(err, tunnel.ErrNotFound) {
		t.Errorf("listening for nothing is %v", err)
	}
}

func TestListenTakesOverALeftSocketOnly(t *testing.T) {
	c, dir := recorder(t)
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "callrecording-main.copy-status")})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false) // as a killed process leaves it
	_ = left.Close()
	l, err := c.Listen(t.Context(), "main", "copy/status")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Listen(t.Context(), "main", "status"); !errors.Is(err, tunnel.ErrExists) {
		t.Errorf("listening twice is %v", err)
	}
	_ = l.Close()
	if _, err := os.Stat(l.Addr().String()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the closed listener left its socket: %v", err)
	}
	again, err := c.Listen(t.Context(), "main", "status")
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
}

// TestLocalPortsAreAskedForByNumber: what is no port never reaches the host's services, and what they refuse keeps its identity.
func TestLocalPortsAreAskedForByNumber(t *testing.T) {
	h := adsync(nil)
	refuse := func(kind tunnel.GrantKind) func(context.Context, int) (string, error) {
		return func(_ context.Context, port int) (string, error) {
			return "", tunnel.NotGranted("adsync", tunnel.Right{Kind: kind, Port: port})
		}
	}
	h.LocalDialPath, h.LocalListenPath = refuse(tunnel.GrantDial), refuse(tunnel.GrantServe)
	c := hostOf(t, h)
	for port, want := range map[int]error{-1: tunnel.ErrInvalid, 0: tunnel.ErrInvalid, 65536: tunnel.ErrInvalid, 1<<32 + 22: tunnel.ErrInvalid, 22: tunnel.ErrPolicyRefused} {
		if _, err := c.DialLocal(t.Context(), port); !errors.Is(err, want) {
			t.Errorf("dial %d: %v", port, err)
		}
		if _, err := c.ListenLocal(t.Context(), port); !errors.Is(err, want) {
			t.Errorf("listen at %d: %v", port, err)
		}
	}
	if _, err := c.DialLocal(t.Context(), 22); !strings.Contains(err.Error(), "culvert module grant adsync dial 22") {
		t.Errorf("it does not say what to do: %v", err)
	}
}
