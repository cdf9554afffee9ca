package tunnel_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestAuthorizedOptionsAllowWhatTheTunnelNeeds(t *testing.T) {
	const proofs = `permitopen="localhost:8080",permitopen="127.0.0.1:8080",permitopen="[::1]:8080",permitopen="127.66.77.88:8080"`
	for _, c := range []struct {
		name     string
		server   string
		lan      string
		port     int      // 22 where it is 0
		mappings []string // KIND SPEC
		want     string
	}{
		{"nothing", "srv.example.org", "", 0, nil, `restrict,command="exit 1"`},
		{"a reach to the server itself", "srv.example.org", "", 0, []string{"reach 1389:389"},
			`restrict,command="exit 1",port-forwarding,permitopen="localhost:389",permitlisten="none:22"`},
		{"a reach at another port: 22 may be free there", "srv.example.org", "", 8822, []string{"reach 1389:389"},
			`restrict,command="exit 1",port-forwarding,permitopen="localhost:389",permitlisten="none:1"`},
		{"a private reach to a target", "srv.example.org", "", 0, []string{"reach :dc1.example.org:389"},
			`restrict,command="exit 1",port-forwarding,permitopen="dc1.example.org:389",permitlisten="none:22"`},
		{"two ways to one target", "srv.example.org", "", 0, []string{"reach 1389:[2001:db8::7]:389", "reach-gateway 2389:[2001:db8::7]:389"},
			`restrict,command="exit 1",port-forwarding,permitopen="[2001:db8::7]:389",permitlisten="none:22"`},
		{"an expose", "srv.example.org", "", 0, []string{"expose 80:8080"},
			`restrict,command="exit 1",port-forwarding,permitlisten="localhost:8080",` + proofs},
		{"an expose-gateway asks for the empty host", "srv.example.org", "", 0, []string{"expose-gateway 80:8080"},
			`restrict,command="exit 1",port-forwarding,permitlisten=":8080",` + proofs},
		{"a server known by its address", "192.0.2.7", "", 0, []string{"expose 80:8080"},
			`restrict,command="exit 1",port-forwarding,permitlisten="localhost:8080",` + proofs + `,permitopen="192.0.2.7:8080"`},
		{"a server with an address in its own network", "192.0.2.7", "2001:db8::9", 0, []string{"expose 80:8080"},
			`restrict,command="exit 1",port-forwarding,permitlisten="localhost:8080",` + proofs + `,permitopen="[2001:db8::9]:8080"`},
		{"a server on the PBX itself", "127.0.0.1", "", 0, []string{"expose 80:8080"},
			`restrict,command="exit 1",port-forwarding,permitlisten="localhost:8080",` + proofs},
		{"both directions at one port", "srv.example.org", "", 0, []string{"expose 80:8080", "reach 1389:localhost:8080"},
			`restrict,command="exit 1",port-forwarding,permitlisten="localhost:8080",` + proofs},
	} {
		t.Run(c.name, func(t *testing.T) {
			tun := tunnel.Tunnel{LAN: c.lan}
			tun.Server.Host, tun.Server.Port = c.server, cmp.Or(c.port, tunnel.DefaultPort)
			for _, text := range c.mappings {
				kind, spec, _ := strings.Cut(text, " ")
				m, fs := tunnel.ParseMapping(tunnel.Kind(kind), spec)
				if len(fs) > 0 {
					t.Fatal(fs)
				}
				tun.Mappings = append(tun.Mappings, m)
			}
			if got := tunnel.AuthorizedOptions(tun); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

// What the line allows and what is asked for are the same strings, because sshd compares them literally.
func TestProofHostsAreThoseOfTheLine(t *testing.T) {
	tun := tunnel.Tunnel{Server: tunnel.Server{Host: "192.0.2.7"}, Mappings: []tunnel.Mapping{{Kind: tunnel.Expose, Remote: tunnel.Endpoint{Port: 9}}}}
	hosts := tunnel.ProofHosts(tun)
	if !slices.Contains(hosts, tunnel.LoopbackProbe) || hosts[0] != "localhost" {
		t.Errorf("proof hosts are %q", hosts)
	}
	line := tunnel.AuthorizedOptions(tun)
	for _, host := range hosts {
		if host == "::1" {
			host = "[::1]"
		}
		if !strings.Contains(line, `permitopen="`+host+`:9"`) {
			t.Errorf("%s is not allowed by %s", host, line)
		}
	}
}
