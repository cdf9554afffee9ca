package tunnel_test

import (
	"fmt"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func ExampleParseMapping() {
	m, _ := tunnel.ParseMapping(tunnel.Reach, "ldap=1389:dc1.example.org:389")
	fmt.Println(m.Name, m.Local.Port, m.Remote.Host, m.Remote.Port)

	_, findings := tunnel.ParseMapping(tunnel.Expose, "phone=192.0.2.7:80:99999")
	fmt.Println(findings.In("--expose"))
	// Output:
	// ldap 1389 dc1.example.org 389
	// --expose.remote.port: there is no port 99999; give a port from 1 to 65535
}

func ExampleCollisions() {
	mapping := func(text string) []tunnel.Mapping {
		m, _ := tunnel.ParseMapping(tunnel.Reach, text)
		return []tunnel.Mapping{m}
	}
	held := tunnel.Tunnel{Ref: tunnel.Ref{Owner: "adsync", Name: "berlin.site"}, Mappings: mapping("ldap=1389:389")}
	wanted := tunnel.Tunnel{Ref: tunnel.Ref{Owner: tunnel.Operator, Name: "office"}, Mappings: mapping("a=1389:dc2:389")}

	fmt.Println(tunnel.Collisions(wanted, slices.Values([]tunnel.Tunnel{held})))
	// Output:
	// mappings[a].local.port: local port 1389 is taken by mapping ldap of adsync/berlin.site; choose another local port
}
