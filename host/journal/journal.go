// Package journal keeps what happened: who changed which tunnel, what was refused,
// how states went. The daemon appends to it; operators read and follow it.
//
// It is a row of files of JSON lines, events-NUMBER.jsonl, apart from the registry.
// The newest is written to; when it is full the next number begins and the oldest
// file goes. Who follows reads the same files at its own pace, so nobody who is
// slow holds up an event. What Append has taken survives the death of the process,
// but not surely that of the machine: a line costs no wait for the disk.
package journal

import (
	"errors"
	"os"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Options tune a Journal; the zero value is what the daemon uses.
type Options struct {
	FileSize int64 // bytes after which the next file begins; 0 means 10 MB
	Files    int   // files kept; 0 means 5

	// Trouble, where not nil, is told once when events cannot be written any more,
	// and with nil once they can be again. It must not call the journal.
	Trouble func(error)
}

// ErrClosed ends what follows a journal that is closed.
var ErrClosed = errors.New("the journal is closed")

// Journal is an open journal. It is safe for concurrent use, within one process.
type Journal struct {
	dir  string
	opts Options

	mu      sync.Mutex
	file    *os.File // the newest
	oldest  int
	newest  int
	size    int64 // of the whole lines in the newest
	failing bool
	closed  bool
	grown   chan struct{} // closed and replaced at each event
}

// Open opens the journal in dir, which it makes (mode 0700) where there is none.
// What a crash has left of a last line is removed. The caller closes it.
func Open(dir string, opts Options) (*Journal, error) {
	if opts.FileSize == 0 {
		opts.FileSize = 10_000_000
	}
	if opts.Files == 0 {
		opts.Files = 5
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	numbers, err := list(dir)
	if err != nil {
		return nil, err
	}
	j := &Journal{dir: dir, opts: opts, grown: make(chan struct{})}
	if len(numbers) == 0 {
		numbers = []int{1}
	}
	j.oldest, j.newest = numbers[0], numbers[len(numbers)-1]
	if j.file, j.size, err = openNewest(j.path(j.newest)); err != nil {
		return nil, err
	}
	return j, nil
}

// Append adds e as the newest event, at the present time where it has none. Texts
// that are too long are cut, and what could drive a terminal is escaped. It reports
// no error, since no caller could do anything about it: see Options.Trouble.
func (j *Journal) Append(e tunnel.Event) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	line := encode(bounded(e))
	j.mu.Lock()
	defer j.mu.Unlock()
	err := j.writeLocked(line)
	if failing := err != nil; failing != j.failing {
		j.failing = failing
		if j.opts.Trouble != nil {
			j.opts.Trouble(err)
		}
	}
}

// Close ends every Follow. Events appended later are lost; Read goes on working.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil
	}
	j.closed = true
	close(j.grown)
	return errors.Join(j.file.Sync(), j.file.Close())
}

func (j *Journal) writeLocked(line []byte) error {
	if j.closed {
		return ErrClosed
	}
	if j.size > 0 && j.size+int64(len(line)) > j.opts.FileSize {
		if err := j.turnLocked(); err != nil {
			return err
		}
	}
	if _, err := j.file.WriteAt(line, j.size); err != nil {
		return errors.Join(err, j.file.Truncate(j.size)) // the next line goes to the same place
	}
	j.size += int64(len(line))
	close(j.grown)
	j.grown = make(chan struct{})
	return j.pruneLocked()
}

// turnLocked begins the next file.
func (j *Journal) turnLocked() error {
	next, size, err := openNewest(j.path(j.newest + 1))
	if err != nil {
		return err
	}
	_ = j.file.Close()
	j.file, j.size = next, size
	j.newest++
	return nil
}

// pruneLocked removes the oldest files where there are too many.
func (j *Journal) pruneLocked() error {
	for ; j.newest-j.oldest >= j.opts.Files; j.oldest++ {
		if err := os.Remove(j.path(j.oldest)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
