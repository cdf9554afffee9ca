package slapdtest

import (
	"crypto/tls"

	"github.com/go-ldap/ldap/v3"
)

// Edit changes the directory as its administrator.
func (s *Server) Edit(f func(*ldap.Conn) error) {
	s.t.Helper()
	// It is the server's own test that asks: the certificate is not in question.
	l, err := ldap.DialURL("ldaps://"+address(s.Secure), ldap.DialWithTLSConfig(&tls.Config{InsecureSkipVerify: true}))
	if err != nil {
		s.t.Fatal(err)
	}
	defer l.Close()
	if err := l.Bind(Admin, Password); err != nil {
		s.t.Fatal(err)
	}
	if err := f(l); err != nil {
		s.t.Fatal(err)
	}
}

// Set replaces the values of an attribute; none removes it.
func (s *Server) Set(dn, attribute string, values ...string) {
	s.t.Helper()
	s.Edit(func(l *ldap.Conn) error {
		m := ldap.NewModifyRequest(dn, nil)
		m.Replace(attribute, values)
		return l.Modify(m)
	})
}

// Delete removes an entry.
func (s *Server) Delete(dn string) {
	s.t.Helper()
	s.Edit(func(l *ldap.Conn) error { return l.Del(ldap.NewDelRequest(dn, nil)) })
}

// Move gives an entry another name, and where superior is not empty another place.
func (s *Server) Move(dn, rdn, superior string) {
	s.t.Helper()
	s.Edit(func(l *ldap.Conn) error { return l.ModifyDN(ldap.NewModifyDNRequest(dn, rdn, true, superior)) })
}
