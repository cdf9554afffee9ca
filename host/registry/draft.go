package registry

import (
	"errors"
	"reflect"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/store"
)

// draft is one change in the making, inside a store transaction. Families are read once and changed in memory; settle
// then applies every rule that reaches over several of them and writes. A draft touches nothing outside the transaction.
type draft struct {
	reg      *Registry
	tx       store.Tx
	revision uint64 // what the records changed here get
	families map[string]*edited
	modules  map[tunnel.Owner]*moduleRecord // read, or put by this change
	former   map[tunnel.Owner]*moduleRecord // what this change put another in the place of
	grants   map[tunnel.Owner]*editedGrants
	ports    map[string]*portsRecord
	sites    map[settingsKey]map[string]tunnel.Site // parsed already

	findings tunnel.Findings // what is wrong with the change so far
	warnings []string        // what the change does that its author may not expect
	purge    bool            // a removed configuration's files go too

	yielding bool                          // declared tunnels that no longer fit are withdrawn, instead of refusing the change
	why      map[tunnel.Ref]tunnel.Finding // the reason, of those
}

// edited is a family as it is and as it shall be.
type edited struct{ before, after *family }

func newDraft(r *Registry, tx store.Tx) *draft {
	return &draft{
		reg: r, tx: tx, revision: r.revision + 1,
		families: map[string]*edited{}, modules: map[tunnel.Owner]*moduleRecord{},
		former: map[tunnel.Owner]*moduleRecord{}, grants: map[tunnel.Owner]*editedGrants{}, ports: map[string]*portsRecord{},
		sites: map[settingsKey]map[string]tunnel.Site{}, why: map[tunnel.Ref]tunnel.Finding{},
	}
}

// family returns the family under key, to be changed in place. Where there is none, it is empty.
func (d *draft) family(key string) (*family, error) {
	if e, ok := d.families[key]; ok {
		return e.after, nil
	}
	before, err := readFamily(d.tx, key, d.reg.tellDamage)
	if err != nil {
		return nil, err
	}
	e := &edited{before, before.clone()}
	d.families[key] = e
	return e.after, nil
}

// module returns what is known of a module, nil for the operator and where nothing is or it cannot be read.
func (d *draft) module(owner tunnel.Owner) (*moduleRecord, error) {
	if m, ok := d.modules[owner]; ok {
		return m, nil
	}
	m, err := read[moduleRecord](d.tx, modulePrefix+string(owner))
	if errors.Is(err, store.ErrDamaged) {
		d.reg.tellDamage(err)
		err = nil
	}
	if err == nil {
		d.modules[owner] = m
	}
	return m, err
}

// settingsKey is what sites depend on.
type settingsKey struct {
	module   *moduleRecord
	settings string
}

// reading is f under m, parsed once.
func (d *draft) reading(f *family, m *moduleRecord) reading {
	if f.configuration == nil || m == nil {
		return f.under(m)
	}
	key := settingsKey{m, string(f.configuration.Settings)}
	if sites, ok := d.sites[key]; ok {
		return reading{f, m, sites}
	}
	r := f.under(m)
	d.sites[key] = r.sites
	return r
}

// run drafts the change step by step and settles it.
func (d *draft) run(steps []func(*draft) error) error {
	for _, step := range steps {
		if err := step(d); err != nil {
			return err
		}
	}
	return d.settle()
}

// settle applies to the drafted change all that follows from it, refuses it with every finding, or writes it.
func (d *draft) settle() error {
	var moves []move
	for _, key := range sortedKeys(d.families) {
		ms, err := d.settleFamily(d.families[key])
		if err != nil {
			return err
		}
		moves = append(moves, ms...)
	}
	fs, err := d.reserve(moves)
	if err != nil {
		return err
	}
	if fs = addNew(d.findings, fs); len(fs) > 0 {
		return fs
	}
	return d.write()
}

// move is one tunnel of a change as it was and as it shall be; a zero side is no tunnel.
type move struct {
	was, now tunnel.Tunnel
	in       *family
}

func (d *draft) settleFamily(e *edited) ([]move, error) {
	m, err := d.module(e.after.owner())
	if err != nil {
		return nil, err
	}
	former, ok := d.former[e.after.owner()]
	if !ok {
		former = m
	}
	if !e.after.exists() {
		*e.after = family{key: e.after.key}
	}
	before, after := d.reading(e.before, former), d.reading(e.after, m)
	if d.yielding {
		d.yield(after)
	}
	d.warnings = append(d.warnings, after.forgetPlaces(before)...)
	was, _ := before.tunnels()
	now, fs := after.tunnels()
	d.findings = addNew(d.findings, fs)
	after.forgetWider(was, now)
	d.revise(e)
	return pair(was, now, e.after), nil
}

// revise gives a new revision to the record that carries one, where it changed.
func (d *draft) revise(e *edited) {
	if a := e.after.made; a != nil {
		if b := e.before.made; b != nil {
			a.Revision = b.Revision
		}
		if !reflect.DeepEqual(a, e.before.made) {
			a.Revision = d.revision
		}
	}
	if a := e.after.configuration; a != nil {
		if b := e.before.configuration; b != nil {
			a.Revision = b.Revision
		}
		if !reflect.DeepEqual(a, e.before.configuration) || !reflect.DeepEqual(e.after.sealed, e.before.sealed) {
			a.Revision = d.revision
		}
	}
}

// pair joins the tunnels of a family before and after by name.
func pair(was, now []tunnel.Tunnel, in *family) []move {
	var moves []move
	for _, t := range was {
		if !slices.ContainsFunc(now, func(n tunnel.Tunnel) bool { return n.Ref == t.Ref }) {
			moves = append(moves, move{was: t, in: in})
		}
	}
	for _, t := range now {
		m := move{now: t, in: in}
		if i := slices.IndexFunc(was, func(w tunnel.Tunnel) bool { return w.Ref == t.Ref }); i >= 0 {
			m.was = was[i]
		}
		moves = append(moves, m)
	}
	return moves
}

// yield withdraws the declared tunnels that the module's description no longer allows.
func (d *draft) yield(r reading) {
	for _, name := range sortedKeys(r.declared) {
		if _, fs := r.compute(name); len(fs) > 0 {
			d.withdraw(r.family, name, fs[0])
		}
	}
}

func (d *draft) withdraw(f *family, name tunnel.Name, why tunnel.Finding) {
	delete(f.declared, name)
	d.why[tunnel.Ref{Owner: f.owner(), Name: name}] = why
}

func mappingNamed(t tunnel.Tunnel, name string) (tunnel.Mapping, bool) {
	i := slices.IndexFunc(t.Mappings, func(m tunnel.Mapping) bool { return m.Name == name })
	if i < 0 {
		return tunnel.Mapping{}, false
	}
	return t.Mappings[i], true
}

// readAgain reads what the draft touched as it is now.
func (d *draft) readAgain(rd store.Reader) (records, error) {
	now := newRecords()
	for key := range d.families {
		f, err := readFamily(rd, key, d.reg.tellDamage)
		if err != nil {
			return now, err
		}
		now.families[key] = f
	}
	for owner := range d.former {
		m, err := read[moduleRecord](rd, modulePrefix+string(owner))
		if err != nil && !errors.Is(err, store.ErrDamaged) {
			return now, err
		}
		now.modules[owner] = m
	}
	for owner := range d.grants {
		g, err := read[grantRecord](rd, grantPrefix+string(owner))
		if err != nil && !errors.Is(err, store.ErrDamaged) {
			return now, err
		}
		now.grants[owner] = g
	}
	return now, nil
}

func (d *draft) write() error {
	var errs []error
	for _, e := range d.families {
		errs = append(errs, e.after.write(d.tx))
	}
	for owner := range d.former {
		errs = append(errs, write(d.tx, modulePrefix+string(owner), d.modules[owner]))
	}
	for owner, e := range d.grants {
		if e.changed() {
			errs = append(errs, write(d.tx, grantPrefix+string(owner), e.after.settled()))
		}
	}
	for scope, rec := range d.ports {
		if len(rec.Held) == 0 {
			rec = nil
		}
		errs = append(errs, write(d.tx, portsPrefix+scope, rec))
	}
	return errors.Join(errs...)
}
