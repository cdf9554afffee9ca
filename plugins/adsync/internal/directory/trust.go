package directory

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Trust is what makes a server's certificate the right one. Pins go before a name, for a certificate of a domain
// controller often names nothing that could be checked, and the address at which it is dialled, an end of a tunnel, is
// never its name.
type Trust struct {
	Pins []string // SHA-256 of certificates, as ParsePin returns them: one of them must be shown
	Name string   // else the name that the certificate must have,
	CA   string   // vouched for by one of these, PEM; empty: by who the system trusts

	// Learn is asked where neither is given: whether that is the certificate that this server showed before, or the first
	// that it shows. It may be called from several goroutines.
	Learn func(server, pin string) error
}

// ParsePin reads the SHA-256 of a certificate as `openssl x509 -fingerprint -sha256` prints it: hexadecimal, with or without
// colons.
func ParsePin(text string) (string, error) {
	text = strings.TrimSpace(text)
	if _, after, found := strings.Cut(text, "="); found {
		text = after
	}
	pin := strings.ToLower(strings.ReplaceAll(text, ":", ""))
	if b, err := hex.DecodeString(pin); err != nil || len(b) != sha256.Size {
		return "", errors.New("a pin is the SHA-256 of a certificate: 64 hexadecimal digits, with or without colons")
	}
	return pin, nil
}

// pinOf is the pin of a certificate.
func pinOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// config is the TLS to speak to a server, shown being told the certificate's pin in any case.
func (t Trust) config(server string, shown *string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.Name}
	if t.CA != "" {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM([]byte(t.CA)) {
			return nil, &Error{TLS, "the setting directory.ca holds no certificate", set("\"directory.ca=$(cat FILE)\""), nil}
		}
	}
	c.InsecureSkipVerify = true // the library's own check, which cannot do without a name and whose error StartTLS flattens
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errors.New("the server shows no certificate")
		}
		*shown = pinOf(s.PeerCertificates[0])
		if len(t.Pins) == 0 && t.Name != "" {
			return t.vouched(s.PeerCertificates, c.RootCAs)
		}
		return t.pinned(server, *shown)
	}
	return c, nil
}

// vouched checks that the first of the certificates has the name, and that a root vouches for it through the others.
func (t Trust) vouched(chain []*x509.Certificate, roots *x509.CertPool) error {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: t.Name, Roots: roots, Intermediates: between})
	return err
}

// pinned compares the certificate of a server with the pins, or with what it showed before.
func (t Trust) pinned(server, shown string) error {
	switch {
	case slices.Contains(t.Pins, shown):
		return nil
	case len(t.Pins) > 0:
		return &Error{
			WrongPin, fmt.Sprintf("%s shows the certificate %s, which is none of directory.pins", server, shown),
			"if the server has a new certificate, " + set("'directory.pins[]="+shown+"'") + "; if not, somebody is between", nil,
		}
	case t.Learn == nil:
		return &Error{TLS, "there is nothing to know the server's certificate by", remedyPin, nil}
	}
	return t.Learn(server, shown)
}
