package supervisor

import (
	"fmt"
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
		return Failure{
			Reason:  tunnel.LinkLost,
			Message: fmt.Sprintf("the server last answered at %s: a new link is tried beside the one that fell silent", at),
			Remedy:  "nothing to do, unless it lasts: then look at the network in between, and whether the server runs",
		}
	case n.frozen():
		return Failure{
			Reason:  tunnel.ServerBusy,
			Message: fmt.Sprintf("the server keeps the connection but last answered at %s: a new link is tried beside it", at),
			Remedy:  "look at the load and the name servers of the SSH server",
		}
	}
	return Failure{}
}

// busy is said of a server that keeps the connection but does not answer.
func busy() Failure {
	return Failure{
		Reason:  tunnel.ServerBusy,
		Message: fmt.Sprintf("the server keeps the connection but has not answered for %s", patience),
		Remedy:  "a name server that is silent stops sshd: give targets by address, and look at the server's resolver",
	}
}

// late is why a question was not answered in time, where nobody knows better.
func late(limit time.Duration) Failure {
	return Failure{
		Reason: tunnel.ServerBusy, Message: fmt.Sprintf("the server has not answered within %s", limit), Remedy: busy().Remedy,
	}
}
