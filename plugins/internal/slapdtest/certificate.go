package slapdtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"time"
)

// certify makes an authority and the server's certificate, which names Host.
func (s *Server) certify() {
	s.t.Helper()
	ca := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caKey, key := s.newKey(), s.newKey()
	caDER := s.sign(ca, ca, caKey, caKey)
	ca, err := x509.ParseCertificate(caDER)
	if err != nil {
		s.t.Fatal(err)
	}
	der := s.sign(&x509.Certificate{Subject: pkix.Name{CommonName: Host}, DNSNames: []string{Host}}, ca, key, caKey)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		s.t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	s.Pin, s.CA = hex.EncodeToString(sum[:]), block("CERTIFICATE", caDER)
	s.put("ca.pem", s.CA)
	s.put("cert.pem", block("CERTIFICATE", der))
	s.put("key.pem", block("PRIVATE KEY", private))
}

// Recertify gives the server another certificate, once it runs again.
func (s *Server) Recertify() {
	s.Stop()
	s.certify()
	s.Run()
}

func (s *Server) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	return key
}

func (s *Server) sign(c, parent *x509.Certificate, of, by *ecdsa.PrivateKey) []byte {
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &of.PublicKey, by)
	if err != nil {
		s.t.Fatal(err)
	}
	return der
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
