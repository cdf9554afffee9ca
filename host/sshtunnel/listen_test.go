package sshtunnel_test

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestLocalPortInUse names the address that is held, whichever of the two it is, and leaves nothing open.
func TestLocalPortInUse(t *testing.T) {
	s := start(t, sshtest.Options{})
	l := open(t, config("127.0.0.1", s.Port()))
	for _, host := range []string{"127.0.0.1", "::1"} {
		for _, kind := range []tunnel.Kind{tunnel.Reach, tunnel.ReachGateway} {
			holder, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
			must(t, err)
			port := holder.Addr().(*net.TCPAddr).Port
			m := reach("r", port, "127.0.0.1", 1)
			m.Kind = kind
			f := wantReason(t, l.Apply(soon(t), m), tunnel.LocalPortInUse)
			if kind == tunnel.Reach && !strings.Contains(f.Message, host) {
				t.Errorf("the message does not name %s: %s", host, f.Message)
			}
			holder.Close()
			must(t, l.Apply(soon(t), m))
			must(t, l.Prove(soon(t), "r"))
			must(t, l.Withdraw(soon(t), "r"))
		}
	}
}

func TestLocalPortOfAnotherMappingOfTheLink(t *testing.T) {
	s := start(t, sshtest.Options{})
	l := open(t, config("127.0.0.1", s.Port()))
	port := freePort(t)
	must(t, l.Apply(soon(t), reach("a", port, "127.0.0.1", 1)))
	wantReason(t, l.Apply(soon(t), reach("b", port, "127.0.0.1", 1)), tunnel.LocalPortInUse)
	must(t, l.Prove(soon(t), "a"))
}

func TestGatewayListensOnAllAddresses(t *testing.T) {
	s := start(t, sshtest.Options{})
	l := open(t, config("127.0.0.1", s.Port()))
	m := reach("g", freePort(t), "127.0.0.1", serve(t, echo).port)
	m.Kind = tunnel.ReachGateway
	must(t, l.Apply(soon(t), m))
	for _, host := range []string{"127.0.0.1", "127.66.77.88", "::1"} {
		talk(t, dial(t, host, m.Local.Port), "hello\n")
	}
}

func TestLocalPortPrivilegedIsTold(t *testing.T) {
	for err, want := range map[error]tunnel.Reason{
		syscall.EACCES:     tunnel.LocalPortPrivileged,
		syscall.EADDRINUSE: tunnel.LocalPortInUse,
	} {
		wrapped := fmt.Errorf("listen: %w", &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", err)})
		wantReason(t, sshtunnel.CannotListen(wrapped, "127.0.0.1", 80), want)
	}
}
