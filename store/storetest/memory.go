package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/culvert-pbx/culvert/store"
	"github.com/culvert-pbx/culvert/store/internal/engine"
)

// Memory is a store in memory that passes the suite: for tests that make very many
// changes, or need a damaged record.
type Memory struct {
	*place
	gate   *engine.Gate
	recent *engine.Recent
	closed atomic.Bool
	close  sync.Once
}

// place is what outlives a Memory that is closed.
type place struct{ now atomic.Pointer[state] }

// state is the records as of one revision; it never changes.
type state struct {
	rev     uint64
	records map[string][]byte // nil: damaged
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	p := &place{}
	p.now.Store(&state{rev: 1, records: map[string][]byte{}})
	return open(p)
}

// Reopen returns a new store with the same records. m must be closed.
func (m *Memory) Reopen() *Memory { return open(m.place) }

func open(p *place) *Memory {
	return &Memory{place: p, gate: engine.NewGate(), recent: engine.NewRecent(store.RevAt(p.now.Load().rev), 64)}
}

// View is store.Store's.
func (m *Memory) View(ctx context.Context, f func(store.Reader) error) (store.Rev, error) {
	if err := ctx.Err(); err != nil {
		return store.Rev{}, err
	}
	if m.closed.Load() {
		return store.Rev{}, engine.ErrClosed
	}
	r := &memoryReader{state: m.now.Load()}
	defer func() { r.ended = true }()
	if err := f(r); err != nil {
		return store.Rev{}, err
	}
	return store.RevAt(r.rev), nil
}

// Update is store.Store's.
func (m *Memory) Update(ctx context.Context, f func(store.Tx) error) (store.Rev, error) {
	if err := m.gate.Enter(ctx); err != nil {
		return store.Rev{}, err
	}
	defer m.gate.Leave()
	var c store.Change
	rev, err := m.View(ctx, func(r store.Reader) (err error) {
		c, err = engine.Outcome(r, f)
		return err
	})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return store.Rev{}, err
	}
	if len(c.Puts)+len(c.Deletes) == 0 {
		return rev, nil
	}
	return m.commit(c), nil
}

// Watch is store.Store's.
func (m *Memory) Watch(ctx context.Context, prefix string, after store.Rev) iter.Seq2[store.Change, error] {
	return m.recent.Watch(ctx, prefix, after)
}

// Close ends every Watch.
func (m *Memory) Close() error {
	m.close.Do(func() {
		m.closed.Store(true)
		m.recent.Close()
		m.gate.Close()
	})
	return nil
}

// Damage makes reading the record under key give ErrDamaged, until the record is
// put or deleted. It is no change: nobody who watches is told.
func (m *Memory) Damage(key string) {
	if m.gate.Enter(context.Background()) != nil {
		return
	}
	defer m.gate.Leave()
	now := m.now.Load()
	records := maps.Clone(now.records)
	records[key] = nil
	m.now.Store(&state{now.rev, records})
}

func (m *Memory) commit(c store.Change) store.Rev {
	now := m.now.Load()
	records := maps.Clone(now.records)
	for _, r := range c.Puts {
		records[r.Key] = r.Value
	}
	for _, key := range c.Deletes {
		delete(records, key)
	}
	c.Rev = store.RevAt(now.rev + 1)
	m.now.Store(&state{now.rev + 1, records})
	m.recent.Add(c)
	return c.Rev
}

// memoryReader is store.Reader on one state.
type memoryReader struct {
	*state
	ended bool
}

var errEnded = errors.New("a store.Reader was used after its function had ended")

// Get is store.Reader's.
func (r *memoryReader) Get(key string) ([]byte, error) {
	if err := store.CheckKey(key); err != nil {
		return nil, err
	}
	value, ok := r.records[key]
	switch {
	case r.ended:
		return nil, errEnded
	case !ok:
		return nil, fmt.Errorf("%w: %q", store.ErrNotFound, key)
	case value == nil:
		return nil, &store.DamagedError{Key: key, Reason: "the test made it so"}
	}
	return bytes.Clone(value), nil
}

// Scan is store.Reader's.
func (r *memoryReader) Scan(prefix string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		if r.ended {
			yield(store.Record{Key: prefix}, errEnded)
			return
		}
		for _, key := range slices.Sorted(maps.Keys(r.records)) {
			if !strings.HasPrefix(key, prefix) {
				continue
			}
			if value, err := r.Get(key); !yield(store.Record{Key: key, Value: value}, err) {
				return
			}
		}
	}
}
