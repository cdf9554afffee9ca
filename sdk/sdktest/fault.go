package sdktest

import (
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Fault is something wrong with a site. The zero Fault is none.
type Fault struct {
	state    tunnel.State // of the tunnel, "" where the fault does not show in it
	reason   tunnel.Reason
	mappings bool // the mappings are down for the reason, while the link stands
	cut      bool // open connections end
	frozen   bool
	delay    time.Duration
}

var (
	// Cut loses the link: open connections are reset, the tunnel is waiting, and Dial waits.
	Cut = Fault{state: tunnel.Waiting, reason: tunnel.LinkLost, cut: true}

	// Freeze lets nothing through any more, and nobody has noticed yet: the state stays, open connections hang, Dial
	// waits.
	Freeze = Fault{frozen: true}

	// WrongKey has the server show another host key: the tunnel is blocked until a person decides.
	WrongKey = Fault{state: tunnel.Blocked, reason: tunnel.HostKeyMismatch, cut: true}
)

// unlinked reports whether no link stands.
func (f Fault) unlinked() bool { return f.state != "" && !f.mappings }

// Slow makes every write take d.
func Slow(d time.Duration) Fault { return Fault{delay: d} }

// Deny makes Dial fail with the reason: one of the services behind the mappings (target-refused, target-unreachable)
// leaves the link up, any other blocks the tunnel. Open connections end.
func Deny(reason tunnel.Reason) Fault {
	if reason == tunnel.TargetRefused || reason == tunnel.TargetUnreachable {
		return Fault{state: tunnel.Degraded, reason: reason, mappings: true, cut: true}
	}
	return Fault{state: tunnel.Blocked, reason: reason, cut: true}
}
