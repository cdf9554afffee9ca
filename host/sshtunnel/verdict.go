package sshtunnel

import (
	"fmt"
	"maps"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// verdict is what was found at one address of a remote port.
type verdict int

const (
	itself    verdict = iota // the nonce came back, and its answer
	nobody                   // nothing listens there
	forbidden                // the server does not let us ask
	stranger                 // something else answers there
	noReturn                 // something took the nonce, and nothing came back in time
	silence                  // the server has not answered
	cut                      // the link is gone
)

// findings are the verdicts of one round by address.
type findings map[string]verdict

// hold reports whether v was found at some address.
func (f findings) hold(v verdict) bool {
	return slices.Contains(slices.Collect(maps.Values(f)), v)
}

// partial reports whether the server has not, or not alone, what it said yes to: asked again it may get all of it.
func (f findings) partial() bool {
	return f.hold(stranger) || f["localhost"] == nobody || f["localhost"] == itself && f.hold(noReturn)
}

// judgeFound turns what was found at the addresses into one verdict about the port.
func (m *mapping) judgeFound(found findings) *Failure {
	for _, host := range []string{"localhost", "127.0.0.1", "::1"} {
		switch v, asked := found[host]; {
		case asked && v == stranger:
			return strangerAt(host, m.Remote.Port)
		case asked && v == noReturn:
			return noReturnFrom(host, m.Remote.Port)
		}
	}
	switch found["localhost"] {
	case forbidden:
		return proofForbidden(m.Remote.Port)
	case nobody:
		return nothingThere(m.Remote.Port)
	case silence:
		return serverBusy("to carry a proof")
	case cut:
		return m.link.gone()
	}
	return nil
}

func strangerAt(host string, port int) *Failure {
	f := portHeld(port)
	f.Message = fmt.Sprintf("at the SSH server something else answers on %s port %d: who connects there does not reach the PBX", host, port)
	return f
}

func crowded(port int) *Failure {
	return &Failure{
		Reason:  tunnel.ServerBusy,
		Message: fmt.Sprintf("so many connections come through port %d at the SSH server that some are refused, the proof among them", port),
		Remedy: fmt.Sprintf("see who connects there: ss -tnp 'sport = :%d'; at most %d are open at a time",
			port, maxConnections),
	}
}

func noReturnFrom(host string, port int) *Failure {
	f := portHeld(port)
	f.Message = fmt.Sprintf("a connection to %s port %d at the SSH server did not come back to the PBX in time: something else seems to have it", host, port)
	return f
}

func proofForbidden(port int) *Failure {
	return &Failure{
		Reason: tunnel.ProofForbidden,
		Message: fmt.Sprintf("the SSH server said yes to port %d, but does not let this login connect to it, so whether it works cannot be proved",
			port),
		Remedy: fmt.Sprintf(`allow the question: AllowTcpForwarding yes and PermitOpen localhost:%d 127.0.0.1:%d [::1]:%d in sshd_config, or permitopen="localhost:%d",permitopen="127.0.0.1:%d",permitopen="[::1]:%d" in the key's line`,
			port, port, port, port, port, port),
	}
}

func nothingThere(port int) *Failure {
	return &Failure{
		Reason:  tunnel.RemotePortForbidden,
		Message: fmt.Sprintf("the SSH server said yes to port %d, but nothing listens there", port),
		Remedy:  fmt.Sprintf("look at the server's log and at its listeners: ss -ltn 'sport = :%d'", port),
	}
}
