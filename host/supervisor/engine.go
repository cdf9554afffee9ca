package supervisor

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Engine opens links. The SSH engine has these methods, through an adapter in package host.
type Engine interface {
	// Run makes one attempt: it connects, checks the host key, logs in and calls stands, whose context ends when the link
	// is over: gone, told to end, or given up because ctx ended. stands returns at once, with what is called then: once
	// leave has returned nobody uses the link any more. Run returns when everything of the link is closed, soon after that,
	// with why it ended.
	Run(ctx context.Context, a *Attempt, stands func(ctx context.Context, l Link) (leave func())) error

	// Explain says what an error of Run or of a Link means. Its Reason is empty where the engine does not know.
	Explain(err error) Failure
}

// Attempt is what the engine needs to open one link.
type Attempt struct {
	Ref         tunnel.Ref
	Server      tunnel.Server
	Via         tunnel.Via // the proxy to go through, zero where there is none
	LAN         string     // the server's address in its own network, "" where none was given
	Credential  tunnel.Credential
	Pin         tunnel.Pin
	Fingerprint string // given beforehand, "" when none was
	Log         hclog.Logger

	// Mappings are those of the whole tunnel as it shall be now; what people are told to allow is for all of them.
	Mappings func() []tunnel.Mapping

	// Earlier is when the tunnel's last link came up that the server may not have given up yet, zero where there is none:
	// a port that is held and silent is held by that session then.
	Earlier time.Time

	// Learned is told the key of a server that nothing was pinned for, once the login succeeded.
	Learned func(ctx context.Context, shown tunnel.Pin) error

	// Admit waits for the attempt's turn among the handshakes with its server; release ends the handshake and may be
	// called more than once.
	Admit func(ctx context.Context) (release func(), err error)

	// DialLocal connects to the service behind an expose mapping.
	DialLocal func(ctx context.Context, m tunnel.Mapping) (net.Conn, error)

	// Missed is told when a connection that came to an expose mapping's port did not get to the service behind, and why.
	// It returns at once.
	Missed func(m tunnel.Mapping, why Failure)

	// Stage is told of each stage when it begins and again when it is over. It returns at once.
	Stage func(Step)
}

// Stage is a part of an attempt, named as `culvert check` names it.
type Stage string

// The stages of an attempt, in their order.
const (
	StageName    Stage = "name"    // the server's name is looked up
	StageTCP     Stage = "tcp"     // a connection is made
	StageProxy   Stage = "proxy"   // the proxy, where there is one, opens the way to the server; name and tcp are its own then
	StageHostKey Stage = "hostkey" // keys are exchanged, the server's is checked
	StageLogin   Stage = "login"
)

// Step is the beginning or the end of a stage.
type Step struct {
	Stage   Stage
	Done    bool
	Failure Failure       // where Done: why it failed, the zero Failure where it did not
	Detail  string        // where Done: what came of it
	Took    time.Duration // where Done
}

// Link is one logged-in connection to a server. Every method has an end: that of its context, of the link, or its own
// deadline. All are safe for concurrent use, and what one does to a mapping never disturbs another.
type Link interface {
	// Apply makes the server listen for an expose kind, and lets connections of a reach kind be opened. Called again after
	// it was not answered in time it waits for the same answer.
	Apply(ctx context.Context, m tunnel.Mapping) error
	// Withdraw ends the mapping of that name and its connections. That there is none is no error.
	Withdraw(ctx context.Context, name string) error
	// Prove shows that an expose mapping's port at the server leads to us.
	Prove(ctx context.Context, name string) error
	// Bound is where the server really offers an expose mapping's port, as far as the proofs of this link have measured
	// it. A port that is offered more widely than declared fails its proof with wider-than-declared, one that is offered
	// less widely with narrower-than-declared.
	Bound(name string) tunnel.Bound
	// Target opens the service behind the mapping once and closes it. Where no answer came it says whose silence that is,
	// if it knows: target-unreachable where the server answers other questions meanwhile, else server-busy. So does Open.
	// Nothing is sent, unless opened is set: then that is called as soon as the service is open, once, and what it says is
	// heard, its banner or its certificate, "" where that is nothing.
	Target(ctx context.Context, name string, opened func()) (heard string, err error)
	// Open opens a connection to the target of a reach mapping for a caller: an address, or a module's name.
	Open(ctx context.Context, m tunnel.Mapping, caller string) (Conn, error)
	// Patience is how long to wait for an answer on the link's path before its absence says something: longer than usual
	// where the path is slow, so that it can repeat what it has lost.
	Patience() time.Duration
	// Keepalive asks the server for a sign of life.
	Keepalive(ctx context.Context) error
	// Traffic is what the mapping has carried on this link.
	Traffic(name string) Traffic
	// Peer says how the server's machine answers, beneath SSH. While it is not PeerAnswers nothing is sent: calls wait for
	// an answer, as long as their context lets them.
	Peer() Peer
	// Watch has turned called, which returns at once, whenever Peer changes; from now on, in place of what was before.
	Watch(turned func())
	// Wake asks a server once that does not answer for a sign of life, whatever Peer says.
	Wake(ctx context.Context) error
	// End ends the link, and has Run return err. What was asked of the server is given back.
	End(err error)
	// Retire gives the link up for another: its connections end, and the server is told so without being waited for. Run
	// returns when the server has heard it, after two hours, or when its context ends.
	Retire()
	// Local is the address of this machine that the link comes from, the zero Addr where it is not known.
	Local() netip.Addr
	// ServerVersion is what the server calls itself, as it sent it.
	ServerVersion() string
}

// Peer is how the machine of a server answers.
type Peer int

// What the kernel knows of the server's machine.
const (
	PeerAnswers Peer = iota // as far as is known
	PeerDoubted             // a probe is unanswered, or data for too long to be chance: nothing is sent until it is
	PeerSilent              // for so long that a new link should be tried
)

// Traffic is what a mapping has carried.
type Traffic struct {
	Open    int
	Total   uint64 // connections
	Refused uint64 // connections, because too many were open
	In, Out uint64 // bytes, from the site and to it
	Callers []tunnel.Caller
	Target  time.Time // when a connection of others last reached the service behind it, zero for never
}

// Conn is a connection whose two directions end apart.
type Conn interface {
	net.Conn
	CloseWrite() error
}

// Failure is why an attempt, a link or a mapping is not as it should be. The zero Failure says that nothing is wrong.
type Failure struct {
	Reason    tunnel.Reason
	Message   string            // one sentence
	Remedy    string            // what to do
	Diagnosis *tunnel.Diagnosis // nil where the reason says it all
	Shown     tunnel.Pin        // for HostKeyMismatch: the key that the server really showed
	Version   string            // for LoginRefused: what the server calls itself, as it sent it
}

// failed is a Failure as an error.
type failed struct{ Failure }

// Error is the sentence.
func (f *failed) Error() string { return f.Message }

// failure is what err means, to us or to the engine, and never the zero Failure.
func failure(e Engine, err error) Failure {
	f := why(err)
	if f == (Failure{}) {
		f = e.Explain(err)
	}
	if f.Message == "" {
		f.Message = "it ended"
		if err != nil {
			f.Message = err.Error()
		}
	}
	return f
}
