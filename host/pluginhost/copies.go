package pluginhost

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// copies keep the accepted binaries, one file a module, called what the module is called: so that one can be started when
// another binary lies in its place by then. They lie in a directory of the daemon's that no module reaches. Nothing in it is
// trusted: what is started is what has the accepted checksum. Beside it lies why the other binary was refused, if it was.
type copies struct {
	dir   string
	limit int64 // bytes of one binary; 0 keeps none
}

// What the copies may take: one binary, and what must be free beside it.
const (
	maxCopy  = 256 << 20
	copyRoom = 256 << 20
)

// refusedSuffix ends the name of the file that says why another binary was refused. No module's name has a dot.
const refusedSuffix = ".refused"

// prepare makes the directory, without what was begun and not finished.
func (c copies) prepare() error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	return c.remove(func(name string) bool { return strings.HasPrefix(name, ".") })
}

// only removes what is of another module than these.
func (c copies) only(there map[tunnel.Owner]found) error {
	return c.remove(func(name string) bool {
		name = strings.TrimSuffix(name, refusedSuffix)
		return !strings.HasPrefix(name, ".") && !there[tunnel.Owner(name)].there
	})
}

func (c copies) remove(which func(name string) bool) error {
	entries, err := os.ReadDir(c.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if which(e.Name()) {
			err = errors.Join(err, os.Remove(filepath.Join(c.dir, e.Name())))
		}
	}
	return err
}

// open opens the copy of a module's binary, if it has that checksum.
func (c copies) open(ctx context.Context, name tunnel.Owner, sha string) (*os.File, error) {
	d, err := openDirectory(c.dir, true)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	f, _, err := d.open(string(name))
	if err != nil {
		return nil, err
	}
	got, err := hash(ctx, f)
	if err == nil && got != sha {
		err = errors.New("the copy is of another binary, or damaged")
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// keep makes binary, which has that checksum, the copy of the module's. A copy that a power failure spoils is not started,
// and made anew when the daemon finds the binary where it belongs: so nothing waits for the disk.
func (c copies) keep(ctx context.Context, binary *os.File, name tunnel.Owner, sha string) error {
	size, err := c.fits(binary)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(c.dir, ".new")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // where it did not become the copy
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(f, sum), untilDone{ctx, io.NewSectionReader(binary, 0, size)}); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != sha {
		return errors.New("the binary was changed while it was copied")
	}
	if err := errors.Join(f.Chmod(0o500), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(c.dir, string(name)))
}

// fits says whether there is room for a copy of binary, from which it could be executed.
func (c copies) fits(binary *os.File) (size int64, err error) {
	var at unix.Statfs_t
	st, err := binary.Stat()
	if err := errors.Join(err, unix.Statfs(c.dir, &at)); err != nil {
		return 0, err
	}
	switch {
	case st.Size() > c.limit:
		return 0, fmt.Errorf("it has %d MiB, and a copy may have %d", st.Size()>>20, c.limit>>20)
	case at.Flags&unix.ST_NOEXEC != 0:
		return 0, fmt.Errorf("nothing can be executed in %s: it is mounted noexec", c.dir)
	case at.Bavail*uint64(at.Bsize) < uint64(st.Size())+copyRoom:
		return 0, fmt.Errorf("the disk of %s is nearly full", c.dir)
	}
	return st.Size(), nil
}

// rejected is why a binary that lies in the place of the accepted one cannot be used.
type rejected struct {
	SHA256  string
	Reason  tunnel.Reason
	Message string
	Remedy  string
}

// refuse keeps that, for the daemon after this one.
func (c copies) refuse(name tunnel.Owner, r rejected) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.dir, string(name)+refusedSuffix), b, 0o600)
}

// forgive forgets it.
func (c copies) forgive(name tunnel.Owner) {
	_ = os.Remove(filepath.Join(c.dir, string(name)+refusedSuffix)) // it may not be there; and it is of one checksum alone
}

// refusal is what was kept of it, the zero value where nothing was, or it cannot be read.
func (c copies) refusal(name tunnel.Owner) (r rejected) {
	f, err := os.Open(filepath.Join(c.dir, string(name)+refusedSuffix))
	if err != nil {
		return r
	}
	defer f.Close()
	if json.NewDecoder(io.LimitReader(f, 1<<16)).Decode(&r) != nil {
		return rejected{}
	}
	return r
}

// unusable is the same as it is shown.
func (r rejected) unusable() *unusable { return &unusable{r.Reason, r.Message, r.Remedy} }
