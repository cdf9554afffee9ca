package supervisor

import (
	"errors"
	"time"

	"github.com/culvert-pbx/culvert/host/retry"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// steadyAfter is how long a link must have lived to be made again at once when it breaks; one that breaks earlier
// counts as a failure.
const steadyAfter = 10 * time.Second

// The longest waits: after a refused login, and after all else that is tried again by itself.
const (
	longestRefused = time.Hour
	longestPause   = 10 * time.Second
)

// The classes of failed attempts; every other one was connected but failed, or broke early.
const (
	unreached = "unreached" // there was no TCP connection
	away      = "away"      // the server's machine says that nothing listens: most likely it is being started again
	refused   = "refused"   // the login was refused: each try may count against us at the server, or at the proxy
	severed   = "severed"   // broken off by us after the login was offered, which may count against us like a refused one
	person    = "person"    // nothing helps but somebody doing something
	otherKey  = "otherKey"  // of the second link alone: the server showed another key
)

// pace is how the attempts of one tunnel follow each other.
func pace() *retry.Policy {
	return &retry.Policy{
		AtOnceAfter: steadyAfter,
		Class:       class,
		Backoffs: map[string]retry.Backoff{
			"":        {First: 500 * time.Millisecond, Max: longestPause, Jitter: true, ResetAfter: steadyAfter},
			unreached: {First: 3 * time.Second, Factor: 1, FromStart: true},
			away:      {First: 100 * time.Millisecond, Factor: 1.08, Max: 3 * time.Second, FromStart: true, ResetAfter: steadyAfter},
			refused:   {First: time.Minute, Max: longestRefused, ResetAfter: 1}, // any link shows that the login is right
			severed:   {First: 3 * time.Second, Max: longestRefused, ResetAfter: 1},
			person:    {First: retry.Never},
		},
	}
}

// paceBeside is how the attempts of a tunnel's second link follow each other: as those of the main link, as clients wait for
// this one no longer. But a server that shows another key is tried again: that is met before anything secret is offered, and
// nobody restarts a tunnel that stands.
func paceBeside() *retry.Policy {
	p := pace()
	p.Backoffs[otherKey] = retry.Backoff{First: longestPause, Factor: 1}
	p.Class = func(err error) string {
		if f := why(err); f.Reason == tunnel.HostKeyMismatch && f.Shown != (tunnel.Pin{}) {
			return otherKey
		}
		return class(err)
	}
	return p
}

// class sorts the end of an attempt.
func class(err error) string {
	if b, ok := errors.AsType[*brokenOff](err); ok {
		return b.class
	}
	f := why(err)
	switch {
	case f.refusesLogin():
		return refused
	case f.Reason == tunnel.Unreachable && f.Diagnosis.Code() == tunnel.NothingListens:
		return away
	}
	switch f.Reason {
	case tunnel.Unreachable, tunnel.UnknownHost, tunnel.NameLookupFailed, tunnel.ProxyUnreachable:
		return unreached
	case tunnel.HostKeyMismatch, tunnel.SecretMissing, tunnel.SecretUnreadable:
		return person
	}
	return ""
}

// brokenOff is the end of an attempt that we broke off. Where an attempt before it failed, it says why that did.
type brokenOff struct {
	error
	class string
}

func (b *brokenOff) Unwrap() error { return b.error }

// refusesLogin reports whether a login was refused, the server's or the proxy's.
func (f Failure) refusesLogin() bool {
	switch f.Reason {
	case tunnel.LoginRefused:
		return true
	case tunnel.ProxyRefused:
		return f.Diagnosis != nil && f.Diagnosis.Cause == tunnel.ProxyLogin
	}
	return false
}

// awaits is the state in which a tunnel awaits its next attempt after one that ended with err.
func awaits(err error) tunnel.State {
	switch class(&failed{why(err)}) {
	case refused, person:
		return tunnel.Blocked
	}
	return tunnel.Waiting
}

// why is the failure in err, zero where there is none.
func why(err error) Failure {
	var f *failed
	if errors.As(err, &f) {
		return f.Failure
	}
	return Failure{}
}

// doubled is first, doubled times times, at most most.
func doubled(first, most time.Duration, times int) time.Duration {
	for ; times > 0 && first < most; times-- {
		first *= 2
	}
	return min(first, most)
}
