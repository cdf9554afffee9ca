package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
)

// publication is what readers shall find.
type publication struct {
	digest  string // of all files
	all     []string
	changed []File
	gone    []string // that are there and not rendered any more, sorted
	refused []pbx.Refusal
}

func (p publication) names() (names []string) {
	for _, f := range p.changed {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	return names
}

// render makes the files of a state, and compares them with those that are there.
func (a *Adapter) render(s pbx.State) (publication, error) {
	files, refused := a.system.Render(s)
	pub, h := publication{refused: refused}, sha256.New()
	for _, f := range files {
		if !fs.ValidPath(f.Name) || f.Name[0] == '.' || f.Name == recordName || f.Name == noteName || f.Name == LocalName {
			return pub, fmt.Errorf("the adapter renders a file %q", f.Name)
		}
		fmt.Fprintf(h, "%s %d\n", f.Name, len(f.Data))
		h.Write(f.Data)
		pub.all = append(pub.all, f.Name)
		if !a.out.is(f) {
			pub.changed = append(pub.changed, f)
		}
	}
	pub.digest, pub.gone = hex.EncodeToString(h.Sum(nil)), a.gone(pub.all)
	return pub, nil
}

// gone are the files of ours that are there beside those that shall be. They go: whoever reads one that nobody writes any
// more takes its users for those of today.
func (a *Adapter) gone(all []string) (names []string) {
	for _, name := range a.note().Files {
		if _, err := a.out.root.Lstat(name); err == nil && !slices.Contains(all, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// publish commits a record, where there is one to commit, and then shows readers its files.
func (a *Adapter) publish(s pbx.State, record *File) (publication, error) {
	pub, err := a.render(s)
	if err != nil {
		return pub, err
	}
	n := a.note()
	if err := a.stage(pub, record); err != nil {
		return pub, errors.Join(err, a.record.sweep(), a.out.sweep())
	}
	if err := a.mark(n, pub.all); err != nil { // before a new name appears, so that it is never forgotten
		return pub, err
	}
	if record != nil {
		if err := errors.Join(a.record.commit(record.Name), a.record.sync()); err != nil {
			return pub, err
		}
	}
	return pub, a.show(n, pub)
}

// stage writes all that may want space.
func (a *Adapter) stage(pub publication, record *File) error {
	if record != nil {
		if err := a.record.stage(*record); err != nil {
			return err
		}
	}
	for _, f := range pub.changed {
		if err := a.out.stage(f); err != nil {
			return err
		}
	}
	return nil
}

// show renames what was staged, takes away files that are not rendered any more, and notes of which record readers have
// the files now.
func (a *Adapter) show(n note, pub publication) error {
	for _, f := range pub.changed {
		if err := a.out.commit(f.Name); err != nil {
			return err
		}
	}
	for _, name := range pub.gone {
		if err := a.out.remove(name); err != nil {
			return err
		}
	}
	if len(pub.changed)+len(pub.gone) > 0 {
		if err := a.out.sync(); err != nil {
			return err
		}
	}
	if n.Shown == a.digest && slices.Equal(n.Files, pub.all) {
		return nil
	}
	n.Files, n.Shown = pub.all, a.digest
	return a.keep(n)
}

// reload tells the other program of files that it was not told of yet.
func (a *Adapter) reload(ctx context.Context, pub publication) (bool, error) {
	n := a.note()
	switch {
	case a.system.Reload == nil:
		return false, nil
	case n.Reloaded == pub.digest:
		return true, nil
	}
	if err := a.system.Reload(ctx); err != nil {
		return false, fmt.Errorf("%w: %w", pbx.ErrReload, err)
	}
	n.Reloaded = pub.digest
	return true, a.keep(n)
}

const (
	noteName = "users.note"
	maxNote  = 1 << 20
)

// note is what is remembered of the files for readers. Losing it costs a reload, and leaves files that are not wanted any
// more.
type note struct {
	Files    []string `json:"files"`    // every name that may be there
	Shown    string   `json:"shown"`    // the digest of the record that the files for readers are of
	Reloaded string   `json:"reloaded"` // the digest of the last files that the other program took up
}

func (a *Adapter) note() (n note) {
	data, err := a.record.read(noteName, maxNote)
	if err != nil || json.Unmarshal(data, &n) != nil {
		return note{}
	}
	return n
}

// mark adds names to the note.
func (a *Adapter) mark(n note, names []string) error {
	n.Files = slices.Clone(n.Files)
	before := len(n.Files)
	for _, name := range names {
		if !slices.Contains(n.Files, name) {
			n.Files = append(n.Files, name)
		}
	}
	if len(n.Files) == before {
		return nil
	}
	return a.keep(n)
}

func (a *Adapter) keep(n note) error {
	data, err := json.Marshal(n)
	if err != nil {
		return err
	}
	if err := a.record.stage(File{noteName, data}); err != nil {
		return err
	}
	return errors.Join(a.record.commit(noteName), a.record.sync())
}
