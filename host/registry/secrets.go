package registry

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Place is what a sealed secret is bound to: moved to any other place, it does not open.
type Place struct {
	Owner  tunnel.Owner
	Path   string // NAME of an operator-made tunnel, CONFIGURATION:PATH of a setting
	Field  string // password, private-key, passphrase, via or setting
	Server tunnel.Server
	Via    tunnel.Via // of a proxy's password alone: what goes to the server is the same through any proxy
}

// Sealer keeps secrets at rest. Open fails for what was sealed elsewhere, with another key, or was changed.
type Sealer interface {
	Seal(at Place, secret tunnel.Secret) ([]byte, error)
	Open(at Place, sealed []byte) (tunnel.Secret, error)
}

const (
	maxSecret = 64 << 10 // bytes of one secret

	password   = "password"
	privateKey = "private-key"
	passphrase = "passphrase"
	proxy      = "via"
	setting    = "setting"
)

// SetSecret gives an operator-made tunnel what it logs in with; its proxy's password is EditTunnel's. A declared tunnel's
// login is among its configuration's settings (managed-by-module).
func (r *Registry) SetSecret(ctx context.Context, by string, ref tunnel.Ref, cred tunnel.Credential) error {
	if cred.Login == "" {
		cred.Login = tunnel.LoginPassword
	}
	return r.change(ctx, by, func(d *draft) error {
		f, t, err := d.tunnel(ref)
		switch {
		case err != nil:
			return err
		case t.Configuration != "":
			return tunnel.Findings{passwordByModule(t)}
		}
		return r.takeCredential(f, cred)
	})
}

// takeCredential puts a login into an operator-made tunnel and seals what belongs to it, for the server it has now. Its
// proxy's password stays.
func (r *Registry) takeCredential(f *family, cred tunnel.Credential) error {
	if fs := checkCredential(cred); len(fs) > 0 {
		return fs
	}
	f.made.Login, f.made.OwnKey = cred.Login, cred.Login == tunnel.LoginKey && cred.PrivateKey != ""
	maps.DeleteFunc(f.sealed, func(field string, _ []byte) bool { return field != proxy })
	f.repaired(secretPrefix)
	for field, secret := range credentialFields(cred) {
		sealed, err := r.sealer.Seal(f.place(field), secret)
		if err != nil {
			return err
		}
		assign(&f.sealed, field, sealed)
	}
	return nil
}

func credentialFields(cred tunnel.Credential) map[string]tunnel.Secret {
	fields := map[string]tunnel.Secret{}
	add := func(field string, s tunnel.Secret) {
		if s != "" {
			fields[field] = s
		}
	}
	if cred.Login == tunnel.LoginPassword {
		add(password, cred.Password)
		return fields
	}
	add(privateKey, cred.PrivateKey)
	if cred.PrivateKey != "" {
		add(passphrase, cred.Passphrase)
	}
	return fields
}

func checkCredential(cred tunnel.Credential) tunnel.Findings {
	var fs tunnel.Findings
	if cred.Login == tunnel.LoginPassword && cred.Password == "" {
		fs = append(fs, tunnel.Finding{
			Code: tunnel.Required, Field: password, Message: "the password is missing",
			WayOut: "give it with --password-stdin or --password-file, or log in by key",
		})
	}
	for field, s := range credentialFields(cred) {
		if len(s.Reveal()) > maxSecret {
			fs = append(fs, tooLongSecret(field))
		}
	}
	return fs
}

func tooLongSecret(field string) tunnel.Finding {
	return tunnel.Finding{
		Code: tunnel.TooLong, Field: field, Message: "the secret is too long",
		WayOut: fmt.Sprintf("use at most %d bytes", maxSecret),
	}
}

// settingPath is the Path of a setting's Place. No tunnel's name is like it.
func settingPath(configuration, path string) string { return configuration + ":" + path }

// place is what a secret of an operator-made tunnel is bound to.
func (f *family) place(field string) Place {
	p := Place{Owner: f.owner(), Path: string(f.ref().Name), Field: field, Server: tunnel.Server(f.made.Server)}
	if field == proxy {
		p.Via = tunnel.Via(f.made.Via)
	}
	return p
}

// Login is what whoever is about to log in needs: what shall be of the tunnel and what it logs in with, both as of the
// same commit, so that no secret meets another server's address and no pin is overlooked. A tunnel that is no more is
// Gone. What cannot be had is a *tunnel.StatusError with reason secret-missing or secret-unreadable.
func (r *Registry) Login(ctx context.Context, ref tunnel.Ref) (tunnel.Wanted, tunnel.Credential, error) {
	if err := ctx.Err(); err != nil {
		return tunnel.Wanted{}, tunnel.Credential{}, err
	}
	r.mu.RLock()
	w, e, f := r.wantedLocked(ref), r.tunnels[ref], r.families[familyOf(ref)]
	r.mu.RUnlock()
	if e == nil || f == nil {
		return w, tunnel.Credential{}, nil
	}
	cred, err := r.credential(f, e.Tunnel)
	return w, cred, err
}

// credential opens the secrets of t.
func (r *Registry) credential(f *family, t tunnel.Tunnel) (tunnel.Credential, error) {
	cred, err := r.login(f, t)
	if err == nil {
		cred.Via, err = r.viaPassword(f, t)
	}
	return cred, err
}

// login opens what t logs in with at its server.
func (r *Registry) login(f *family, t tunnel.Tunnel) (tunnel.Credential, error) {
	cred := tunnel.Credential{Login: t.Login}
	open := func(into *tunnel.Secret, at Place, sealed []byte) error {
		if len(sealed) == 0 && !f.damaged[secretPrefix] {
			return missing(t)
		}
		secret, err := r.sealer.Open(at, sealed)
		if err != nil {
			return unreadable(t.Ref, secretRemedy(t))
		}
		*into = secret
		return nil
	}
	switch {
	case t.Login == tunnel.LoginPassword && t.Configuration != "":
		at := Place{Owner: t.Ref.Owner, Path: settingPath(t.Configuration, t.Settings+".password"), Field: password, Server: t.Server}
		return cred, open(&cred.Password, at, f.sealed[t.Settings+".password"])
	case t.Login == tunnel.LoginPassword:
		return cred, open(&cred.Password, f.place(password), f.sealed[password])
	case t.OwnKey:
		if err := open(&cred.PrivateKey, f.place(privateKey), f.sealed[privateKey]); err != nil || f.sealed[passphrase] == nil {
			return cred, err
		}
		return cred, open(&cred.Passphrase, f.place(passphrase), f.sealed[passphrase])
	}
	return cred, nil
}

func missing(t tunnel.Tunnel) error {
	return &tunnel.StatusError{
		Ref: t.Ref, State: tunnel.Blocked, Reason: tunnel.SecretMissing,
		Message: "there is no " + secretNoun(t) + " for " + t.Server.String(), Remedy: secretRemedy(t),
	}
}

func unreadable(ref tunnel.Ref, remedy string) error {
	return &tunnel.StatusError{
		Ref: ref, State: tunnel.Blocked, Reason: tunnel.SecretUnreadable,
		Message: "the stored secret cannot be read with this daemon's key", Remedy: remedy,
	}
}

func secretNoun(t tunnel.Tunnel) string {
	if t.Login == tunnel.LoginPassword {
		return "password"
	}
	return "private key"
}

// secretRemedy is the line that sets the secret of t anew.
func secretRemedy(t tunnel.Tunnel) string {
	switch {
	case t.Configuration != "":
		return fmt.Sprintf("culvert config set %s/%s --secret-stdin %s.password", t.Ref.Owner, t.Configuration, t.Settings)
	case t.Login == tunnel.LoginPassword:
		return "culvert tunnel secret " + t.Ref.String() + " --password-stdin"
	}
	return "culvert tunnel set " + t.Ref.String() + " --key FILE"
}

// secretMark changes when what t logs in with does. It tells nothing of it.
func (f *family) secretMark(t tunnel.Tunnel) [sha256.Size]byte {
	h := sha256.New()
	if f.damaged[secretPrefix] {
		h.Write([]byte("unreadable"))
	}
	fields := []string{password, privateKey, passphrase, proxy}
	if t.Configuration != "" {
		fields = []string{t.Settings + ".password", t.Settings + viaPasswordKey}
	}
	for _, field := range fields {
		h.Write(f.sealed[field])
		h.Write([]byte{0})
	}
	return [sha256.Size]byte(h.Sum(nil))
}
