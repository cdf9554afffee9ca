package journal

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// ErrBehind ends a reader that was so slow that files it had yet to read are gone.
var ErrBehind = errors.New("events were missed: the reader fell behind by more than the journal keeps")

// Read yields the events there are, oldest first. What is not an event in the
// files is left out. An error is the last thing it yields.
func (j *Journal) Read(ctx context.Context) iter.Seq2[tunnel.Event, error] { return j.read(ctx, false) }

// Follow yields what Read does and then each event as it comes, none twice and
// none left out, until ctx ends (its error comes last) or the journal is closed
// (ErrClosed).
func (j *Journal) Follow(ctx context.Context) iter.Seq2[tunnel.Event, error] {
	return j.read(ctx, true)
}

func (j *Journal) read(ctx context.Context, follow bool) iter.Seq2[tunnel.Event, error] {
	return func(yield func(tunnel.Event, error) bool) {
		r := reader{j: j, yield: yield, number: j.end().oldest}
		defer func() { _ = r.file.Close() }() // fine on nil
		err := r.run(ctx, follow)
		if err != nil && !errors.Is(err, errLeft) {
			yield(tunnel.Event{}, err)
		}
	}
}

// end is how far the journal goes at one moment.
type end struct {
	oldest, newest int
	size           int64           // of the newest
	grown          <-chan struct{} // closes when it goes further, or is closed
	closed         bool
}

func (j *Journal) end() end {
	j.mu.Lock()
	defer j.mu.Unlock()
	return end{j.oldest, j.newest, j.size, j.grown, j.closed}
}

// reader is a place in the row of files.
type reader struct {
	j      *Journal
	yield  func(tunnel.Event, error) bool
	number int      // of the file it is in
	file   *os.File // nil where it is not open
	begun  bool     // a file was opened, so that from there on none may be missed
	offset int64    // in the file: where the next line begins
}

var errLeft = errors.New("the loop was left")

func (r *reader) run(ctx context.Context, follow bool) error {
	for {
		e := r.j.end() // before reading, so that nothing in between is missed
		if err := r.readTo(ctx, e); err != nil || !follow {
			return err
		}
		if e.closed {
			return ErrClosed
		}
		select {
		case <-e.grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// readTo yields the events from where r is up to e.
func (r *reader) readTo(ctx context.Context, e end) error {
	for r.number <= e.newest {
		if err := r.open(); err != nil {
			return err
		}
		if r.number >= e.newest {
			break
		}
		info, err := r.file.Stat()
		if err != nil {
			return err
		}
		if err := r.lines(ctx, info.Size()); err != nil {
			return err
		}
		r.leave()
	}
	if r.number > e.newest { // files went while it was looking for them
		return nil
	}
	return r.lines(ctx, e.size)
}

// open opens the file that r has come to. One that the journal has removed is an
// error if r needed it; one that somebody else has removed is passed over.
func (r *reader) open() (err error) {
	for r.file == nil {
		r.file, err = os.Open(r.j.path(r.number))
		if err == nil {
			break
		}
		now := r.j.end()
		switch {
		case !errors.Is(err, fs.ErrNotExist) || r.number >= now.newest:
			return err
		case r.begun && r.number < now.oldest:
			return ErrBehind
		}
		r.number++
	}
	r.begun = true
	return nil
}

// leave goes on to the next file.
func (r *reader) leave() {
	_ = r.file.Close()
	r.file, r.number, r.offset = nil, r.number+1, 0
}
