package supervisor

import (
	"math/rand/v2"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// The waits between attempts.
const (
	steadyAfter   = 10 * time.Second // a link that lived this long reconnects at once
	unreachedPace = 3 * time.Second  // from one attempt without TCP connection to the next
	leastPause    = 500 * time.Millisecond
	backoffFirst  = 500 * time.Millisecond
	backoffMost   = 10 * time.Second
	refusedFirst  = time.Minute // so that a wrong password is no burst for the server's guards
	refusedMost   = time.Hour
)

// outcome is how an attempt ended.
type outcome struct {
	why    Failure
	served bool          // the link stood
	lived  time.Duration // how long it stood
	took   time.Duration // the attempt as a whole
}

// pace decides how a tunnel goes on after an attempt. It counts what went wrong since something last went right.
type pace struct {
	failures int // in a row
	refusals int // of the login, since one succeeded
}

// after returns the state in which the next attempt is awaited and the pause until then; a negative pause waits for a
// change. Connecting means that there is nothing to wait for.
func (p *pace) after(o outcome) (tunnel.State, time.Duration) {
	if o.served {
		p.refusals = 0
	}
	switch {
	case o.served && o.lived >= steadyAfter:
		p.failures = 0
		return tunnel.Connecting, 0
	case o.why.Reason == tunnel.HostKeyMismatch, o.why.Reason == tunnel.SecretMissing, o.why.Reason == tunnel.SecretUnreadable:
		return tunnel.Blocked, -1
	case o.why.Reason == tunnel.LoginRefused:
		p.refusals++
		return tunnel.Blocked, doubled(refusedFirst, refusedMost, p.refusals-1)
	case unreached(o.why.Reason):
		return tunnel.Waiting, max(unreachedPace-o.took, leastPause)
	}
	p.failures++
	return tunnel.Waiting, rand.N(doubled(backoffFirst, backoffMost, p.failures-1)) + 1
}

// unreached reports whether an attempt that failed for reason r never had a connection.
func unreached(r tunnel.Reason) bool {
	return r == tunnel.Unreachable || r == tunnel.UnknownHost || r == tunnel.NameLookupFailed
}

// doubled is first, doubled times times, at most most.
func doubled(first, most time.Duration, times int) time.Duration {
	for ; times > 0 && first < most; times-- {
		first *= 2
	}
	return min(first, most)
}
