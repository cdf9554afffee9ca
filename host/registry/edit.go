package registry

import (
	"cmp"
	"context"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// EditTunnel changes an operator-made tunnel. Of a declared one it only takes AcceptWider and RefuseWider; the rest is its
// configuration's (managed-by-module). Without a new credential, the former one does not follow to another server, nor
// does a proxy's password to another proxy, user or server; the pinned host key never does, and a warning says so where no
// fingerprint takes its place.
func (r *Registry) EditTunnel(ctx context.Context, by string, ref tunnel.Ref, e tunnel.Edit) (warnings []string, err error) {
	var done *draft
	err = r.change(ctx, by, func(d *draft) error {
		done = d
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
	}, wider(ref, e.AcceptWider, e.RefuseWider))
	if err != nil {
		return nil, err
	}
	return append(done.warnings, r.warnings(ref)...), nil
}

func (d *draft) edit(f *family, t tunnel.Tunnel, e tunnel.Edit) error {
	if e.IfRevision != 0 && e.IfRevision != t.Revision {
		return tunnel.Findings{stale("tunnel", t.Ref.String(), e.IfRevision, t.Revision)}
	}
	d.findings = append(d.findings, editMappings(&t, e)...)
	f.lead(&t, e)
	if e.LAN != nil {
		t.LAN = *e.LAN
	}
	if e.Fingerprint != nil {
		t.Fingerprint = *e.Fingerprint
	}
	if e.Comment != nil {
		t.Comment = *e.Comment
	}
	f.made = recordOf(operatorsOwn(t))
	f.made.Revision = t.Revision
	return d.editSecrets(f, t, e)
}

// lead has t lead to the server and through the proxy of e. Secrets do not go along.
func (f *family) lead(t *tunnel.Tunnel, e tunnel.Edit) {
	if e.Server != nil && *e.Server != t.Server {
		if e.Server.Host != t.Server.Host || e.Server.Port != t.Server.Port {
			t.Fingerprint = ""
		}
		t.Server = *e.Server
		f.sealed = nil
		f.repaired(secretPrefix)
	}
	if e.Via != nil && *e.Via != t.Via {
		t.Via = *e.Via
		delete(f.sealed, proxy)
	}
}

// editSecrets takes the secrets of e, each for where f leads now.
func (d *draft) editSecrets(f *family, t tunnel.Tunnel, e tunnel.Edit) error {
	if e.Credential != nil {
		cred := *e.Credential
		cred.Login = cmp.Or(cred.Login, t.Login)
		if err := d.credential(f, cred); err != nil {
			return err
		}
	}
	if e.ViaPassword == nil {
		return nil
	}
	return d.found(d.reg.takeViaPassword(f, *e.ViaPassword))
}

// editMappings drops, replaces and adds mappings of t; a replaced one keeps its place and, where none is given, its lane.
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
			continue
		}
		m.Lane = cmp.Or(m.Lane, ms[i].Lane)
		ms[i] = m
	}
	tunnel.NameMappings(ms)
	for _, name := range sortedKeys(e.Lanes) {
		i := slices.IndexFunc(ms, func(m tunnel.Mapping) bool { return m.Name == name })
		if i < 0 {
			fs = append(fs, noMapping("lanes", t.Ref, name))
			continue
		}
		ms[i].Lane = e.Lanes[name]
	}
	t.Mappings = ms
	return fs
}
