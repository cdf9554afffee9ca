package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// openTerminal returns both ends of a new terminal.
func openTerminal(t *testing.T) (keyboard, tty *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keyboard.Close() })
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return keyboard, tty
}

func echoes(t *testing.T, tty *os.File) bool {
	t.Helper()
	s, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return s.Lflag&unix.ECHO != 0
}

// A password typed on a terminal is not echoed, and echo is as before afterwards.
func TestPasswordIsTypedWithoutEcho(t *testing.T) {
	b := newTestbed(t)
	keyboard, tty := openTerminal(t)
	var out, errOut safeBuffer
	done := make(chan int)
	go func() {
		done <- run(t.Context(), []string{"--socket", b.Socket, "tunnel", "add", "hello/x", "--server", "pbx@192.0.2.1"}, tty, &out, &errOut)
	}()
	eventually(t, "echo goes off", func() bool { return !echoes(t, tty) })
	if _, err := io.WriteString(keyboard, "open sesame\n"); err != nil {
		t.Fatal(err)
	}
	if code := <-done; code != 0 {
		t.Fatalf("exit %d: %s", code, errOut.String())
	}
	if got := b.Credential(tunnel.Ref{Owner: "hello", Name: "x"}).Password.Reveal(); got != "open sesame" {
		t.Errorf("arrived: %q", got)
	}
	if s := errOut.String(); !strings.Contains(s, "Password of pbx at 192.0.2.1: ") || strings.Contains(s+out.String(), "sesame") {
		t.Errorf("said: %q", s)
	}
	if !echoes(t, tty) {
		t.Error("echo stays off")
	}
	fmt.Fprintln(tty, "end") // what the terminal showed ends here
	shown := make([]byte, 200)
	n, err := keyboard.Read(shown)
	if err != nil || strings.Contains(string(shown[:n]), "sesame") {
		t.Errorf("the terminal showed %q %v", shown[:n], err)
	}
}

// So is that of the user at a proxy.
func TestProxyPasswordIsTyped(t *testing.T) {
	b := newTestbed(t)
	keyboard, tty := openTerminal(t)
	var out, errOut safeBuffer
	done := make(chan int)
	go func() {
		done <- run(t.Context(), []string{"--socket", b.Socket, "tunnel", "add", "hello/x", "--server", "pbx@192.0.2.1", "--key", "host", "--via", "http://u@proxy.lan:3128"}, tty, &out, &errOut)
	}()
	eventually(t, "echo goes off", func() bool { return !echoes(t, tty) })
	if _, err := io.WriteString(keyboard, "open sesame\n"); err != nil {
		t.Fatal(err)
	}
	if code := <-done; code != 0 || !strings.Contains(errOut.String(), "Password of u at the proxy proxy.lan:3128: ") {
		t.Fatalf("exit %d: %s", code, errOut.String())
	}
	if got := b.Credential(tunnel.Ref{Owner: "hello", Name: "x"}).Via.Reveal(); got != "open sesame" {
		t.Errorf("arrived: %q", got)
	}
}
