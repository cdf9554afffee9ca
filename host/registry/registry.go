// Package registry is the single gate to everything durable: tunnels, configurations, secrets, pinned keys, modules.
//
// Four parties call it. A plugin's connection gets As(owner), which can change that owner's tunnels and nothing else.
// The control API calls the operator's verbs (AddTunnel, SetConfiguration, ...). The supervisor reads what shall run
// (Wanted, Login) and reports what does (Report). The module host reads which configurations run (Runs) and keeps
// what modules say of themselves (PinModule).
//
// What it promises: a change is one store transaction, in which every rule over all tunnels is checked; it is whole or
// not there; it is told to watchers and the journal only after it was committed, in the order of commits. What shall be
// is stored, what is lives in memory only; Get, List and Watch join the two. Reads never touch the store. No secret
// leaves it but through Login and RunSettings.
package registry

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/store"
)

// Config is what a registry works with. Store and Sealer are required.
type Config struct {
	Store  store.Store
	Sealer Sealer

	// Tell takes each event, one at a time and in order. It must not call the registry. While it blocks, changes wait for
	// it and reports do not.
	Tell func(tunnel.Event)

	Log hclog.Logger

	// Recount has what the tunnels named have carried, and when they were proved, reported anew, all where none is: it is
	// called, with nothing locked, before somebody reads them.
	Recount func(refs ...tunnel.Ref)

	// Reserved says where the host itself listens on the PBX: no mapping may listen or lead there.
	Reserved func() []tunnel.Endpoint

	// DeclareBurst is how many changed declarations one module may make at once, before it is held to one a second. 0 is 30.
	DeclareBurst int
}

// Registry holds the records of one store; nobody else may write there. All methods are safe for concurrent use.
type Registry struct {
	store    store.Store
	sealer   Sealer
	log      hclog.Logger
	reserved func() []tunnel.Endpoint
	recount  func(refs ...tunnel.Ref)

	writing chan struct{} // holds one token while a change is made
	doubt   *draft        // a change that may or may not have been written; who writes reads again what it touched
	teller  teller
	pace    pace // of each module's changes

	mu sync.RWMutex
	index
	board
	watchers map[*watcher]struct{}
	wanting  map[*dirty[tunnel.Ref]]struct{}
	running  map[*dirty[tunnel.ConfigurationRef]]struct{}
}

// Open reads every record of the store. Damaged ones are left out, logged and told as events; the rest works. Ports
// reserved otherwise than the records say are put right.
func Open(ctx context.Context, c Config) (*Registry, error) {
	c = c.withDefaults()
	r := &Registry{
		store: c.Store, sealer: c.Sealer, log: c.Log, reserved: c.Reserved, recount: c.Recount,
		writing: make(chan struct{}, 1), teller: teller{tell: c.Tell},
		index: newIndex(), board: newBoard(),
		pace:     pace{burst: c.DeclareBurst, full: map[tunnel.Owner]time.Time{}},
		watchers: map[*watcher]struct{}{},
		wanting:  map[*dirty[tunnel.Ref]]struct{}{},
		running:  map[*dirty[tunnel.ConfigurationRef]]struct{}{},
	}
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	if err := r.repairPorts(ctx); err != nil {
		r.log.Error("reserved ports cannot be put right", "error", err)
	}
	r.teller.flush()
	return r, nil
}

func (c Config) withDefaults() Config {
	if c.Tell == nil {
		c.Tell = func(tunnel.Event) {}
	}
	if c.Log == nil {
		c.Log = hclog.NewNullLogger()
	}
	if c.DeclareBurst == 0 {
		c.DeclareBurst = declareBurst
	}
	if c.Recount == nil {
		c.Recount = func(...tunnel.Ref) {}
	}
	if c.Reserved == nil {
		c.Reserved = func() []tunnel.Endpoint { return nil }
	}
	return c
}

// change makes one change: the steps draft it inside a store transaction, the rules are applied, and what was committed
// is shown and told. Steps may run more than once.
func (r *Registry) change(ctx context.Context, by string, steps ...func(*draft) error) error {
	defer r.teller.flush()
	select {
	case r.writing <- struct{}{}:
		defer func() { <-r.writing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := r.resolve(ctx); err != nil {
		return err
	}
	var d *draft
	var refused error
	_, err := r.store.Update(ctx, func(tx store.Tx) error {
		d = newDraft(r, tx)
		refused = d.run(steps)
		return refused
	})
	if err != nil {
		err = r.notWritten(d, err, refused)
		_ = r.resolve(context.WithoutCancel(ctx)) // else before the next change
		return err
	}
	r.commit(by, d)
	return nil
}

// notWritten says why a change did not happen. After an error of the store it may have happened all the same.
func (r *Registry) notWritten(d *draft, err, refused error) error {
	switch {
	case errors.Is(err, store.ErrTooBig):
		return tunnel.Findings{{
			Code: tunnel.TooMany, Message: "the change is larger than one change can be",
			WayOut: "make it in several steps, each with fewer sites or mappings",
		}}
	case refused == nil && !errors.Is(err, store.ErrBusy):
		r.doubt = d
	}
	return err
}

// resolve reads again what a change of unknown fate touched.
func (r *Registry) resolve(ctx context.Context) error {
	if r.doubt == nil {
		return nil
	}
	var now records
	_, err := r.store.View(ctx, func(rd store.Reader) (err error) {
		now, err = r.doubt.readAgain(rd)
		return err
	})
	if err != nil {
		return err
	}
	r.doubt = nil
	r.mu.Lock()
	defer r.mu.Unlock()
	r.takeOverLocked(host, now, nil)
	return nil
}

// commit shows what d changed, under the actor's name.
func (r *Registry) commit(by string, d *draft) {
	now := newRecords()
	for key, e := range d.families {
		now.families[key] = e.after
	}
	for owner := range d.former {
		now.modules[owner] = d.modules[owner]
	}
	for owner, e := range d.grants {
		if e.changed() {
			now.grants[owner] = &e.after
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if d.purge {
		for _, f := range now.families {
			r.purged[f.configurationRef()] = true
		}
	}
	r.takeOverLocked(by, now, d.why)
}

// takeOverLocked shows what was committed: modules first, since tunnels are computed from them, then configurations,
// since tunnels hang on them.
func (r *Registry) takeOverLocked(by string, now records, why map[tunnel.Ref]tunnel.Finding) {
	for owner, m := range now.modules {
		r.setModuleLocked(owner, m)
	}
	for _, key := range sortedKeys(now.families) {
		r.setFamilyLocked(by, now.families[key], why)
	}
	for _, owner := range sortedKeys(now.grants) {
		r.setGrantsLocked(by, owner, now.grants[owner])
	}
	r.reviewLocked(by)
}

// records are some of what a store holds, as it was read or committed.
type records struct {
	families map[string]*family
	modules  map[tunnel.Owner]*moduleRecord
	grants   map[tunnel.Owner]*grantRecord
}

func newRecords() records {
	return records{map[string]*family{}, map[tunnel.Owner]*moduleRecord{}, map[tunnel.Owner]*grantRecord{}}
}

// now is the time that statuses and events bear.
func now() time.Time { return time.Now().UTC() }
