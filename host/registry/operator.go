package registry

import (
	"cmp"
	"context"
	"fmt"
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
	if t.Suspended || len(t.AcceptWider) > 0 {
		f.setOverlay(t.Ref.Name, overlay{t.Suspended, t.AcceptWider})
	}
	d.findings = append(d.findings, checkWider(t, t.AcceptWider)...)
	return d.credential(f, cred)
}

// credential puts a login into f; what is wrong with it is one finding among the others.
func (d *draft) credential(f *family, cred tunnel.Credential) error {
	fs := checkCredential(cred)
	if len(fs) > 0 {
		d.findings = append(d.findings, fs...)
		return nil
	}
	return d.reg.takeCredential(f, cred)
}

// checkNew is what the key of a new operator-made tunnel needs.
func checkNew(ref tunnel.Ref) tunnel.Findings {
	fs := tunnel.CheckName(string(ref.Owner), tunnel.MaxName).In("owner")
	return append(fs, tunnel.CheckName(string(ref.Name), tunnel.MaxTunnelName).In("name")...)
}

func checkWider(t tunnel.Tunnel, names []string) tunnel.Findings {
	var fs tunnel.Findings
	for _, name := range names {
		if m, ok := mappingNamed(t, name); !ok {
			fs = append(fs, noMapping("accept-wider", t.Ref, name))
		} else if !m.Kind.Exposes() {
			fs = append(fs, tunnel.Finding{
				Code: tunnel.Malformed, Field: "accept-wider", Value: name,
				Message: "mapping " + name + " has no remote port that could be bound wider", WayOut: "name an expose mapping",
			})
		}
	}
	return fs
}

// EditTunnel changes an operator-made tunnel. Of a declared one it only takes AcceptWider; the rest is its
// configuration's (managed-by-module). Without a new credential, the former one does not follow to another server.
func (r *Registry) EditTunnel(ctx context.Context, by string, ref tunnel.Ref, e tunnel.Edit) (warnings []string, err error) {
	err = r.change(ctx, by, func(d *draft) error {
		f, t, err := d.tunnel(ref)
		if err != nil {
			return err
		}
		if t.Configuration == "" {
			err = d.edit(f, t, e)
		} else {
			err = managed(t, e).Err()
		}
		return err
	}, acceptWider(ref, e.AcceptWider))
	if err != nil {
		return nil, err
	}
	return r.warnings(ref), nil
}

// acceptWider allows mappings of a tunnel of either sort to be bound wider than declared.
func acceptWider(ref tunnel.Ref, names []string) func(*draft) error {
	return func(d *draft) error {
		if len(names) == 0 {
			return nil
		}
		f, t, err := d.tunnel(ref)
		if err != nil {
			return err
		}
		d.findings = append(d.findings, checkWider(t, names)...)
		o := f.overlays[ref.Name]
		o.AcceptWider = slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(o.AcceptWider), names...))))
		f.setOverlay(ref.Name, o)
		return nil
	}
}

func (d *draft) edit(f *family, t tunnel.Tunnel, e tunnel.Edit) error {
	if e.IfRevision != 0 && e.IfRevision != t.Revision {
		return tunnel.Findings{stale("tunnel", t.Ref.String(), e.IfRevision, t.Revision)}
	}
	d.findings = append(d.findings, editMappings(&t, e)...)
	moved := e.Server != nil && *e.Server != t.Server
	if moved {
		if e.Server.Host != t.Server.Host || e.Server.Port != t.Server.Port {
			t.Fingerprint = ""
		}
		t.Server = *e.Server
		f.sealed = nil
		f.repaired(secretPrefix)
	}
	if e.Fingerprint != nil {
		t.Fingerprint = *e.Fingerprint
	}
	if e.Comment != nil {
		t.Comment = *e.Comment
	}
	f.made = recordOf(operatorsOwn(t))
	f.made.Revision = t.Revision
	if e.Credential == nil {
		return nil
	}
	cred := *e.Credential
	cred.Login = cmp.Or(cred.Login, t.Login)
	return d.credential(f, cred)
}

// editMappings drops, replaces and adds mappings of t; a replaced one keeps its place.
func editMappings(t *tunnel.Tunnel, e tunnel.Edit) tunnel.Findings {
	var fs tunnel.Findings
	ms := slices.Clone(t.Mappings)
	for _, name := range e.Drop {
		i := slices.IndexFunc(ms, func(m tunnel.Mapping) bool { return m.Name == name })
		if i < 0 {
			fs = append(fs, noMapping("drop", t.Ref, name))
			continue
		}
		ms = slices.Delete(ms, i, i+1)
	}
	for _, m := range e.Set {
		i := slices.IndexFunc(ms, func(o tunnel.Mapping) bool { return m.Name != "" && o.Name == m.Name })
		if i < 0 {
			ms = append(ms, m)
		} else {
			ms[i] = m
		}
	}
	t.Mappings = ms
	return fs
}

// managed refuses an edit of a declared tunnel, each part with the line that does it.
func managed(t tunnel.Tunnel, e tunnel.Edit) tunnel.Findings {
	var fs tunnel.Findings
	add := func(field, setting string) { fs = append(fs, managedByModule(t, field, setting)) }
	if e.Server != nil {
		add("server", "server="+e.Server.String())
	}
	if e.Credential != nil {
		fs = append(fs, passwordByModule(t))
	}
	if e.Fingerprint != nil {
		add("fingerprint", "fingerprint="+tunnel.Clean(*e.Fingerprint, 80))
	}
	if e.Comment != nil {
		add("comment", "")
	}
	for _, m := range e.Set {
		add("mappings["+tunnel.Clean(m.Name, tunnel.MaxName)+"]", "slots."+tunnel.Clean(m.Name, tunnel.MaxName)+".spec="+m.Spec())
	}
	for _, name := range e.Drop {
		add("drop", "slots."+tunnel.Clean(name, tunnel.MaxName)+".on=false")
	}
	return fs
}

// managedByModule refuses what would write a declared tunnel and names the setting that does it, "" where none does.
func managedByModule(t tunnel.Tunnel, field, setting string) tunnel.Finding {
	configuration := fmt.Sprintf("%s/%s", t.Ref.Owner, t.Configuration)
	f := tunnel.Finding{
		Code: tunnel.ManagedByModule, Field: field, Value: t.Ref.String(),
		Message: fmt.Sprintf("%s is made by module %s from configuration %s", t.Ref, t.Ref.Owner, configuration),
		WayOut:  "culvert config show " + configuration,
	}
	if setting != "" {
		f.WayOut = fmt.Sprintf("culvert config set %s %s.%s", configuration, t.Settings, setting)
	}
	return f
}

// passwordByModule refuses a credential for a declared tunnel: its password goes into its settings, over standard input.
func passwordByModule(t tunnel.Tunnel) tunnel.Finding {
	f := managedByModule(t, "credential", "password")
	f.WayOut = secretRemedy(t)
	return f
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

// SuspendTunnel switches a tunnel of either sort off, or on again.
func (r *Registry) SuspendTunnel(ctx context.Context, by string, ref tunnel.Ref, suspended bool) error {
	return r.change(ctx, by, func(d *draft) error {
		f, _, err := d.tunnel(ref)
		if err != nil {
			return err
		}
		o := f.overlays[ref.Name]
		o.Suspended = suspended
		f.setOverlay(ref.Name, o)
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
	ts, _ := f.tunnels(m)
	i := slices.IndexFunc(ts, func(t tunnel.Tunnel) bool { return t.Ref == ref })
	if i < 0 {
		return f, tunnel.Tunnel{}, tunnel.Findings{tunnel.NotFoundFinding(ref)}
	}
	return f, ts[i], nil
}

// setOverlay keeps what an operator says of one tunnel of the family. Where the record could not be read, the others of
// the family stay suspended.
func (f *family) setOverlay(name tunnel.Name, o overlay) {
	if f.damaged[overlayPrefix] {
		f.overlays = nil
		for other := range f.declared {
			assign(&f.overlays, other, overlay{Suspended: true})
		}
		f.repaired(overlayPrefix)
	}
	if !o.Suspended && len(o.AcceptWider) == 0 {
		delete(f.overlays, name)
		return
	}
	assign(&f.overlays, name, o)
}

// warnings are those of a tunnel as it is now, and that it has nothing to log in with.
func (r *Registry) warnings(ref tunnel.Ref) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	e := r.tunnels[ref]
	if e == nil {
		return nil
	}
	ws := tunnel.Warnings(e.tunnel)
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
