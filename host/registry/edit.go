package registry

import (
	"cmp"
	"context"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// EditTunnel changes an operator-made tunnel. Of a declared one it only takes AcceptWider; the rest is its
// configuration's (managed-by-module). Without a new credential, the former one does not follow to another server; the pinned
// host key never does, and a warning says so where no fingerprint takes its place.
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
	}, acceptWider(ref, e.AcceptWider))
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
