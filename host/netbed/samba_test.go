package netbed

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"net"
	"testing"
	"time"
)

// The site's server reaches the domain controllers of its network, the PBX does not.
func TestDomainControllersAreBehindTheSite(t *testing.T) {
	if err := MissingSamba(); err != nil {
		t.Skip("skipped: ", err)
	}
	b, _ := newBed(t)
	lan, err := b.LAN()
	if err != nil {
		t.Fatal(err)
	}
	one, err := b.DC(lan, LANAddr)
	if err != nil {
		t.Fatal(err)
	}
	if err := one.Change("dn: CN=Anna,CN=Users," + DomainBase + "\nchangetype: add\nobjectClass: user\nsAMAccountName: anna\n\nrename: CN=Anna,CN=Users," +
		DomainBase + " -> CN=Anne,CN=Users," + DomainBase + "\n"); err != nil {
		t.Fatal(err)
	}
	two, err := one.Second(LANAddr2)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []*DC{one, two} {
		if pin := shown(t, b.Srv, d.Addr); pin != d.Pin {
			t.Errorf("%s shows the certificate %s, not %s", d.Addr, pin, d.Pin)
		}
		if err := d.Change("dn: CN=Anne,CN=Users," + DomainBase + "\nchangetype: delete\n"); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if c, err := b.PBX.Dial(ctx, net.JoinHostPort(d.Addr, "636")); err == nil {
			c.Close()
			t.Errorf("the PBX reaches %s", d.Addr)
		}
		cancel()
	}
	one.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if c, err := b.Srv.Dial(ctx, net.JoinHostPort(one.Addr, "636")); err == nil {
		c.Close()
		t.Error("a controller answers that was stopped")
	}
	if pin := shown(t, b.Srv, two.Addr); pin != two.Pin {
		t.Error("the other one ended with it")
	}
}

// shown is the SHA-256 of the certificate that is shown to a namespace.
func shown(t *testing.T, from *Namespace, addr string) string {
	t.Helper()
	c, err := from.Dial(t.Context(), net.JoinHostPort(addr, "636"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	if err := s.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(s.ConnectionState().PeerCertificates[0].Raw)
	return hex.EncodeToString(sum[:])
}
