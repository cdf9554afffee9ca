package registry

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"maps"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/store"
)

// Module is what is pinned of a module: the checksum of its binary and what it said of itself. ok is false where nothing
// is. A damaged record is an error: nothing may be pinned anew unasked, the operator accepts the binary again.
func (r *Registry) Module(ctx context.Context, name tunnel.Owner) (sha256 string, d tunnel.Description, ok bool, err error) {
	if err := ctx.Err(); err != nil {
		return "", d, false, err
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if err := r.broken[name]; err != nil {
		return "", d, false, err
	}
	m := r.modules[name]
	if m == nil {
		return "", d, false, nil
	}
	return m.SHA256, cloneDescription(m.Description), true, nil
}

// Description is what a module said of itself, or ErrNotFound.
func (r *Registry) Description(ctx context.Context, name tunnel.Owner) (tunnel.Description, error) {
	_, d, ok, err := r.Module(ctx, name)
	if err == nil && !ok {
		err = tunnel.Findings{noModule(name)}
	}
	return d, err
}

// PinModule pins a binary and its description. Declared tunnels are computed from it in the same transaction. Those it
// no longer allows are withdrawn, each with an event that says why: the module's next Run declares what it now needs,
// and meanwhile nothing runs that the accepted description does not cover. Operator-made ones stay and are blocked
// (policy-refused) while they do not fit.
func (r *Registry) PinModule(ctx context.Context, by string, name tunnel.Owner, sha256 string, desc tunnel.Description) error {
	if fs := checkModule(name, sha256, desc); len(fs) > 0 {
		return fs
	}
	m := &moduleRecord{Node: tunnel.Node, SHA256: sha256, Description: cloneDescription(desc)}
	return r.change(ctx, by, func(d *draft) error { return d.pinModule(name, m) })
}

func (d *draft) pinModule(name tunnel.Owner, m *moduleRecord) error {
	former, err := d.module(name)
	if err != nil {
		return err
	}
	d.former[name], d.modules[name], d.yielding = former, m, true
	if err := d.retainGrants(name, m); err != nil {
		return err
	}
	for rec, err := range d.tx.Scan(configurationPrefix + string(name) + "/") {
		if err != nil && !errors.Is(err, store.ErrDamaged) {
			return err
		}
		f, err := d.family(rec.Key)
		if err != nil {
			return err
		}
		if f.configuration == nil {
			continue // damaged
		}
		if err := d.reg.resplit(d.reading(f, m)); err != nil {
			return err
		}
	}
	return nil
}

// SetPresent says which modules have a usable binary now; tunnels of the others are inactive (module-missing). Before
// the first call, all are taken to be there.
func (r *Registry) SetPresent(present []tunnel.Owner) {
	r.mu.Lock()
	now := map[tunnel.Owner]bool{}
	for _, owner := range present {
		now[owner] = true
	}
	if r.present == nil || !maps.Equal(now, r.present) {
		r.present = now
		for _, e := range r.order {
			r.stale[e.Tunnel.Ref.Owner] = true
		}
		r.reviewLocked(host)
	}
	r.mu.Unlock()
	r.teller.flush()
}

// Runs yields every configuration, then each that changed, as it is when it is taken. A removed one comes as Gone. It
// is for one reader, the module host: Purge, that the module's own files of it shall go, is said once.
func (r *Registry) Runs(ctx context.Context) iter.Seq2[tunnel.Run, error] {
	return func(yield func(tunnel.Run, error) bool) {
		d := newDirty[tunnel.ConfigurationRef]()
		r.mu.Lock()
		r.running[d] = struct{}{}
		for _, owner := range sortedKeys(r.configs) {
			for _, f := range r.configurations(owner) {
				d.mark(f.configurationRef())
			}
		}
		r.mu.Unlock()
		defer func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			delete(r.running, d)
		}()
		for {
			ref, err := d.take(ctx)
			if err != nil {
				yield(tunnel.Run{}, err)
				return
			}
			if !yield(r.run(ref), nil) {
				return
			}
		}
	}
}

func (r *Registry) run(ref tunnel.ConfigurationRef) tunnel.Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	run := tunnel.Run{Ref: ref, Gone: true, Purge: r.purged[ref]}
	delete(r.purged, ref)
	if f := r.families[configurationKey(ref)]; f != nil {
		run.Gone, run.Enabled, run.Revision = false, f.configuration.Enabled, f.configuration.Revision
	}
	return run
}

func (r *Registry) markRunLocked(ref tunnel.ConfigurationRef) {
	for d := range r.running {
		d.mark(ref)
	}
}

// RunSettings is the document a module's Run gets: defaults filled in, with the module's own secrets and without any
// site's password. Settings that do not fit the module are Findings, secrets that cannot be read a *tunnel.StatusError.
func (r *Registry) RunSettings(ctx context.Context, ref tunnel.ConfigurationRef) (json.RawMessage, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.mu.RLock()
	f, m := r.families[configurationKey(ref)], r.modules[ref.Module]
	r.mu.RUnlock()
	switch {
	case f == nil:
		return nil, noConfiguration(ref)
	case m == nil:
		return nil, tunnel.Findings{noModule(ref.Module)}
	}
	return r.runSettings(f.under(m))
}

// ReportConfiguration puts on the board how a configuration's Run is.
func (r *Registry) ReportConfiguration(ref tunnel.ConfigurationRef, s tunnel.ConfigurationStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.families[configurationKey(ref)] != nil {
		r.status[ref] = s
	}
}
