package tunnel_test

import (
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestKeyOptionsAreInTheWordsOfTheServer(t *testing.T) {
	const openSSH, dropbear, closed = "SSH-2.0-OpenSSH_9.2p1", "SSH-2.0-dropbear_2022.83", `no-pty,no-agent-forwarding,no-X11-forwarding,command="exit 1"`
	const targets = `permitopen="dc1:389",permitopen="localhost:8080",permitopen="127.0.0.1:8080",permitopen="[::1]:8080",permitopen="127.66.77.88:8080"`
	both := []tunnel.Mapping{
		{Kind: tunnel.Reach, Remote: tunnel.Endpoint{Host: "dc1", Port: 389}}, {Kind: tunnel.Expose, Remote: tunnel.Endpoint{Port: 8080}},
	}
	for name, c := range map[string]struct {
		version  string
		mappings []tunnel.Mapping
		want     string // "" is AuthorizedOptions
	}{
		"not known":                      {"", both, ""},
		"OpenSSH":                        {openSSH, both, ""},
		"OpenSSH, no mapping":            {openSSH, nil, ""},
		"Dropbear":                       {dropbear, both, closed + "," + targets},
		"Dropbear, no mapping":           {dropbear, nil, closed + ",no-port-forwarding"},
		"Dropbear, newer":                {"SSH-2.0-dropbear_2025.88", both, closed + "," + targets},
		"Dropbear that hides its number": {"SSH-2.0-dropbear", both, closed + "," + targets},
		"Dropbear, older":                {"SSH-2.0-dropbear_2022.82", both, closed},
		"Dropbear, older, of a vendor":   {"SSH-2.0-dropbear_0.52 vendor", nil, closed + ",no-port-forwarding"},
	} {
		t.Run(name, func(t *testing.T) {
			tun := tunnel.Tunnel{Server: tunnel.Server{Host: "srv.example.org"}, Mappings: c.mappings}
			want := c.want
			if want == "" {
				want = tunnel.AuthorizedOptions(tun)
			}
			if got := tunnel.KeyOptions(tun, c.version); got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}

func TestLookedUp(t *testing.T) {
	for host, want := range map[string]bool{
		"": false, "localhost": false, "LocalHost": false, "127.0.0.1": false, "::1": false, "fe80::1%eth0": false, "dc1": true, "dc1.corp.example": true, "1.2.3": true,
	} {
		if got := tunnel.LookedUp(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}
