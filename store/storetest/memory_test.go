package storetest

import (
	"errors"
	"testing"

	"github.com/culvert-pbx/culvert/store"
)

func TestMemory(t *testing.T) {
	Run(t, func(*testing.T) Open {
		m := NewMemory()
		_ = m.Close()
		return func(*testing.T) Store {
			m = m.Reopen()
			return m
		}
	})
}

func TestMemoryDamage(t *testing.T) {
	m := NewMemory()
	defer closeStore(t, m)
	before := update(t, m, "a=1", "b=2", "c=3")
	m.Damage("b")
	var sound int
	after, err := m.View(t.Context(), func(r store.Reader) error {
		_, err := r.Get("b")
		wantErr(t, err, store.ErrDamaged)
		for rec, err := range r.Scan("") {
			if (err != nil) != (rec.Key == "b") || err != nil && !errors.Is(err, store.ErrDamaged) {
				t.Errorf("scan: %v, %v", rec, err)
			}
			sound++
		}
		return nil
	})
	if err != nil || sound != 3 || after != before {
		t.Errorf("saw %d records at %v, %v", sound, after, err)
	}
	update(t, m, "b=2")
	wantRecords(t, m, "a=1", "b=2", "c=3")
}
