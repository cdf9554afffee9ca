package registry

import (
	"fmt"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// viaPasswordKey follows the path of a site in the path of its proxy's password.
const viaPasswordKey = ".via_password"

// takeViaPassword seals the password of the proxy that an operator-made tunnel has now; "" forgets it.
func (r *Registry) takeViaPassword(f *family, secret tunnel.Secret) error {
	if fs := tunnel.Via(f.made.Via).CheckPassword(secret).At("via_password"); len(fs) > 0 {
		return fs
	}
	f.repaired(secretPrefix)
	if secret == "" {
		delete(f.sealed, proxy)
		return nil
	}
	sealed, err := r.sealer.Seal(f.place(proxy), secret)
	if err == nil {
		assign(&f.sealed, proxy, sealed)
	}
	return err
}

// viaSealed is the sealed password of t's proxy, nil where none is stored.
func (f *family) viaSealed(t tunnel.Tunnel) []byte {
	if t.Configuration != "" {
		return f.sealed[t.Settings+viaPasswordKey]
	}
	return f.sealed[proxy]
}

// viaPassword opens the password of t's proxy. None stored is "": the proxy may do without, and says so if it does not.
func (r *Registry) viaPassword(f *family, t tunnel.Tunnel) (tunnel.Secret, error) {
	sealed := f.viaSealed(t)
	if t.Via.User == "" || sealed == nil && !f.damaged[secretPrefix] {
		return "", nil
	}
	at := Place{Owner: t.Ref.Owner, Path: string(t.Ref.Name), Field: proxy, Server: t.Server, Via: t.Via}
	if t.Configuration != "" {
		at.Path = settingPath(t.Configuration, t.Settings+viaPasswordKey)
	}
	secret, err := r.sealer.Open(at, sealed)
	if err != nil {
		return "", unreadable(t.Ref, viaRemedy(t))
	}
	return secret, nil
}

// viaWarnings says that t's proxy names a user whose password nobody gave.
func (f *family) viaWarnings(t tunnel.Tunnel) []string {
	if t.Via.User == "" || f.viaSealed(t) != nil || f.damaged[secretPrefix] {
		return nil
	}
	return []string{withoutViaPassword(t.Via) + ": " + viaRemedy(t)}
}

func withoutViaPassword(v tunnel.Via) string {
	return fmt.Sprintf("no password is stored for the user %s of the proxy %s, which may refuse it", tunnel.Clean(v.User, 80), v.Endpoint())
}

// viaRemedy is the line that sets the password of t's proxy.
func viaRemedy(t tunnel.Tunnel) string {
	if t.Configuration != "" {
		return fmt.Sprintf("culvert config set %s/%s --secret-stdin %s", t.Ref.Owner, t.Configuration, t.Settings+viaPasswordKey)
	}
	return "culvert tunnel set " + t.Ref.String() + " --via-password-file FILE"
}
