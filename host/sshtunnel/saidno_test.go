package sshtunnel_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestWhatSomebodyOnTheWayRefuses is told apart from what there is no route to: the server, and a target at it.
func TestWhatSomebodyOnTheWayRefuses(t *testing.T) {
	sshdtest.Need(t)
	if !apart(t) {
		return
	}
	const refused, nowhere = "198.51.100.1", "203.0.113.1"
	for _, line := range []string{
		"link add lan0 type veth peer name lan1", "addr add 192.168.7.10/24 dev lan0", "link set lan0 up", "link set lan1 up",
		"route add " + refused + " dev lan0",
	} {
		command(t, "ip", strings.Fields(line)...)
	}
	command(t, "iptables", strings.Fields("-I OUTPUT -p tcp -d "+refused+" -j REJECT --reject-with icmp-admin-prohibited")...)

	f := wantRefusal(t, connecting(t, config(refused, 22)), tunnel.Unreachable, tunnel.HostUnreachable)
	if strings.Contains(f.Message, "no route") || !strings.Contains(f.Diagnosis.Fixes[0].Line, "traceroute -n -T -p 22 "+refused) {
		t.Errorf("told as %s, %+v", f.Message, f.Diagnosis.Fixes)
	}
	f = wantRefusal(t, connecting(t, config(nowhere, 22)), tunnel.Unreachable, tunnel.NoRoute)
	if !strings.Contains(f.Message, "no route") {
		t.Errorf("told as %s", f.Message)
	}

	_, c := byKey(t, sshdtest.Options{})
	l := open(t, c)
	f = wantRefusal(t, askHost(t, l, refused, 80), tunnel.TargetUnreachable, tunnel.TargetHostUnreachable)
	if line := f.Diagnosis.Fixes[0].Line; !strings.Contains(line, "nc -vz -w 5 "+refused+" 80") {
		t.Errorf("to paste: %s", line)
	}
	wantRefusal(t, askHost(t, l, nowhere, 80), tunnel.TargetUnreachable, tunnel.TargetNoRoute)
}

// TestStrangerOnOneAddressOfAGatewaysPort: sshd has the others, so the port works for some hosts; who holds it is told,
// and once that is gone the port is had whole. On an address that a port of localhost does not want, nobody is in the way.
func TestStrangerOnOneAddressOfAGatewaysPort(t *testing.T) {
	sshdtest.Need(t)
	if !apart(t) {
		return
	}
	const lan = "192.168.7.10"
	for _, line := range []string{
		"link add lan0 type veth peer name lan1", "addr add " + lan + "/24 dev lan0", "link set lan0 up", "link set lan1 up",
	} {
		command(t, "ip", strings.Fields(line)...)
	}
	stranger := serveAt(t, net.JoinHostPort(lan, "0"), func(c *net.TCPConn) { say(c, "220 stranger\r\n"); drain(c) })
	_, c := byKey(t, sshdtest.Options{Addr: lan, Config: []string{"GatewayPorts clientspecified"}})
	l := open(t, c)
	m := expose("e", counting(t).port, stranger.port)
	m.Kind = tunnel.ExposeGateway
	must(t, l.Apply(soon(t), m))
	for range 2 {
		f := wantRefusal(t, l.Prove(soon(t), "e"), tunnel.RemotePortHeld, tunnel.HeldInOneFamily)
		if want := fmt.Sprintf("ss -ltnp 'sport = :%d'", stranger.port); f.Diagnosis.Fixes[0].Line != want || !strings.Contains(f.Message, lan) {
			t.Errorf("%s; to paste: %+v", f.Message, f.Diagnosis.Fixes)
		}
	}
	m.Kind = tunnel.Expose
	must(t, l.Apply(soon(t), m))
	must(t, l.Prove(soon(t), "e"))
	m.Kind = tunnel.ExposeGateway
	must(t, l.Apply(soon(t), m))
	wantReason(t, l.Prove(soon(t), "e"), tunnel.RemotePortHeld)
	stranger.Close()
	must(t, l.Prove(soon(t), "e"))
	if b := l.Bound("e"); b != tunnel.BoundAll {
		t.Errorf("bound %s", b)
	}
}
