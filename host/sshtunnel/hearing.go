package sshtunnel

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

const (
	bannerTimeout = 2 * time.Second // for a service that speaks first to say something
	helloTimeout  = 4 * time.Second // for a TLS handshake
)

// tlsPorts are those at which everybody speaks TLS from the first byte.
var tlsPorts = []int{443, 465, 563, 636, 853, 989, 990, 992, 993, 994, 995, 2376, 3269, 5061, 5671, 5986, 6443, 6514, 8089, 8443, 8883, 9443, 10443}

// hear returns what the service at the other end of c says of itself, "" where that is nothing: its certificate at a port
// of TLS, else its first line, if it speaks first. No byte of an application is sent. It ends c. A read of a channel cannot
// be interrupted, so a goroutine of the link does it, which ends with the channel.
func (l *Link) hear(ctx context.Context, c io.ReadWriteCloser, port int) string {
	listen, within := firstLineOf, bannerTimeout
	if slices.Contains(tlsPorts, port) {
		listen, within = hearTLS, helloTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	defer c.Close()
	heard := make(chan string, 1)
	if !l.spawn(func() { heard <- listen(ctx, c) }) {
		return ""
	}
	select {
	case line := <-heard:
		return line
	case <-ctx.Done():
		return ""
	}
}

// firstLineOf reads until a line is whole, c ends or enough was said.
func firstLineOf(_ context.Context, c io.ReadWriteCloser) string {
	buf := make([]byte, 4*maxSaid)
	n := 0
	for n < len(buf) && !bytes.Contains(buf[:n], []byte("\n")) {
		k, err := c.Read(buf[n:])
		if n += k; err != nil {
			break
		}
	}
	line, _, _ := strings.Cut(string(buf[:n]), "\n")
	return tunnel.Clean(strings.TrimRight(line, "\r"), maxSaid)
}

// hearTLS shakes hands as far as to see the certificate; whose it is, is not checked: this is only to look.
func hearTLS(ctx context.Context, c io.ReadWriteCloser) string {
	t := tls.Client(stream{c}, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10}) //nolint:gosec // only to look, see above
	if err := t.HandshakeContext(ctx); err != nil {
		return "no TLS (" + tunnel.Clean(err.Error(), maxSaid) + ")"
	}
	s := t.ConnectionState()
	heard := tls.VersionName(s.Version)
	if len(s.PeerCertificates) > 0 {
		heard += ", " + certificate(s.PeerCertificates[0], time.Now())
	}
	return heard
}

// certificate says whose it is and how long it is valid.
func certificate(c *x509.Certificate, now time.Time) string {
	name := c.Subject.CommonName
	switch {
	case len(c.DNSNames) > 0:
		name = c.DNSNames[0]
	case len(c.IPAddresses) > 0:
		name = cmp.Or(name, c.IPAddresses[0].String())
	}
	valid := "valid until " + c.NotAfter.UTC().Format(time.DateOnly)
	switch {
	case now.After(c.NotAfter):
		valid = "expired on " + c.NotAfter.UTC().Format(time.DateOnly)
	case now.Before(c.NotBefore):
		valid = "valid only from " + c.NotBefore.UTC().Format(time.DateOnly)
	}
	return fmt.Sprintf("certificate of %s, %s", tunnel.Clean(cmp.Or(name, "nobody"), 100), valid)
}

// stream is a connection without deadlines or addresses as crypto/tls takes it, which closes it when time is up.
type stream struct{ io.ReadWriteCloser }

func (stream) LocalAddr() net.Addr              { return nil }
func (stream) RemoteAddr() net.Addr             { return nil }
func (stream) SetDeadline(time.Time) error      { return nil }
func (stream) SetReadDeadline(time.Time) error  { return nil }
func (stream) SetWriteDeadline(time.Time) error { return nil }
