package sshtunnel

import (
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestWhatFindingsSayOfExposure holds what may be concluded from who was met where, and what may not.
func TestWhatFindingsSayOfExposure(t *testing.T) {
	const lan, nat, linux, windows = "192.168.7.10", "203.0.113.9", "SSH-2.0-OpenSSH_9.2p1 Debian", "SSH-2.0-OpenSSH_for_Windows_9.5"
	us := finding{verdict: itself}
	refused, failed := finding{verdict: nobody, refused: true}, finding{verdict: nobody}
	tests := map[string]struct {
		lan, version string
		probe, outer finding // at the probe's address and at lan, or at the address that was dialled
		want         tunnel.Bound
	}{
		"Linux, the probe refused":               {"", linux, refused, finding{}, tunnel.BoundLoopback},
		"Linux, the probe met us":                {"", linux, us, finding{}, tunnel.BoundAll},
		"the dialled address met us":             {"", linux, refused, us, tunnel.BoundAll},
		"the LAN address alone met us":           {lan, linux, refused, us, tunnel.BoundAll},
		"the probe may not be asked":             {"", linux, finding{verdict: forbidden}, refused, tunnel.BoundUnknown},
		"nor the LAN address":                    {lan, linux, finding{verdict: forbidden}, finding{verdict: forbidden}, tunnel.BoundUnknown},
		"the LAN address refused":                {lan, linux, finding{verdict: forbidden}, refused, tunnel.BoundLoopback},
		"the LAN address was silent":             {lan, linux, finding{verdict: forbidden}, finding{verdict: silence}, tunnel.BoundUnknown},
		"no such address there (BSD)":            {"", "SSH-2.0-OpenSSH_9.7", failed, refused, tunnel.BoundUnknown},
		"no such address there, LAN refused":     {lan, "SSH-2.0-OpenSSH_9.7", failed, refused, tunnel.BoundLoopback},
		"Windows refuses whatever it has not":    {"", windows, refused, finding{}, tunnel.BoundUnknown},
		"Windows, the LAN address refused":       {lan, windows, refused, refused, tunnel.BoundLoopback},
		"Windows, the LAN address met us":        {lan, windows, refused, us, tunnel.BoundAll},
		"a stranger at the probe's":              {"", linux, finding{verdict: stranger}, finding{}, tunnel.BoundLoopback},
		"a stranger at the dialled address":      {"", linux, refused, finding{verdict: stranger}, tunnel.BoundLoopback},
		"the probe was taken and nothing came":   {"", linux, finding{verdict: noReturn}, finding{}, tunnel.BoundUnknown},
		"the server did not answer in the round": {"", linux, finding{verdict: silence}, finding{verdict: silence}, tunnel.BoundUnknown},
	}
	for name, test := range tests {
		outer := nat
		if test.lan != "" {
			outer = test.lan
		}
		found := findings{"localhost": us, "127.0.0.1": us, "::1": us, tunnel.LoopbackProbe: test.probe, outer: test.outer}
		if got := boundOf(found, test.lan, test.version); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
		found["localhost"] = finding{verdict: forbidden}
		if got := boundOf(found, test.lan, test.version); test.want != tunnel.BoundAll && got != tunnel.BoundUnknown {
			t.Errorf("%s, without a proof: %s", name, got)
		}
	}
}
