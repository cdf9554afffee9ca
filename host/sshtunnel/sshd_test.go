package sshtunnel_test

import (
	"bytes"
	"crypto/rand"
	"os"
	"slices"
	"testing"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// byKey makes a key pair, starts an sshd that takes it, and returns the way in.
func byKey(t *testing.T, o sshdtest.Options) (*sshdtest.Server, sshtunnel.Config) {
	t.Helper()
	pair, err := sshtunnel.NewKeyPair("test")
	must(t, err)
	for i, options := range o.AuthorizedKeys { // given are the options before the key
		o.AuthorizedKeys[i] = options + " " + pair.AuthorizedKey()
	}
	if o.AuthorizedKeys == nil {
		o.AuthorizedKeys = []string{pair.AuthorizedKey()}
	}
	s := sshdtest.Start(t, o)
	c := config(s.Host, s.Port)
	c.Credential = tunnel.Credential{Login: tunnel.LoginKey}
	c.HostKey = func() (tunnel.Secret, error) { return pair.PEM(), nil }
	return s, c
}

func TestSSHDCarriesAllFourKindsWithHalfClose(t *testing.T) {
	_, c := byKey(t, sshdtest.Options{Config: []string{"GatewayPorts clientspecified"}})
	l := open(t, c)
	svc := serve(t, digest)
	kinds := []tunnel.Mapping{
		reach("reach", freePort(t), "127.0.0.1", svc.port),
		reach("reach-gateway", freePort(t), "127.0.0.1", svc.port),
		expose("expose", svc.port, freePort(t)),
		expose("expose-gateway", svc.port, freePort(t)),
	}
	size := 8 << 20
	if os.Getenv("CULVERT_SOAK") != "" {
		size = 100 << 20
	}
	data := make([]byte, size)
	rand.Read(data)
	want := digestOf(data)
	for _, m := range kinds {
		m.Kind = tunnel.Kind(m.Name)
		t.Run(m.Name, func(t *testing.T) {
			must(t, l.Apply(soon(t), m))
			must(t, l.Prove(soon(t), m.Name))
			port := m.Local.Port
			if m.Kind.Exposes() {
				port = m.Remote.Port
			}
			got := exchangeAll(t, dial(t, "127.0.0.1", port), bytes.Clone(data))
			if !bytes.Equal(got, want) {
				t.Errorf("%d bytes came back, want the digest and %d bytes", len(got), len(data))
			}
			bound, wantBound := sshdtest.Bound(t, port), []string{"127.0.0.1", "[::1]"}
			if m.Kind.Gateway() && m.Kind.Exposes() {
				wantBound = []string{"0.0.0.0", "[::]"}
			}
			if !slices.Equal(bound, wantBound) {
				t.Errorf("bound to %v, want %v", bound, wantBound)
			}
			must(t, l.Withdraw(soon(t), m.Name))
			if bound := sshdtest.Bound(t, port); len(bound) > 0 {
				t.Errorf("still bound to %v after it was withdrawn", bound)
			}
		})
	}
}
