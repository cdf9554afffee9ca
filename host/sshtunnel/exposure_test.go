package sshtunnel_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestExposureIsMeasured asks sshd for ports under each of its settings. A port is never said to be narrower than it is.
func TestExposureIsMeasured(t *testing.T) {
	const loopbackOnly = `permitopen="localhost:{port}",permitopen="127.0.0.1:{port}",permitopen="[::1]:{port}"`
	tests := map[string]struct {
		site   site
		kind   tunnel.Kind
		bound  tunnel.Bound
		reason tunnel.Reason
	}{
		"no":                               {sshd("", "GatewayPorts no"), tunnel.Expose, tunnel.BoundLoopback, ""},
		"no, gateway":                      {sshd("", "GatewayPorts no"), tunnel.ExposeGateway, tunnel.BoundLoopback, tunnel.NarrowerThanDeclared},
		"yes":                              {sshd("", "GatewayPorts yes"), tunnel.Expose, tunnel.BoundAll, tunnel.WiderThanDeclared},
		"yes, gateway":                     {sshd("", "GatewayPorts yes"), tunnel.ExposeGateway, tunnel.BoundAll, ""},
		"clientspecified":                  {sshd("", "GatewayPorts clientspecified"), tunnel.Expose, tunnel.BoundLoopback, ""},
		"clientspecified, gateway":         {sshd("", "GatewayPorts clientspecified"), tunnel.ExposeGateway, tunnel.BoundAll, ""},
		"IPv4 only, no":                    {sshd("", "AddressFamily inet", "GatewayPorts no"), tunnel.Expose, tunnel.BoundLoopback, ""},
		"IPv4 only, yes":                   {sshd("", "AddressFamily inet", "GatewayPorts yes"), tunnel.Expose, tunnel.BoundAll, tunnel.WiderThanDeclared},
		"IPv4 only, gateway":               {sshd("", "AddressFamily inet", "GatewayPorts clientspecified"), tunnel.ExposeGateway, tunnel.BoundAll, ""},
		"yes, the probe may not be asked":  {sshd(loopbackOnly, "GatewayPorts yes"), tunnel.Expose, tunnel.BoundUnknown, ""},
		"no, the probe may be asked":       {sshd(loopbackOnly + `,permitopen="127.66.77.88:{port}"`), tunnel.Expose, tunnel.BoundLoopback, ""},
		"yes, the probe may be asked":      {sshd(loopbackOnly+`,permitopen="127.66.77.88:{port}"`, "GatewayPorts yes"), tunnel.Expose, tunnel.BoundAll, tunnel.WiderThanDeclared},
		"nothing may be asked":             {sshd("", "GatewayPorts yes", "PermitOpen none"), tunnel.Expose, tunnel.BoundUnknown, tunnel.ProofForbidden},
		"nothing may be asked, remote":     {sshd("", "AllowTcpForwarding remote"), tunnel.ExposeGateway, tunnel.BoundUnknown, tunnel.ProofForbidden},
		"dropbear":                         {dropbear(""), tunnel.Expose, tunnel.BoundLoopback, ""},
		"dropbear, gateway":                {dropbear(""), tunnel.ExposeGateway, tunnel.BoundLoopback, tunnel.NarrowerThanDeclared},
		"dropbear, all ports for everyone": {dropbear("", "-a"), tunnel.Expose, tunnel.BoundLoopback, ""}, // it does bind localhost when told so
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := freePort(t)
			c, _ := test.site.start(t, port)
			l := open(t, c)
			svc := counting(t)
			m := expose("e", svc.port, port)
			m.Kind = test.kind
			must(t, l.Apply(soon(t), m))
			if b := l.Bound("e"); b != tunnel.BoundUnknown {
				t.Errorf("bound %s before it was measured", b)
			}
			for range 3 {
				wantResult(t, l.Prove(soon(t), "e"), test.reason)
			}
			if b := l.Bound("e"); b != test.bound {
				t.Errorf("bound %s, want %s", b, test.bound)
			}
			bound := strings.Join(sshdtest.Bound(t, port), " ")
			if all := strings.Contains(bound, "0.0.0.0"); test.bound != tunnel.BoundUnknown && all != (test.bound == tunnel.BoundAll) {
				t.Errorf("really bound to %s", bound)
			}
			if svc.connections.Load() != 0 {
				t.Errorf("the service saw %d connections", svc.connections.Load())
			}
			must(t, l.Withdraw(soon(t), "e"))
		})
	}
}

// wantResult is wantReason, with "" for success.
func wantResult(t *testing.T, err error, reason tunnel.Reason) {
	t.Helper()
	if reason == "" {
		must(t, err)
		return
	}
	wantReason(t, err, reason)
}

// TestExposureInANetwork has a server with an address of its own, which is also reached by another, behind NAT.
func TestExposureInANetwork(t *testing.T) {
	sshdtest.Need(t)
	if !apart(t) {
		return
	}
	const lan, nat = "192.168.7.10", "203.0.113.9"
	for _, line := range []string{
		"link add lan0 type veth peer name lan1", "addr add " + lan + "/24 dev lan0", "link set lan0 up", "link set lan1 up",
		"route add default dev lan0",
	} {
		command(t, "ip", strings.Fields(line)...)
	}
	for _, gateway := range []string{"no", "yes", "clientspecified"} {
		s, c := byKey(t, sshdtest.Options{Addr: lan, Config: []string{"GatewayPorts " + gateway}})
		command(t, "iptables", strings.Fields(fmt.Sprintf("-t nat -I OUTPUT -d %s -p tcp --dport %d -j DNAT --to %s:%d", nat, s.Port, lan, s.Port))...)
		for name, way := range map[string]func(c *sshtunnel.Config){
			"dialled":              func(*sshtunnel.Config) {},
			"behind NAT, with LAN": func(c *sshtunnel.Config) { c.Server.Host, c.LAN = nat, lan },
			"behind NAT":           func(c *sshtunnel.Config) { c.Server.Host = nat },
		} {
			for _, kind := range []tunnel.Kind{tunnel.Expose, tunnel.ExposeGateway} {
				t.Run(fmt.Sprintf("%s, %s, %s", gateway, name, kind), func(t *testing.T) {
					c := c
					way(&c)
					exposedAs(t, c, kind, gateway == "yes" || gateway == "clientspecified" && kind == tunnel.ExposeGateway)
				})
			}
		}
	}
}

// exposedAs expects the port to be offered to all or to loopback, whatever was declared, and that no question reaches the
// service.
func exposedAs(t *testing.T, c sshtunnel.Config, kind tunnel.Kind, all bool) {
	l := open(t, c)
	svc := counting(t)
	m := expose("e", svc.port, freePort(t))
	m.Kind = kind
	must(t, l.Apply(soon(t), m))
	bound, reason := tunnel.BoundLoopback, tunnel.Reason("")
	switch {
	case all && kind == tunnel.Expose:
		bound, reason = tunnel.BoundAll, tunnel.WiderThanDeclared
	case all:
		bound = tunnel.BoundAll
	case kind == tunnel.ExposeGateway:
		reason = tunnel.NarrowerThanDeclared
	}
	began := time.Now()
	for range 4 {
		wantResult(t, l.Prove(soon(t), "e"), reason)
	}
	if took := time.Since(began); took > 9*time.Second {
		t.Errorf("four proofs took %v", took)
	}
	if b := l.Bound("e"); b != bound {
		t.Errorf("bound %s, want %s", b, bound)
	}
	if svc.connections.Load() != 0 {
		t.Errorf("the service saw %d connections", svc.connections.Load())
	}
}

// TestProofsKeepAnIdleTunnelAlive against an sshd that ends connections without channels; one that is only asked for
// signs of life is cut.
func TestProofsKeepAnIdleTunnelAlive(t *testing.T) {
	for name, proves := range map[string]bool{"with proofs": true, "with keepalives alone": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, server := sshd("", "UnusedConnectionTimeout 3s").start(t, 0)
			if strings.Contains(server.Log(), "Unsupported option") {
				t.Skip("skipped: this sshd has no UnusedConnectionTimeout (OpenSSH 9.2)")
			}
			l := open(t, c)
			must(t, l.Apply(soon(t), expose("e", counting(t).port, freePort(t))))
			end := time.After(8 * time.Second)
			tick := time.NewTicker(700 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					if proves {
						must(t, l.Prove(soon(t), "e"))
					} else {
						_ = l.Keepalive(soon(t))
					}
				case <-l.gone:
					if proves {
						t.Errorf("cut: %v", l.stop())
					}
					return
				case <-end:
					if !proves {
						t.Error("not cut: the test shows nothing")
					}
					return
				}
			}
		})
	}
}
