package sshtunnel

import "context"

// Peer is how the machine of a server answers, beneath SSH.
type Peer int

// What the kernel knows of the server's machine.
const (
	PeerAnswers Peer = iota // as far as is known
	PeerDoubted             // a probe is unanswered, or data for too long to be chance: nothing is sent until it is
	PeerSilent              // for so long that a new link should be tried
)

// Peer says how the server's machine answers and returns what is closed as soon as that changes.
func (l *Link) Peer() (Peer, <-chan struct{}) { return PeerAnswers, nil }

// Wake asks a server once that does not answer for a sign of life, whatever Peer says.
func (l *Link) Wake(ctx context.Context) error { return l.Keepalive(ctx) }

// Retire gives the link up for another: its connections end, and the server is told so without being waited for.
func (l *Link) Retire() { l.lose(linkLost(nil)) }
