package sshtunnel

import (
	"context"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Peer is how the machine of a server answers, beneath SSH.
type Peer int

// What the kernel knows of the server's machine.
const (
	PeerAnswers Peer = iota // as far as is known
	PeerDoubted             // a probe is unanswered, or data for too long to be chance: nothing is sent until it is
	PeerSilent              // for so long that a new link should be tried
)

// Peer says how the server's machine answers. Silence is noticed in
// 10 s, its end in a quarter of a second after the machine is heard again, by probes that the kernel then sends every
// second. While the machine does not answer, nothing at all is sent: calls wait for it as long as their contexts let
// them, and what they return then is ServerBusy.
func (l *Link) Peer() Peer { return l.sock.pulse.state() }

// Watch has turned called, which returns at once, whenever Peer changes; from now on, in place of what was before.
func (l *Link) Watch(turned func()) { l.sock.pulse.watch(turned) }

// Wake asks a server once that does not answer for a sign of life, whatever Peer says, together with whatever waited to be
// sent. Nil is a true sign: the server's program has answered. The error is Keepalive's.
func (l *Link) Wake(ctx context.Context) error {
	defer l.sock.pulse.wake()()
	return l.Keepalive(ctx)
}

// Retire gives the link up for another, at once for all who use it: its connections are reset, calls fail with LinkLost
// and the context given to stands ends. The server is told by the end of the TCP connection, which is all that is sent
// from now on, and learns it as soon as the path allows: so a server that nobody has told that the link is gone frees its
// ports seconds after the path is back, where a socket that was closed would leave them taken for hours.
//
// Run returns when the server has heard it, after two hours, or when its context ends.
func (l *Link) Retire() {
	l.sock.retire()
	l.lose(linkLost(nil))
}

// awaitPeer waits until something may be sent; it fails when ctx or the link ends before.
func (l *Link) awaitPeer(ctx context.Context, what string) error {
	switch {
	case l.sock.pulse.wait(ctx.Done()):
		return nil
	case ctx.Err() != nil:
		return l.noAnswer(what)
	}
	return l.gone()
}

// noAnswer is the failure of what was asked of the server, and not answered in time: whether its program is busy or its
// machine not heard.
func (l *Link) noAnswer(what string) *Failure {
	if l.sock.pulse.answers() {
		return l.busy(what)
	}
	return &Failure{
		Reason:  tunnel.ServerBusy,
		Message: "nothing is heard from the SSH server's machine, and nothing is sent to it before it answers",
		Remedy:  "check the network between the PBX and the server; unless it comes back, a new connection is made by itself",
	}
}
