// Package files makes a telephone system out of files: a record of all users and groups that the module owns, and files
// beside it that another program reads, rendered from the record alone. Adapters say how they are rendered and how the
// other program is told; reading, transactions, crashes and repairs are here.
//
// A change is committed by renaming the record. Everything that can fail for want of space has been written before that,
// and the files for readers are renamed after it; a crash in between is made good by the next Open or Apply. Every file is
// replaced by a rename, so a reader sees the former or the next one whole. Directories are synced, so a committed change
// survives the loss of power.
package files

import (
	"cmp"
	"context"
	"errors"
	"sync"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
)

// File is one file for readers. Names are plain, without a leading dot.
type File struct {
	Name string
	Data []byte
}

// System is what an adapter adds.
type System struct {
	Capabilities pbx.Capabilities

	// Render makes the files of a state, always the same of the same, and says which fields it left out.
	Render func(pbx.State) ([]File, []pbx.Refusal)

	// Reload tells the other program. It is called after every change of a file until it has succeeded, and may be nil.
	Reload func(context.Context) error
}

// Config says where files are.
type Config struct {
	Record string // a directory of the module's own, and of this adapter alone
	Dir    string // where the other program reads; may be the same
}

// Adapter is a pbx.Adapter of files.
type Adapter struct {
	system      System
	record, out *place

	mu     sync.Mutex // one change at a time
	digest string     // of the record as it was last read or committed
}

// Open makes good what a crash left undone, but for the reload, which the next Apply repeats. Where somebody writes at the
// moment it leaves that to them, so that a second adapter may be opened to look. pbx.ErrBusy: the directory belongs to
// another record. pbx.ErrDamaged: the record is there and cannot be read.
func Open(c Config, s System) (*Adapter, error) {
	a := &Adapter{system: s}
	if err := a.open(c); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *Adapter) open(c Config) (err error) {
	if a.record, err = openPlace(c.Record); err != nil {
		return err
	}
	if a.out, err = openPlace(c.Dir); err != nil {
		return err
	}
	now, cancel := context.WithCancel(context.Background())
	cancel()
	if err = a.whileLocked(now, a.repair); errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (a *Adapter) repair() error {
	if err := errors.Join(a.record.sweep(), a.out.sweep()); err != nil {
		return err
	}
	if _, err := a.load(); err != nil || a.note().Shown == a.digest && a.digest != "" {
		return err
	}
	state, err := a.read()
	if err != nil {
		return err
	}
	_, err = a.publish(state, nil)
	return err
}

// Capabilities implements pbx.Adapter.
func (a *Adapter) Capabilities() pbx.Capabilities { return a.system.Capabilities }

// Read implements pbx.Adapter.
func (a *Adapter) Read(ctx context.Context) (pbx.State, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return pbx.State{}, err
	}
	return a.read()
}

// Preview implements pbx.Adapter.
func (a *Adapter) Preview(ctx context.Context, p pbx.Plan) (pbx.Result, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	after, r, err := a.outcome(ctx, p)
	if err != nil {
		return pbx.Result{}, err
	}
	pub, err := a.render(after)
	if err != nil {
		return pbx.Result{}, err
	}
	r.Files, r.Removed, r.Refused = pub.names(), pub.gone, pub.refused
	return r, nil
}

// Apply implements pbx.Adapter.
func (a *Adapter) Apply(ctx context.Context, p pbx.Plan) (r pbx.Result, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	err = a.whileLocked(ctx, func() error {
		r, err = a.apply(ctx, p)
		return err
	})
	return r, err
}

func (a *Adapter) apply(ctx context.Context, p pbx.Plan) (pbx.Result, error) {
	after, r, err := a.outcome(ctx, p)
	if err != nil {
		return pbx.Result{}, err
	}
	var record *File
	if !p.Empty() {
		if record, r.Version, err = a.commitment(after); err != nil {
			return pbx.Result{}, err
		}
	}
	pub, err := a.publish(after, record)
	if err != nil {
		return pbx.Result{}, err
	}
	r.Files, r.Removed, r.Refused = pub.names(), pub.gone, pub.refused
	r.Reloaded, err = a.reload(ctx, pub)
	return r, err
}

// commitment is what makes a state the present one, and its version.
func (a *Adapter) commitment(s pbx.State) (*File, string, error) {
	f, digest, err := encode(s)
	if err != nil {
		return nil, "", err
	}
	_, mark, err := a.local()
	a.digest = digest
	return &f, version(digest, mark), err
}

func (a *Adapter) outcome(ctx context.Context, p pbx.Plan) (pbx.State, pbx.Result, error) {
	if err := ctx.Err(); err != nil {
		return pbx.State{}, pbx.Result{}, err
	}
	have, err := a.read()
	if err != nil {
		return pbx.State{}, pbx.Result{}, err
	}
	return pbx.Outcome(have, p)
}

// Try implements pbx.Adapter.
func (a *Adapter) Try(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.whileLocked(ctx, func() error { return cmp.Or(a.record.try(), a.out.try()) })
}

// Close implements pbx.Adapter.
func (a *Adapter) Close() (err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range []*place{a.record, a.out} {
		if p != nil {
			err = cmp.Or(err, p.root.Close())
		}
	}
	return err
}
