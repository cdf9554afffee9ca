package registry

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/store"
)

// repairPorts puts right the reservations that do not say what the tunnels say, and says so.
func (r *Registry) repairPorts(ctx context.Context) error {
	wrong := r.allPorts()
	_, err := r.store.View(ctx, func(rd store.Reader) error {
		for rec, err := range rd.Scan(portsPrefix) {
			if err != nil && !errors.Is(err, store.ErrDamaged) {
				return err
			}
			scope := strings.TrimPrefix(rec.Key, portsPrefix)
			stored, err := read[portsRecord](rd, rec.Key)
			if errors.Is(err, store.ErrDamaged) {
				r.tellDamage(err)
			} else if err != nil {
				return err
			}
			r.keepHidden(stored, scope, wrong)
			if samePorts(stored, wrong[scope]) {
				delete(wrong, scope)
			} else if _, held := wrong[scope]; !held {
				wrong[scope] = nil // nobody holds anything there: to be deleted
			}
		}
		return nil
	})
	if err != nil || len(wrong) == 0 {
		return err
	}
	r.log.Warn("reserved ports differ from what the tunnels say and are put right", "scopes", len(wrong))
	return r.writePorts(ctx, wrong)
}

// keepHidden keeps in all what stored holds for tunnels that cannot be worked out at present: whatever the damage, nobody
// else gets their ports meanwhile, and they fit when they are back.
func (r *Registry) keepHidden(stored *portsRecord, scope string, all map[string]*portsRecord) {
	if stored == nil {
		return
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	for text, ports := range stored.Held {
		ref, fs := tunnel.ParseRef(text)
		if len(fs) > 0 || !r.hidden(ref) {
			continue
		}
		if all[scope] == nil {
			all[scope] = &portsRecord{Node: tunnel.Node}
		}
		assign(&all[scope].Held, text, ports)
	}
}

// hidden reports whether ref is declared and not to be seen, because the record of its module is damaged.
func (x *index) hidden(ref tunnel.Ref) bool {
	if x.broken[ref.Owner] == nil || !ref.Name.Declared() {
		return false
	}
	f := x.families[familyOf(ref)]
	if f == nil {
		return false
	}
	_, declared := f.declared[ref.Name]
	return declared
}

// scopesAtOnce is how many records of reservations fit into one change, however large.
const scopesAtOnce = store.MaxChangeBytes/store.MaxRecord - 1

func samePorts(a, b *portsRecord) bool {
	return a != nil && b != nil && maps.EqualFunc(a.Held, b.Held, maps.Equal[map[string]int, map[string]int])
}

func (r *Registry) writePorts(ctx context.Context, want map[string]*portsRecord) error {
	for scopes := range slices.Chunk(sortedKeys(want), scopesAtOnce) {
		_, err := r.store.Update(ctx, func(tx store.Tx) error {
			for _, scope := range scopes {
				if err := write(tx, portsPrefix+scope, want[scope]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// allPorts is what the tunnels hold, by scope.
func (r *Registry) allPorts() map[string]*portsRecord {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := map[string]*portsRecord{}
	for _, e := range r.order {
		for _, res := range tunnel.Reservations(e.Tunnel) {
			if all[res.Scope] == nil {
				all[res.Scope] = &portsRecord{Node: tunnel.Node}
			}
			all[res.Scope].hold(res)
		}
	}
	return all
}

// portsOf is the record of a scope as the tunnels say it.
func (r *Registry) portsOf(scope string) *portsRecord {
	r.mu.RLock()
	defer r.mu.RUnlock()
	rec := &portsRecord{Node: tunnel.Node}
	for _, e := range r.order {
		for _, res := range tunnel.Reservations(e.Tunnel) {
			if res.Scope == scope {
				rec.hold(res)
			}
		}
	}
	return rec
}
