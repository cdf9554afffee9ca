package supervisor

import (
	"fmt"
	"slices"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// silence is why another link is to be tried beside this one; the zero Failure where that is not due.
func (n *line) silence() Failure {
	heard, gone := n.link.lastHeard()
	at := heard.Format(time.TimeOnly)
	switch {
	case gone:
		return Failure{
			Reason:  tunnel.LinkLost,
			Message: fmt.Sprintf("the address %s, from which the link came, is gone from this machine: a new link is tried", n.link.Local()),
			Remedy:  "nothing to do, unless the address shall come back",
		}
	case n.link.peer() == PeerSilent:
		runs := "the server runs"
		if n.via != (tunnel.Via{}) {
			runs = "the proxy " + n.via.Endpoint() + " and the server run"
		}
		return Failure{
			Reason:  tunnel.LinkLost,
			Message: fmt.Sprintf("the server last answered at %s: a new link is tried beside the one that fell silent", at),
			Remedy:  "nothing to do, unless it lasts: then look at the network in between, and whether " + runs,
		}
	case n.frozen():
		f := busy(n.via, n.silentSince())
		f.Message += ": a new link is tried beside this one"
		return f
	}
	return Failure{}
}

// busyRemedy is what to do about a server that does not answer.
const busyRemedy = "a name server that is silent stops sshd: give targets by address, and look at the server's resolver"

// busy is said of a server that keeps the connection but has answered nothing that it was asked at that time or later.
// Behind a proxy it is the proxy that keeps it, and comes first.
func busy(via tunnel.Via, since time.Time) Failure {
	at := since.Format(time.TimeOnly)
	f := Failure{
		Reason:  tunnel.ServerBusy,
		Message: "the server keeps the connection but has not answered since " + at,
		Remedy:  busyRemedy,
		Diagnosis: &tunnel.Diagnosis{
			Cause: tunnel.Frozen,
			Evidence: []string{
				"its machine acknowledges what is sent to it",
				"what it was asked at " + at + " is not answered",
			},
			Fixes: []tunnel.Fix{
				{Where: "a shell at the SSH server: is its process stopped (T), or waiting for a disk (D)?", Line: "ps -eo pid,stat,etime,args | grep '[s]shd'"},
				{Where: "a shell at the SSH server: do its name servers answer?", Line: "getent hosts example.org"},
			},
		},
	}
	if via != (tunnel.Via{}) {
		f.Message = "the proxy " + via.Endpoint() + " keeps the connection but the server has not answered since " + at
		f.Remedy = "look first whether the proxy's program still works, then at the server: " + busyRemedy
		evidence, first := via.Suspected()
		f.Diagnosis.Evidence[0] = evidence
		f.Diagnosis.Fixes = slices.Insert(f.Diagnosis.Fixes, 0, first)
	}
	return f
}

// late is why a question was not answered in time, where nobody knows better.
func late(limit time.Duration) Failure {
	return Failure{
		Reason: tunnel.ServerBusy, Message: fmt.Sprintf("the server has not answered within %s", limit), Remedy: busyRemedy,
	}
}
