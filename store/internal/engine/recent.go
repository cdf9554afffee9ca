package engine

import (
	"slices"
	"sync"

	"github.com/culvert-pbx/culvert/store"
)

// maxBytes bounds the memory of a Recent whatever the number of changes in it; the newest is kept in any case. Those who
// watch are close behind: what is older serves nobody, and in a daemon with many tunnels it would be most of the heap.
const maxBytes = 1 << 17

// Recent holds the most recent changes for those who watch. Adding to it never
// waits: each who watches comes and takes what is after the revision it has seen.
// It is safe for concurrent use.
type Recent struct {
	limit  int // changes
	closed chan struct{}

	mu      sync.Mutex
	floor   store.Rev // every change after floor, up to head, is in changes
	head    store.Rev
	changes []store.Change // oldest first
	bytes   int
	news    chan struct{} // closed by the next change
}

// NewRecent makes a Recent for a store at revision head, which keeps limit changes.
func NewRecent(head store.Rev, limit int) *Recent {
	return &Recent{limit: limit, closed: make(chan struct{}), floor: head, head: head, news: make(chan struct{})}
}

// Close ends every Watch with ErrUnreachable. It is called once.
func (r *Recent) Close() { close(r.closed) }

// Add appends c, the newest change, and drops the oldest where there are too many.
func (r *Recent) Add(c store.Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes = append(r.changes, c)
	r.bytes += sizeOf(c)
	r.head = c.Rev
	for len(r.changes) > r.limit || r.bytes > maxBytes && len(r.changes) > 1 {
		r.floor = r.changes[0].Rev
		r.bytes -= sizeOf(r.changes[0])
		r.changes = slices.Delete(r.changes, 0, 1)
	}
	r.tellLocked()
}

// Jump says that the store is at head now and that it is not known how it got
// there; it does nothing where that is no news.
func (r *Recent) Jump(head store.Rev) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if head == r.head {
		return
	}
	r.floor, r.head, r.changes, r.bytes = head, head, nil, 0
	r.tellLocked()
}

func (r *Recent) tellLocked() {
	close(r.news)
	r.news = make(chan struct{})
}

// after returns the changes after rev, oldest first, and a channel that closes
// when there are more. ErrGone: they are not known.
func (r *Recent) after(rev store.Rev) ([]store.Change, <-chan struct{}, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rev.Less(r.floor) || rev.After(r.head) {
		return nil, nil, store.ErrGone
	}
	i := slices.IndexFunc(r.changes, func(c store.Change) bool { return c.Rev.After(rev) })
	if i < 0 {
		return nil, r.news, nil
	}
	return slices.Clone(r.changes[i:]), r.news, nil
}

func sizeOf(c store.Change) int {
	n := 0
	for _, rec := range c.Puts {
		n += len(rec.Key) + len(rec.Value)
	}
	for _, key := range c.Deletes {
		n += len(key)
	}
	return n
}
