package sshtunnel_test

import (
	"net"
	"testing"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestPortSharedWithAStrangerIsLeftToIt has somebody else on one of the two loopback addresses, silent or not. Once a proof
// has found that and the port was handed back, it is not asked for again before the stranger is gone.
func TestPortSharedWithAStrangerIsLeftToIt(t *testing.T) {
	t.Parallel()
	behaves := map[string]func(*net.TCPConn){
		"silent":   drain,
		"hangs up": func(*net.TCPConn) {},
		"talks":    func(c *net.TCPConn) { say(c, "220 stranger\r\n"); drain(c) },
	}
	for _, host := range []string{"127.0.0.1", "::1"} {
		for how, handle := range behaves {
			t.Run(host+" "+how, func(t *testing.T) {
				t.Parallel()
				_, c := byKey(t, sshdtest.Options{})
				l := open(t, c)
				stranger := serveAt(t, net.JoinHostPort(host, "0"), handle)
				m := expose("e", counting(t).port, stranger.port)
				must(t, l.Apply(soon(t), m))
				wantRefusal(t, l.Prove(soon(t), "e"), tunnel.RemotePortHeld, tunnel.HeldInOneFamily)
				must(t, l.Withdraw(soon(t), "e"))
				for range 2 {
					wantRefusal(t, l.Apply(soon(t), m), tunnel.RemotePortHeld, tunnel.HeldInOneFamily)
					if bound := sshdtest.Bound(t, stranger.port); len(bound) != 1 {
						t.Errorf("bound to %v, one of them the stranger's", bound)
					}
				}
				stranger.Close()
				eventually(t, "the port is asked for again", func() bool { return l.Apply(soon(t), m) == nil })
				must(t, l.Prove(soon(t), "e"))
				if bound := sshdtest.Bound(t, stranger.port); len(bound) != 2 {
					t.Errorf("bound to %v", bound)
				}
			})
		}
	}
}
