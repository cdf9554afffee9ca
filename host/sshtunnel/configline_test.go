package sshtunnel_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// What people are told to paste into sshd_config, put where they are told to put it, lets the whole tunnel do its work: both
// of its mappings, whichever of them met the refusal, and whatever stands in the file besides.
func TestTheConfigLinesToPasteMendIt(t *testing.T) {
	const atTheEnd = "Match Group nosuchgroup\nX11Forwarding no\nMatch all" // which lines at the end of the file fall into
	for name, test := range map[string]struct {
		config string
		kind   tunnel.Kind
	}{
		"AllowTcpForwarding no":                    {"AllowTcpForwarding no\n" + atTheEnd, tunnel.Expose},
		"AllowTcpForwarding no, reach alone":       {"AllowTcpForwarding no\n" + atTheEnd, tunnel.Reach},
		"AllowTcpForwarding local":                 {"AllowTcpForwarding local\n" + atTheEnd, tunnel.Expose},
		"AllowTcpForwarding local, in a Match":     {"Match User root\nAllowTcpForwarding local\n" + atTheEnd, tunnel.Expose},
		"AllowTcpForwarding remote":                {"AllowTcpForwarding remote\n" + atTheEnd, tunnel.Expose},
		"AllowTcpForwarding remote, reach alone":   {"AllowTcpForwarding remote", tunnel.Reach},
		"DisableForwarding yes":                    {"DisableForwarding yes\n" + atTheEnd, tunnel.Expose},
		"DisableForwarding yes, reach alone":       {"DisableForwarding yes", tunnel.Reach},
		"PermitListen another port":                {"PermitListen localhost:1\n" + atTheEnd, tunnel.Expose},
		"PermitListen another port, a gateway":     {"GatewayPorts clientspecified\nPermitListen localhost:1", tunnel.ExposeGateway},
		"PermitListen and PermitOpen another port": {"PermitListen localhost:1\nPermitOpen localhost:1", tunnel.Expose},
		"PermitListen none and PermitOpen none":    {"PermitListen none\nPermitOpen none\n" + atTheEnd, tunnel.Expose},
		"PermitOpen none":                          {"PermitOpen none\n" + atTheEnd, tunnel.Expose},
		"PermitOpen another target":                {"PermitOpen localhost:1", tunnel.Reach},
		"GatewayPorts no":                          {"GatewayPorts no\n" + atTheEnd, tunnel.ExposeGateway},
		"GatewayPorts yes":                         {"GatewayPorts yes\n" + atTheEnd, tunnel.Expose},
		"an old key exchange alone":                {"KexAlgorithms diffie-hellman-group14-sha1\n" + atTheEnd, tunnel.Expose},
		"a second factor":                          {"PasswordAuthentication yes\nAuthenticationMethods publickey,password\n" + atTheEnd, tunnel.Expose},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			svc := counting(t)
			target := reach("r", 0, "127.0.0.1", svc.port)
			other := expose("e", svc.port, freePort(t))
			if other.Kind = test.kind; test.kind == tunnel.Reach {
				other.Local, other.Remote = tunnel.Endpoint{}, tunnel.Endpoint{Host: "localhost", Port: svc.port}
			}
			stood := false // a session, whose rules no line in a file changes
			use := func(config []string) error {
				c, _ := sshd("", config...).start(t, 0)
				c.Mappings = func() []tunnel.Mapping { return []tunnel.Mapping{other, target} }
				l, err := tryOpen(t, c)
				if err != nil {
					return err
				}
				defer l.stop()
				stood = true
				err = l.Apply(soon(t), other)
				if err == nil && other.Kind.Exposes() {
					err = l.Prove(soon(t), "e")
				} else if err == nil {
					err = askTarget(l, soon(t), "e")
				}
				return errors.Join(err, l.Apply(soon(t), target), askTarget(l, soon(t), "r"))
			}
			config := strings.Split(test.config, "\n")
			var f *sshtunnel.Failure
			err := use(config)
			if !errors.As(err, &f) || f.Diagnosis == nil {
				t.Fatalf("no diagnosis: %v", err)
			}
			again := slices.ContainsFunc(f.Diagnosis.Fixes, func(x tunnel.Fix) bool { return x.Line == "culvert tunnel restart operator/it" })
			if again != stood {
				t.Errorf("a session stood: %t; to begin another: %t", stood, again)
			}
			mended := pasted(t, config, f.Diagnosis.Fixes)
			if err := use(mended); err != nil {
				t.Errorf("with\n%s\n%v", strings.Join(mended, "\n"), err)
			}
		})
	}
}

// pasted is config with the fixes that are for it, as somebody does who follows their words.
func pasted(t *testing.T, config []string, fixes []tunnel.Fix) []string {
	t.Helper()
	config = slices.Clone(config)
	last := 0
	for _, x := range fixes {
		place, ok := strings.CutPrefix(x.Where, "/etc/ssh/sshd_config, ")
		if !ok {
			continue
		}
		keyword, _, _ := strings.Cut(x.Line, " ")
		old := slices.IndexFunc(config, func(l string) bool { return strings.HasPrefix(l, keyword+" ") })
		match := slices.IndexFunc(config, func(l string) bool { return strings.HasPrefix(l, "Match ") })
		if match < 0 {
			match = len(config)
		}
		switch {
		case strings.Contains(place, "in place of the line that begins with "+keyword) && old >= 0,
			strings.HasPrefix(place, "only if a line begins with "+keyword+": in its place") && old >= 0:
			config[old] = x.Line
		case strings.Contains(place, "above the first Match"):
			config = slices.Insert(config, match, x.Line)
			last = match
		case place == "beneath that line":
			config = slices.Insert(config, last+1, x.Line)
		case strings.HasPrefix(place, "only if"):
		default:
			t.Errorf("nobody knows where that is: %s", x.Where)
		}
	}
	return config
}
