package registry

import (
	"cmp"
	"crypto/sha256"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// index is what the store holds, as last committed, ready to read. Registry.mu guards it.
type index struct {
	families map[string]*family
	configs  map[tunnel.Owner]map[string]*family // those of configurations, by module and key
	modules  map[tunnel.Owner]*moduleRecord
	broken   map[tunnel.Owner]error // modules whose record is damaged
	grants   map[tunnel.Owner]*grantRecord
	present  map[tunnel.Owner]bool // modules with a usable binary; nil until the module host has looked
	tunnels  map[tunnel.Ref]*entry
	order    []*entry // the same, by name

	revision   uint64                // the highest in use
	generation uint64                // the last given
	edition    uint64                // likewise
	stale      map[tunnel.Owner]bool // owners whose tunnels' standing may have changed in this commit
}

func newIndex() index {
	return index{
		families: map[string]*family{}, configs: map[tunnel.Owner]map[string]*family{}, modules: map[tunnel.Owner]*moduleRecord{},
		broken: map[tunnel.Owner]error{}, grants: map[tunnel.Owner]*grantRecord{}, tunnels: map[tunnel.Ref]*entry{}, stale: map[tunnel.Owner]bool{},
	}
}

// entry is one tunnel with all that is known of it. It is never changed, only replaced.
type entry struct {
	*committed
	reported *tunnel.Status // by the supervisor, of this generation; nil before the first
	since    time.Time      // when it came to stand as it does

	once  sync.Once
	shown *tunnel.Shown // see show
}

// committed is what the records make of a tunnel. Its generation and edition are given when it takes the place of another.
type committed struct {
	tunnel.Wanted
	secret   [sha256.Size]byte
	warnings []string
	unusable *tunnel.StatusError // why it cannot log in: its secret is missing or unreadable
}

func (x *index) place(ref tunnel.Ref) (int, bool) {
	return slices.BinarySearchFunc(x.order, ref, func(e *entry, ref tunnel.Ref) int { return e.Tunnel.Ref.Compare(ref) })
}

// put replaces the entry of ref; nil removes it.
func (x *index) put(ref tunnel.Ref, e *entry) {
	i, found := x.place(ref)
	switch {
	case e == nil && found:
		x.order = slices.Delete(x.order, i, i+1)
		delete(x.tunnels, ref)
		return
	case e == nil:
		return
	case found:
		x.order[i] = e
	default:
		x.order = slices.Insert(x.order, i, e)
	}
	x.tunnels[ref] = e
}

// owned are the tunnels of one owner. It stays valid while they are replaced.
func (x *index) owned(owner tunnel.Owner) []*entry {
	first, _ := x.place(tunnel.Ref{Owner: owner})
	last := first
	for last < len(x.order) && x.order[last].Tunnel.Ref.Owner == owner {
		last++
	}
	return slices.Clone(x.order[first:last])
}

// configurations are the families of one module's configurations, by name.
func (x *index) configurations(owner tunnel.Owner) []*family {
	var fs []*family
	for _, key := range sortedKeys(x.configs[owner]) {
		fs = append(fs, x.configs[owner][key])
	}
	return fs
}

// keep puts a family into the index, or takes one that is no more out of it.
func (x *index) keep(f *family) {
	configs := x.configs[f.owner()]
	if !f.exists() {
		delete(x.families, f.key)
		delete(configs, f.key)
		return
	}
	x.families[f.key] = f
	if f.made != nil {
		x.revision = max(x.revision, f.made.Revision)
		return
	}
	x.revision = max(x.revision, f.configuration.Revision)
	assign(&configs, f.key, f)
	x.configs[f.owner()] = configs
}

// setModuleLocked takes over what is known of a module.
func (r *Registry) setModuleLocked(owner tunnel.Owner, m *moduleRecord) {
	if r.modules[owner] == m {
		return
	}
	if m == nil {
		delete(r.modules, owner)
	} else {
		r.modules[owner] = m
		delete(r.broken, owner)
	}
	r.stale[owner] = true
}

// setFamilyLocked takes over a family as committed, with its tunnels, and tells what changed.
func (r *Registry) setFamilyLocked(by string, f *family, why map[tunnel.Ref]tunnel.Finding) {
	former := r.families[f.key]
	r.keep(f)
	m := r.modules[f.owner()]
	r.configurationChangedLocked(by, former, f)
	now, fs := f.under(m).tunnels()
	if len(fs) > 0 {
		r.log.Warn("declared tunnels do not fit their module", "configuration", f.configurationRef().String(), "findings", fs.Error())
	}
	for _, ref := range r.gone(former, now) {
		r.removeLocked(by, ref, why[ref])
	}
	for _, t := range now {
		r.replaceLocked(by, r.committed(f, t))
	}
}

// gone are the tunnels the index has of a family and now does not.
func (x *index) gone(former *family, now []tunnel.Tunnel) []tunnel.Ref {
	if former == nil {
		return nil
	}
	names := []tunnel.Name{former.ref().Name}
	if former.configuration != nil {
		names = slices.Sorted(maps.Keys(former.declared))
	}
	var refs []tunnel.Ref
	for _, name := range names {
		ref := tunnel.Ref{Owner: former.owner(), Name: name}
		still := slices.ContainsFunc(now, func(t tunnel.Tunnel) bool { return t.Ref == ref })
		if x.tunnels[ref] != nil && !still {
			refs = append(refs, ref)
		}
	}
	return refs
}

// committed is a tunnel as its family says, its standing worked out.
func (r *Registry) committed(f *family, t tunnel.Tunnel) *committed {
	e := &committed{
		Wanted: tunnel.Wanted{Tunnel: t}, secret: f.secretMark(t), warnings: append(tunnel.Warnings(t), f.viaWarnings(t)...),
	}
	if old := r.tunnels[t.Ref]; old != nil && old.secret == e.secret && old.Tunnel.Server == t.Server && old.Tunnel.Via == t.Via && old.Tunnel.Login == t.Login {
		e.unusable = old.unusable
	} else if _, err := r.credential(f, t); err != nil {
		e.unusable = asStatus(err)
	}
	e.Wanted = r.standingOf(e)
	return e
}

// reviewLocked works out anew the standing of tunnels that hang on what this commit changed elsewhere: their module or
// another of its configurations.
func (r *Registry) reviewLocked(by string) {
	for owner := range r.stale {
		for _, e := range r.owned(owner) {
			if w := r.standingOf(e.committed); !sameStanding(w, e.Wanted) {
				c := *e.committed
				c.Wanted = w
				r.replaceLocked(by, &c)
			}
		}
		delete(r.stale, owner)
	}
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
