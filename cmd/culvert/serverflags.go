package main

import (
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// parseServer reads --server, which is needed.
func parseServer(s string) (tunnel.Server, tunnel.Findings) {
	if s == "" {
		return tunnel.Server{}, tunnel.Findings{{Code: tunnel.Required, Field: "--server", Message: "the SSH server is missing", WayOut: "give --server [USER@]HOST[:PORT]"}}
	}
	v, fs := tunnel.ParseServer(s)
	return v, fs.At("--server")
}

// checkFingerprint checks --fingerprint where it is given.
func checkFingerprint(s string) tunnel.Findings {
	if s == "" {
		return nil
	}
	_, fs := tunnel.ParseFingerprint(s)
	return fs.At("--fingerprint")
}
