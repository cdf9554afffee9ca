package files

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// place is a directory in which files are replaced whole. Nothing outside it is touched, whatever links are in it.
type place struct {
	root *os.Root
}

// openPlace makes the directory where it is missing.
func openPlace(dir string) (*place, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, &Error{dir, "opened", err}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, &Error{dir, "opened", err}
	}
	return &place{root}, nil
}

// Files on their way have a dot before and this behind, which no include pattern and no listing takes for a file.
const newSuffix = ".new"

func newName(name string) string { return "." + name + newSuffix }

// stage writes a file beside its name, safe on disk, readable by whom the group and the umask let.
func (p *place) stage(f File) (err error) {
	defer func() { err = p.unwritten(err) }()
	name := newName(f.Name)
	if err := p.remove(name); err != nil {
		return err
	}
	w, err := p.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if _, err := w.Write(f.Data); err != nil {
		return err
	}
	return w.Sync()
}

// commit puts a staged file where it belongs. sync makes that last.
func (p *place) commit(name string) error { return p.unwritten(p.root.Rename(newName(name), name)) }

func (p *place) sync() (err error) {
	d, err := p.root.Open(".")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Sync()
}

// remove is fine with a file that is not there.
func (p *place) remove(name string) error {
	if err := p.root.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return p.unwritten(err)
	}
	return nil
}

// try writes a file that no reader looks for, and removes it.
func (p *place) try() error {
	return errors.Join(p.stage(File{Name: "try", Data: []byte("?\n")}), p.remove(newName("try")))
}

// sweep removes what was on its way when a crash came.
func (p *place) sweep() error {
	entries, err := fs.ReadDir(p.root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if name := e.Name(); strings.HasPrefix(name, ".") && strings.HasSuffix(name, newSuffix) && e.Type().IsRegular() {
			if err := p.remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// read returns a whole file of at most limit bytes; fs.ErrNotExist where there is none.
func (p *place) read(name string, limit int64) ([]byte, error) {
	f, err := p.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	i, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if i.Size() > limit || !i.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file of at most %d bytes", name, limit)
	}
	data := make([]byte, i.Size())
	_, err = io.ReadFull(f, data) // whoever writes here replaces files: what was opened does not grow
	return data, err
}

// is reports whether a file holds exactly these bytes, and is a file.
func (p *place) is(f File) bool {
	i, err := p.root.Lstat(f.Name)
	if err != nil || !i.Mode().IsRegular() || i.Size() != int64(len(f.Data)) {
		return false
	}
	data, err := p.read(f.Name, i.Size())
	return err == nil && bytes.Equal(data, f.Data)
}
