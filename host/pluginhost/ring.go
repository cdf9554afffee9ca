package pluginhost

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"strings"
	"sync"
)

// ringSize is how large each of a ring's two files may grow.
const ringSize = 1 << 20

// ring is a module's log: two files, PATH and the older PATH.1, of ringSize each. It is safe for concurrent use. The
// files lie beside the module's own directory, not in it: a module cannot rewrite what was logged of it.
type ring struct {
	path string

	mu    sync.Mutex
	file  *os.File      // nil until the first line
	size  int64         // of file
	turns int           // how often the files were turned
	grown chan struct{} // closed and replaced at each line
}

func newRing(path string) *ring { return &ring{path: path, grown: make(chan struct{})} }

// write appends one line.
func (r *ring) write(line string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.readyLocked(int64(len(line) + 1)); err != nil {
		return err
	}
	n, err := r.file.WriteString(line + "\n")
	r.size += int64(n)
	close(r.grown)
	r.grown = make(chan struct{})
	return err
}

// readyLocked opens the file, and turns the ring where n bytes more do not fit.
func (r *ring) readyLocked(n int64) error {
	if r.file != nil && r.size+n > ringSize {
		r.file.Close()
		r.file = nil
		if err := os.Rename(r.path, r.path+".1"); err != nil {
			return err
		}
		r.turns++
	}
	if r.file != nil {
		return nil
	}
	f, err := os.OpenFile(r.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	r.file, r.size = f, st.Size()
	return nil
}

// close closes the file; a later line opens it again.
func (r *ring) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file != nil {
		r.file.Close()
		r.file = nil
	}
}

// state is how often the ring was turned and what is closed at the next line.
func (r *ring) state() (turns int, grown <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.turns, r.grown
}

// open opens both files as of one moment; old is nil where there is none yet.
func (r *ring) open() (old, present *os.File, turns int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.readyLocked(0); err != nil {
		return nil, nil, 0, err
	}
	old, err = os.Open(r.path + ".1")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, 0, err
	}
	present, err = os.Open(r.path)
	if err != nil {
		old.Close() // fine on nil
		return nil, nil, 0, err
	}
	return old, present, r.turns, nil
}

// lines yields what is in the ring, oldest first, and with follow each later line until ctx ends, whose error comes
// last. A reader so slow that the ring turned twice meanwhile misses what is gone.
func (r *ring) lines(ctx context.Context, follow bool) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		err := r.read(ctx, follow, func(line string) bool { return yield(line, nil) })
		if err != nil && !errors.Is(err, errStopped) {
			yield("", err)
		}
	}
}

var errStopped = errors.New("the reader stopped")

func (r *ring) read(ctx context.Context, follow bool, yield func(string) bool) error {
	old, present, turns, err := r.open()
	if err != nil {
		return err
	}
	if old != nil {
		_, err := copyLines(bufio.NewReader(old), "", yield)
		old.Close()
		if err != nil {
			present.Close()
			return err
		}
	}
	for {
		more, err := r.tail(ctx, present, turns, follow, yield)
		present.Close()
		if err != nil || !more {
			return err
		}
		if old, present, turns, err = r.open(); err != nil {
			return err
		}
		old.Close()
	}
}

// tail yields the lines of the file that is the present one while the ring has turned turns times. With follow it goes
// on until the ring turns, and reports that there is more in the next file.
func (r *ring) tail(ctx context.Context, f *os.File, turns int, follow bool, yield func(string) bool) (more bool, err error) {
	in, rest := bufio.NewReader(f), ""
	for {
		now, grown := r.state() // before reading, so that no line in between is missed
		if rest, err = copyLines(in, rest, yield); err != nil {
			return false, err
		}
		if !follow || now != turns {
			return follow, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-grown:
		}
	}
}

// copyLines yields whole lines until the end of in and returns the beginning of a line that is not whole yet.
func copyLines(in *bufio.Reader, rest string, yield func(string) bool) (string, error) {
	for {
		s, err := in.ReadString('\n')
		rest += s
		if errors.Is(err, io.EOF) {
			return rest, nil
		}
		if err != nil {
			return rest, err
		}
		if !yield(strings.TrimSuffix(rest, "\n")) {
			return "", errStopped
		}
		rest = ""
	}
}
