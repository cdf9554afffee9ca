package sshtunnel

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// unmet tells apart why none of the server's addresses took a connection: what one of them answered tells more than that
// another was silent.
func unmet(server tunnel.Server, failures []error) *tunnel.Diagnosis {
	var said []string
	var cause tunnel.Cause
	for _, err := range failures {
		said = append(said, dialWords(err))
		if c := unmetCause(err); cause == "" || c == tunnel.NothingListens || c == tunnel.Filtered && cause == tunnel.NoRoute {
			cause = c
		}
	}
	a := advisor{user: server.User}
	var fixes []tunnel.Fix
	switch cause {
	case tunnel.NothingListens:
		fixes = []tunnel.Fix{
			{Where: inShell, Line: fmt.Sprintf("systemctl enable --now ssh || systemctl enable --now sshd; ss -ltnp 'sport = :%d'", server.Port)},
			a.sshdConfig(fmt.Sprintf("Port %d", server.Port)),
			{Where: "PowerShell at the SSH server, as administrator", Line: "Set-Service sshd -StartupType Automatic; Start-Service sshd"},
		}
	case tunnel.Reset:
		fixes = a.unban()
	case tunnel.Filtered:
		fixes = a.firewall(server.Port)
	case tunnel.NoRoute:
		fixes = []tunnel.Fix{{Where: onPBX, Line: "ip route get " + tunnel.Clean(server.Host, 253)}}
	}
	return diagnosis(cause, said, fixes...)
}

func unmetCause(err error) tunnel.Cause {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return tunnel.NothingListens
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH),
		errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT):
		return tunnel.NoRoute
	case errors.Is(err, syscall.ECONNRESET):
		return tunnel.Reset
	}
	return tunnel.Filtered
}
