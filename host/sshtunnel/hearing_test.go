package sshtunnel_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestThoroughTarget hears what services say of themselves, behind either kind, and sends them nothing of an application.
// Each service has a loopback address of its own, for the ports of TLS, in a net that other runs of the test hardly have.
func TestThoroughTarget(t *testing.T) {
	_, c := byKey(t, sshdtest.Options{})
	l := open(t, c)
	valid, past := time.Date(2099, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := map[string]struct {
		host   int // the end of its address
		port   int
		handle func(*net.TCPConn)
		want   string // "..." stands for anything
	}{
		"a greeting": {1, 25, greet(t), `220 \x1b[1mready`},
		"nothing":    {2, 389, drain, ""},
		"hangs up":   {3, 389, func(*net.TCPConn) {}, ""},
		"a long one": {4, 25, func(c *net.TCPConn) { say(c, strings.Repeat("x", 5000)); drain(c) }, strings.Repeat("x", 80) + "…"},
		"a certificate": {5, 636, certified(t, "dc1.corp.local", valid),
			"TLS 1.3, certificate of dc1.corp.local, valid until 2099-01-02"},
		"an expired certificate": {6, 8443, certified(t, "dc2.corp.local", past),
			"TLS 1.3, certificate of dc2.corp.local, expired on 2020-01-02"},
		"a port of TLS that greets":    {7, 993, func(c *net.TCPConn) { say(c, "220 mail\r\n"); drain(c) }, "no TLS (...)"},
		"a port of TLS that is silent": {8, 443, drain, ""},
	}
	ours := fmt.Sprintf("127.%d.%d.", 128+rand.IntN(127), rand.IntN(256))
	for name, test := range tests {
		host, port := ours+strconv.Itoa(test.host), serveAt(t, fmt.Sprintf("%s%d:%d", ours, test.host, test.port), test.handle).port
		there, here := reach("reach "+name, 0, host, port), expose("expose "+name, port, freePort(t))
		here.Local.Host = host
		for _, m := range []tunnel.Mapping{there, here} {
			must(t, l.Apply(soon(t), m))
			t.Run(m.Name, func(t *testing.T) {
				t.Parallel()
				taken := 0
				heard, err := l.Target(soon(t), m.Name, func() { taken++ })
				if taken != 1 {
					t.Errorf("told %d times that the connection was taken", taken)
				}
				must(t, err)
				if begin, _, any := strings.Cut(test.want, "..."); heard != test.want && (!any || !strings.HasPrefix(heard, begin)) {
					t.Errorf("heard %q, want %q", heard, test.want)
				}
				if heard, err = l.Target(soon(t), m.Name, nil); err != nil || heard != "" {
					t.Errorf("asked for less: %q, %v", heard, err)
				}
			})
		}
	}
}

// greet says something first, and wants to hear nothing.
func greet(t *testing.T) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		say(c, "220 \x1b[1mready\r\nmore\r\n")
		if n, _ := io.Copy(io.Discard, c); n != 0 {
			t.Errorf("the service was sent %d bytes", n)
		}
	}
}

// certified speaks TLS with a certificate of that name, and wants to hear nothing beside.
func certified(t *testing.T, name string, until time.Time) func(*net.TCPConn) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	must(t, err)
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ignored"}, DNSNames: []string{name},
		NotBefore: time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: until,
	}
	der, err := x509.CreateCertificate(crand.Reader, cert, cert, key.Public(), key)
	must(t, err)
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return func(c *net.TCPConn) {
		if n, _ := tls.Server(c, config).Read(make([]byte, 1)); n != 0 {
			t.Error("the service was sent something")
		}
	}
}
