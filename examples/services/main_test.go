package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/culvert-pbx/culvert/sdk/sdktest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// certified makes a certificate that vouches for itself, and its PEM.
func certified(t *testing.T, name string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// one is a listener that has one connection.
type one chan net.Conn

func (l one) Accept() (net.Conn, error) {
	if c, ok := <-l; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (one) Close() error   { return nil }
func (one) Addr() net.Addr { return &net.UnixAddr{} }

// website answers requests on one connection to it.
func website(cert tls.Certificate) func(net.Conn) {
	return func(c net.Conn) {
		l := make(one, 1)
		l <- tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
		close(l)
		ended := make(chan bool)
		s := &http.Server{
			ErrorLog: log.New(io.Discard, "", 0), // who does not trust it is not its trouble
			Handler:  http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello from ", r.Host) }),
			ConnState: func(_ net.Conn, s http.ConnState) {
				if s == http.StateClosed {
					close(ended)
				}
			},
		}
		_ = s.Serve(l)
		<-ended
	}
}

func TestConformance(t *testing.T) {
	sdktest.Conformance(t, services{}, sdktest.Strict(), sdktest.Unjudged("EndInDial", "it dials in its test alone"), sdktest.Settings(
		`{"site":{"server":"tunnel@site.example","slots":{"page":{"on":true}}},"directory":{"password":"secret"}}`, `{}`))
}

// world runs the module with these slots on.
func world(t *testing.T, ca, host string, slots ...string) *sdktest.World {
	t.Helper()
	on := map[string]any{}
	for _, s := range slots {
		on[s] = map[string]any{"on": true}
	}
	doc, err := json.Marshal(map[string]any{
		"ca": ca, "site": map[string]any{"server": "tunnel@site.example", "slots": on}, "web": map[string]any{"host": host},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := sdktest.Run(t, services{}, string(doc))
	synctest.Wait() // for its tunnel to be declared
	return w
}

func find(steps tunnel.TestSteps, name string) (found tunnel.TestStep) {
	for _, s := range steps {
		if s.Name == name {
			found = s
		}
	}
	return found
}

func TestTheWebServerIsKnownByItsOwnName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cert, ca := certified(t, "crm.corp.example")
		_, other := certified(t, "crm.corp.example")
		for _, c := range []struct {
			ca, host string
			outcome  tunnel.Outcome
			message  string
		}{
			{ca, "crm.corp.example", tunnel.StepOK, "200 OK, 27 bytes"},
			{ca, "erp.corp.example", tunnel.StepFailed, "erp.corp.example"},
			{other, "crm.corp.example", tunnel.StepFailed, "certificate"},
			{"nonsense", "crm.corp.example", tunnel.StepFailed, "no certificate"},
		} {
			w := world(t, c.ca, c.host, "web")
			w.Serve("site/web", website(cert))
			steps := w.Test()
			if s := find(steps, "web server"); s.Outcome != c.outcome || !strings.Contains(s.Message, c.message) {
				t.Errorf("%s: the step is %+v", c.host, s)
			}
			if s := find(steps, "database"); s.Outcome != tunnel.StepSkipped {
				t.Errorf("a slot that is off is %+v", s)
			}
			if err := w.Stop(); err != nil {
				t.Error(err)
			}
		}
	})
}

// A service that is there and says nothing costs its step and not the test.
func TestASilentServiceFailsItsStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cert, ca := certified(t, "crm.corp.example")
		w := world(t, ca, "crm.corp.example", "ldap", "ldaps", "sql", "smb", "web")
		for _, slot := range []string{"ldap", "ldaps", "sql", "smb"} {
			w.Serve("site/"+slot, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
		}
		w.Serve("site/web", website(cert))
		steps := w.Test()
		for _, name := range []string{"directory, StartTLS", "directory, TLS", "database", "file share"} {
			if s := find(steps, name); s.Outcome != tunnel.StepFailed {
				t.Errorf("a service that says nothing is %+v", s)
			}
		}
		if s := find(steps, "web server"); s.Outcome != tunnel.StepOK {
			t.Errorf("the one behind them is %+v", s)
		}
	})
}

func TestThePageComesOutAtTheSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, "", "", "page")
		c := &http.Client{Transport: &http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) { return w.Connect("site/page") },
		}}
		for _, path := range []string{"/one", "/two"} {
			res, err := c.Get("http://pbx.example" + path)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(res.Body)
			res.Body.Close()
			if want := "services/default was asked for " + path + "\n"; err != nil || string(got) != want {
				t.Errorf("the page is %q, %v, not %q", got, err, want)
			}
		}
		c.CloseIdleConnections()
	})
}
