package registry

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/store"
)

// grantRecord is what the operator gave a module beyond its sandbox, for all of its configurations.
type grantRecord struct {
	Node        string         `json:"node"`
	Grants      []tunnel.Grant `json:"grants,omitempty"`
	Unsandboxed string         `json:"unsandboxed,omitempty"` // checksum of the binary that may run where nothing confines it
}

func (g *grantRecord) has(grant tunnel.Grant) bool {
	return g != nil && slices.Contains(g.Grants, grant)
}

// editedGrants are a module's grants as they are and as they shall be.
type editedGrants struct{ before, after grantRecord }

func (e *editedGrants) changed() bool { return !reflect.DeepEqual(e.before, e.after) }

// settled is g, or nil where it says nothing.
func (g *grantRecord) settled() *grantRecord {
	if g == nil || len(g.Grants) == 0 && g.Unsandboxed == "" {
		return nil
	}
	return g
}

// Grants are what the operator granted a module, in the order of their texts. One whose record is damaged has none.
func (r *Registry) Grants(ctx context.Context, name tunnel.Owner) ([]tunnel.Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if g := r.grants[name]; g != nil {
		return slices.Clone(g.Grants), nil
	}
	return nil, nil
}

// Unsandboxed is the checksum of the binary that the module may run where nothing confines it, "" for none.
func (r *Registry) Unsandboxed(ctx context.Context, name tunnel.Owner) (sha256 string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if g := r.grants[name]; g != nil {
		return g.Unsandboxed, nil
	}
	return "", nil
}

// Grant gives a module a right that its accepted binary asks for; one that it has stays. A port that it would listen at,
// or would take for a service of the PBX, must not be a mapping's, the host's, or served by another module.
func (r *Registry) Grant(ctx context.Context, by string, name tunnel.Owner, grant tunnel.Grant) error {
	right, fs := tunnel.ParseGrant(grant)
	if len(fs) > 0 {
		return fs.At("grant")
	}
	return r.change(ctx, by, func(d *draft) error {
		m, g, err := d.granting(name)
		if err != nil {
			return err
		}
		if !slices.Contains(m.Description.Grants, grant) {
			return tunnel.Findings{tunnel.NotAskedFor(name, grant, m.Description.Grants)}
		}
		if g.has(grant) {
			return nil
		}
		if fs, err := d.checkRight(name, right); err != nil || len(fs) > 0 {
			return errors.Join(err, fs.Err())
		}
		g.Grants = append(g.Grants, grant)
		slices.Sort(g.Grants)
		return nil
	})
}

// Revoke takes a right back. What was not granted is ErrNotFound.
func (r *Registry) Revoke(ctx context.Context, by string, name tunnel.Owner, grant tunnel.Grant) error {
	return r.change(ctx, by, func(d *draft) error {
		g, err := d.grantsOf(name)
		if err != nil {
			return err
		}
		if !g.has(grant) {
			return tunnel.Findings{notGranted(name, grant)}
		}
		g.Grants = slices.DeleteFunc(g.Grants, func(o tunnel.Grant) bool { return o == grant })
		return nil
	})
}

// AllowUnsandboxed lets the binary with that checksum run under the module's name where nothing confines it.
func (r *Registry) AllowUnsandboxed(ctx context.Context, by string, name tunnel.Owner, sha256 string) error {
	return r.change(ctx, by, func(d *draft) error {
		_, g, err := d.granting(name)
		if err == nil {
			g.Unsandboxed = sha256
		}
		return err
	})
}

func notGranted(name tunnel.Owner, grant tunnel.Grant) tunnel.Finding {
	text := tunnel.Clean(string(grant), 80)
	return tunnel.Finding{
		Code: tunnel.NotFound, Field: "grant", Value: text, Message: fmt.Sprintf("module %s has not been granted %q", name, text),
		WayOut: "culvert module show " + string(name) + " tells what it has",
	}
}

// granting is what is pinned of a module, and what it was granted, to be changed in place.
func (d *draft) granting(name tunnel.Owner) (*moduleRecord, *grantRecord, error) {
	m, err := d.module(name)
	if err != nil {
		return nil, nil, err
	}
	if m == nil {
		return nil, nil, tunnel.Findings{noModule(name)}
	}
	g, err := d.grantsOf(name)
	return m, g, err
}

// grantsOf is what a module was granted, to be changed in place. A damaged record gives nothing, and is replaced.
func (d *draft) grantsOf(name tunnel.Owner) (*grantRecord, error) {
	if e, ok := d.grants[name]; ok {
		return &e.after, nil
	}
	g, err := read[grantRecord](d.tx, grantPrefix+string(name))
	if errors.Is(err, store.ErrDamaged) {
		d.reg.tellDamage(err)
		err = nil
	}
	if err != nil {
		return nil, err
	}
	if g == nil {
		g = &grantRecord{Node: tunnel.Node}
	}
	e := &editedGrants{before: *g, after: *g}
	e.after.Grants = slices.Clone(g.Grants)
	d.grants[name] = e
	return &e.after, nil
}

// retainGrants takes from a module what its description no longer asks for: another version that asks for it again must
// be granted it anew. Another binary may not run unconfined because the former could.
func (d *draft) retainGrants(name tunnel.Owner, m *moduleRecord) error {
	g, err := d.grantsOf(name)
	if err != nil {
		return err
	}
	g.Grants = slices.DeleteFunc(g.Grants, func(o tunnel.Grant) bool { return !slices.Contains(m.Description.Grants, o) })
	if g.Unsandboxed != m.SHA256 {
		g.Unsandboxed = ""
	}
	return nil
}

// setGrantsLocked takes over what a module was granted, and tells what changed.
func (r *Registry) setGrantsLocked(by string, name tunnel.Owner, now *grantRecord) {
	was := r.grants[name]
	if now = now.settled(); now == nil {
		delete(r.grants, name)
	} else {
		r.grants[name] = now
	}
	if was == nil {
		was = &grantRecord{}
	}
	if now == nil {
		now = &grantRecord{}
	}
	tell := func(change, grant string) {
		r.teller.note(tunnel.Event{Type: tunnel.GrantChanged, Actor: by, Subject: string(name),
			Message: change + " " + grant, Fields: map[string]string{"change": change, "grant": grant}})
	}
	for _, g := range now.Grants {
		if !was.has(g) {
			tell("granted", string(g))
		}
	}
	for _, g := range was.Grants {
		if !now.has(g) {
			tell("revoked", string(g))
		}
	}
	for _, e := range r.order { // whoever publishes a port that is served, or is no more
		r.stale[e.Tunnel.Ref.Owner] = true
	}
	switch {
	case now.Unsandboxed == was.Unsandboxed:
	case now.Unsandboxed == "":
		tell("revoked", "unsandboxed")
	default:
		tell("granted", "unsandboxed")
	}
}
