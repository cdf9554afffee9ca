package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/cloudsoda/go-smb2"

	"github.com/culvert-pbx/culvert/sdk"
)

type share struct {
	Host     string     `json:"host" title:"Name of the file server"`
	Name     string     `json:"name" title:"Share"`
	Domain   string     `json:"domain" title:"Domain"`
	User     string     `json:"user" title:"User"`
	Password sdk.Secret `json:"password" title:"Password"`
}

// try writes a file, takes it back and removes it. A share is asked for by the server's name, not the tunnel's; signed
// messages are demanded, for SMB would do without.
func (s share) try(ctx context.Context, dial connect, _ *tls.Config) (string, error) {
	c, err := dial(ctx, "", "")
	if err != nil {
		return "", err
	}
	d := &smb2.Dialer{
		Negotiator: smb2.Negotiator{RequireMessageSigning: true},
		Initiator:  &smb2.NTLMInitiator{User: s.User, Password: s.Password.Reveal(), Domain: s.Domain, TargetSPN: "cifs/" + s.Host},
	}
	session, err := d.DialConn(ctx, c, s.Host)
	if err != nil {
		return "", errors.Join(err, c.Close())
	}
	session = session.WithContext(ctx)
	defer func() { _ = session.Logoff() }()
	fs, err := session.Mount(s.Name)
	if err != nil {
		return "", err
	}
	defer func() { _ = fs.Umount() }()
	return roundTrip(fs.WithContext(ctx))
}

// roundTrip never lets a reader see half a file: it gets its name when it is whole.
func roundTrip(fs *smb2.Share) (found string, err error) {
	const name, text = "culvert-test", "written through a tunnel"
	if err := fs.WriteFile(name+".part", []byte(text), 0o600); err != nil {
		return "", err
	}
	if err := fs.Rename(name+".part", name); err != nil {
		return "", errors.Join(err, fs.Remove(name+".part"))
	}
	got, err := fs.ReadFile(name)
	if err := errors.Join(err, fs.Remove(name)); err != nil {
		return "", err
	}
	if string(got) != text {
		return "", fmt.Errorf("it gave back %q", got)
	}
	return "can be written to", nil
}
