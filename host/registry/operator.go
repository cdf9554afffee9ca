package registry

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// AddTunnel makes an operator-made tunnel: of the operator, or of a module that is known, whose policy then binds it. The
// credential's login is the tunnel's. Warnings say what is allowed but unwise.
func (r *Registry) AddTunnel(ctx context.Context, by string, t tunnel.Tunnel, cred tunnel.Credential) (warnings []string, err error) {
	cred.Login = cmp.Or(cred.Login, t.Login, tunnel.LoginKey)
	t.Login = cred.Login
	t = operatorsOwn(t)
	err = r.change(ctx, by, func(d *draft) error { return d.add(t, cred) })
	if err != nil {
		return nil, err
	}
	return r.warnings(t.Ref), nil
}

// operatorsOwn is t as an operator can say it: what the host or a module writes is not in it.
func operatorsOwn(t tunnel.Tunnel) tunnel.Tunnel {
	t.Node, t.Configuration, t.Settings, t.Revision, t.Pin = tunnel.Node, "", "", 0, tunnel.Pin{}
	t.Mappings = slices.Clone(t.Mappings)
	for i := range t.Mappings {
		t.Mappings[i].Slot = ""
	}
	tunnel.NameMappings(t.Mappings)
	if fp, fs := tunnel.ParseFingerprint(t.Fingerprint); len(fs) == 0 {
		t.Fingerprint = fp
	}
	if lan, fs := tunnel.ParseLAN(t.LAN); len(fs) == 0 {
		t.LAN = lan
	}
	return t
}

func (d *draft) add(t tunnel.Tunnel, cred tunnel.Credential) error {
	if fs := checkNew(t.Ref); len(fs) > 0 {
		return append(fs, tunnel.Check(t)...).Err()
	}
	f, err := d.family(familyOf(t.Ref))
	if err != nil {
		return err
	}
	if f.exists() {
		return tunnel.Findings{exists("tunnel", t.Ref.String(), "choose another name, or change it with culvert tunnel set "+t.Ref.String())}
	}
	m, err := d.module(t.Ref.Owner)
	if err != nil {
		return err
	}
	if m == nil && t.Ref.Owner != tunnel.Operator {
		d.findings = append(d.findings, notInstalled(t.Ref.Owner))
	}
	*f = family{key: f.key, made: recordOf(t)}
	f.setOverlay(t.Ref.Name, overlay{t.Suspended, slices.Clone(t.AcceptWider)})
	d.findings = append(d.findings, checkWider("accept_wider", t, t.AcceptWider)...)
	if cred.Via != "" {
		if err := d.found(d.reg.takeViaPassword(f, cred.Via)); err != nil {
			return err
		}
	}
	return d.credential(f, cred)
}

// found keeps findings among the draft's others and gives back any other error.
func (d *draft) found(err error) error {
	var fs tunnel.Findings
	if !errors.As(err, &fs) {
		return err
	}
	d.findings = append(d.findings, fs...)
	return nil
}

// credential puts a login into f; what is wrong with it is one finding among the others.
func (d *draft) credential(f *family, cred tunnel.Credential) error {
	return d.found(d.reg.takeCredential(f, cred))
}

// checkNew is what the key of a new operator-made tunnel needs.
func checkNew(ref tunnel.Ref) tunnel.Findings {
	fs := tunnel.CheckName(string(ref.Owner), tunnel.MaxName).In("owner")
	return append(fs, tunnel.CheckName(string(ref.Name), tunnel.MaxTunnelName).In("name")...)
}

// RemoveTunnel removes an operator-made tunnel with its secret and pin. A declared one is its module's to withdraw; only
// when that module's binary is missing, the operator may.
func (r *Registry) RemoveTunnel(ctx context.Context, by string, ref tunnel.Ref) error {
	return r.change(ctx, by, func(d *draft) error {
		f, t, err := d.tunnel(ref)
		switch {
		case f != nil && f.made == nil && !ref.Name.Declared() && f.damaged[""]:
			return nil // settle removes what has no whole main record
		case err != nil:
			return err
		case t.Configuration == "":
			f.made = nil
		case r.moduleMissing(ref.Owner):
			delete(f.declared, ref.Name)
			delete(f.overlays, ref.Name)
			delete(f.pins, ref.Name)
		default:
			return tunnel.Findings{managedByModule(t, "tunnel", "server=")}
		}
		return nil
	})
}

// tunnel is the tunnel ref as the draft has it, with its family.
func (d *draft) tunnel(ref tunnel.Ref) (*family, tunnel.Tunnel, error) {
	if named, fs := tunnel.ParseRef(ref.String()); len(fs) > 0 || named != ref {
		return nil, tunnel.Tunnel{}, tunnel.Findings{tunnel.NotFoundFinding(ref)}
	}
	f, err := d.family(familyOf(ref))
	if err != nil {
		return nil, tunnel.Tunnel{}, err
	}
	m, err := d.module(ref.Owner)
	if err != nil {
		return nil, tunnel.Tunnel{}, err
	}
	ts, _ := d.reading(f, m).tunnels()
	i := slices.IndexFunc(ts, func(t tunnel.Tunnel) bool { return t.Ref == ref })
	if i < 0 {
		return f, tunnel.Tunnel{}, tunnel.Findings{tunnel.NotFoundFinding(ref)}
	}
	return f, ts[i], nil
}

// warnings are those of a tunnel as it is now, and that it has nothing to log in with.
func (r *Registry) warnings(ref tunnel.Ref) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	e := r.tunnels[ref]
	if e == nil {
		return nil
	}
	ws := slices.Clone(e.warnings)
	if e.unusable != nil {
		ws = append(ws, e.unusable.Message+": "+e.unusable.Remedy)
	}
	return ws
}

func (r *Registry) moduleMissing(owner tunnel.Owner) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return !r.installed(owner)
}
