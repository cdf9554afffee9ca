package sshtunnel_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// leastLine starts an sshd that lets a tunnel of these mappings in with its least line, and returns the way in.
func leastLine(t *testing.T, ms ...tunnel.Mapping) (*sshdtest.Server, sshtunnel.Config) {
	t.Helper()
	least := tunnel.Tunnel{Server: tunnel.Server{Host: "127.0.0.1"}, Mappings: ms}
	return byKey(t, sshdtest.Options{AuthorizedKeys: []string{tunnel.AuthorizedOptions(least)}, Config: []string{"GatewayPorts clientspecified", "Subsystem sftp internal-sftp"}})
}

// The least line of authorized_keys is enough for a tunnel with mappings of all kinds: they listen, are proved, and it is
// measured where they are bound.
func TestTheLeastLineIsEnough(t *testing.T) {
	svc := serve(t, digest)
	ms := []tunnel.Mapping{
		expose("expose", svc.port, freePort(t)), expose("expose-gateway", svc.port, freePort(t)),
		reach("reach", freePort(t), "", svc.port), reach("reach-gateway", freePort(t), "127.0.0.1", svc.port),
		reach("private", 0, "localhost", svc.port),
	}
	for i := range ms[:4] {
		ms[i].Kind = tunnel.Kind(ms[i].Name)
	}
	_, c := leastLine(t, ms...)
	l := open(t, c)
	for _, m := range ms {
		must(t, l.Apply(soon(t), m))
		must(t, l.Prove(soon(t), m.Name))
		must(t, askTarget(l, soon(t), m.Name))
	}
	for name, want := range map[string]tunnel.Bound{"expose": tunnel.BoundLoopback, "expose-gateway": tunnel.BoundAll} {
		if got := l.Bound(name); got != want {
			t.Errorf("%s is found to be bound to %s", name, got)
		}
	}
}

// What people are told to paste where a key's line forbids something, or the key is not taken, lets the whole tunnel do its
// work, at the server that refused: the mapping that was refused and the other.
func TestTheLineToPasteMendsIt(t *testing.T) {
	for name, test := range map[string]struct{ refuses, mended site }{
		"OpenSSH, restrict":                         {sshd("restrict"), sshd("")},
		"OpenSSH, no-port-forwarding":               {sshd("no-port-forwarding"), sshd("")},
		"OpenSSH, another port":                     {sshd(`permitlisten="localhost:1"`), sshd("")},
		"OpenSSH, another key":                      {sshd("").otherKey(), sshd("")},
		"Dropbear, restrict":                        {dropbear("restrict"), dropbear("")},
		"Dropbear, no-port-forwarding":              {dropbear("no-port-forwarding"), dropbear("")},
		"Dropbear, an option that it does not know": {dropbear(`permitlisten="localhost:1"`), dropbear("")},
		"Dropbear, another key":                     {dropbear("").otherKey(), dropbear("")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			svc := counting(t)
			exposed, target := expose("e", svc.port, freePort(t)), reach("r", 0, "127.0.0.1", svc.port)
			use := func(s site) error {
				c, _ := s.start(t, 0)
				c.Mappings = whole(exposed, target)
				l, err := tryOpen(t, c)
				if err != nil {
					return err
				}
				defer l.stop()
				return errors.Join(l.Apply(soon(t), exposed), l.Apply(soon(t), target), l.Prove(soon(t), "e"), askTarget(l, soon(t), "r"))
			}
			test.mended.options = toPaste(t, use(test.refuses))
			if err := use(test.mended); err != nil {
				t.Errorf("with the options %s: %v", test.mended.options, err)
			}
		})
	}
}

// toPaste are the options of the line to paste of a failure; the command that shows it comes first.
func toPaste(t *testing.T, err error) string {
	t.Helper()
	var f *sshtunnel.Failure
	if !errors.As(err, &f) || f.Diagnosis == nil {
		t.Fatalf("no diagnosis: %v", err)
	}
	last := f.Diagnosis.Fixes[len(f.Diagnosis.Fixes)-1].Line
	if again := last == "culvert tunnel restart operator/it"; again != (f.Reason != tunnel.LoginRefused) {
		t.Errorf("%s, and the last line to paste is %s", f.Reason, last)
	}
	for i, x := range f.Diagnosis.Fixes[1:] {
		if f.Diagnosis.Fixes[i].Line == "culvert key show operator/it" && strings.Contains(x.Where, "authorized_keys") {
			options, _, _ := strings.Cut(x.Line, " ssh-")
			return options
		}
	}
	t.Fatalf("nothing to paste: %+v", f.Diagnosis)
	return ""
}

// It allows nothing else: no other port in either direction, no other host string, no command, no files.
func TestTheLeastLineAllowsNothingElse(t *testing.T) {
	svc, other := serve(t, digest), serve(t, digest)
	exposed := expose("expose", svc.port, freePort(t))
	target := reach("reach", freePort(t), "127.0.0.1", svc.port)
	for name, ms := range map[string][]tunnel.Mapping{
		"both directions": {exposed, target}, "reach alone": {target}, "no mapping": {},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := leastLine(t, ms...)
			client := loggedIn(t, s, c)
			for _, address := range []string{
				fmt.Sprintf("127.0.0.1:%d", other.port), fmt.Sprintf("localhost:%d", svc.port), fmt.Sprintf("127.0.0.1:%d", s.Port),
			} {
				if conn, err := client.Dial("tcp", address); !prohibited(err) {
					t.Errorf("a connection to %s: %v, %v", address, conn, err)
				}
			}
			for _, host := range []string{"", "localhost", "0.0.0.0", "127.0.0.1", "none"} {
				for _, port := range []int{freePort(t), exposed.Remote.Port} {
					if host == "localhost" && port == exposed.Remote.Port && len(ms) == 2 {
						continue
					}
					if ok, err := listens(client, host, port); ok || err != nil {
						t.Errorf("it may listen at %q, port %d: %v", host, port, err)
					}
				}
			}
			wantNoSession(t, client)
		})
	}
}

// loggedIn is a connection that asks for whatever the test wants.
func loggedIn(t *testing.T, s *sshdtest.Server, c sshtunnel.Config) *ssh.Client {
	t.Helper()
	pem, err := c.HostKey()
	must(t, err)
	key, err := ssh.ParsePrivateKey([]byte(pem.Reveal()))
	must(t, err)
	client, err := ssh.Dial("tcp", fmt.Sprintf("%s:%d", s.Host, s.Port), &ssh.ClientConfig{
		User: c.Server.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	must(t, err)
	t.Cleanup(func() { client.Close() })
	return client
}

func prohibited(err error) bool {
	var refused *ssh.OpenChannelError
	return errors.As(err, &refused) && refused.Reason == ssh.Prohibited
}

// listens asks for a remote port by exactly that host string.
func listens(c *ssh.Client, host string, port int) (bool, error) {
	ok, _, err := c.SendRequest("tcpip-forward", true, ssh.Marshal(struct {
		Host string
		Port uint32
	}{host, uint32(port)}))
	return ok, err
}

func wantNoSession(t *testing.T, c *ssh.Client) {
	t.Helper()
	session, err := c.NewSession()
	must(t, err)
	defer session.Close()
	if out, err := session.Output("echo here"); err == nil || len(out) > 0 {
		t.Errorf("it may run commands: %q, %v", out, err)
	}
	files, err := c.NewSession()
	must(t, err)
	defer files.Close()
	out, err := files.StdoutPipe()
	must(t, err)
	in, err := files.StdinPipe()
	must(t, err)
	must(t, files.RequestSubsystem("sftp"))
	_, _ = in.Write([]byte{0, 0, 0, 5, 1, 0, 0, 0, 3}) // its greeting, which it answers
	if n, _ := out.Read(make([]byte, 1)); n > 0 {
		t.Error("it may use files")
	}
}
