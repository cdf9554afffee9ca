package storetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/store"
)

var limitTests = map[string]func(*testing.T, Store){
	"limits of a change":                 testLimits,
	"limits count the outcome":           testNetLimits,
	"what cannot be a key":               testKeys,
	"a refused write refuses the change": testRefusedWrite,
}

// numbered returns n writes of size bytes each.
func numbered(n, size int) (writes []string) {
	for i := range n {
		key := fmt.Sprintf("k%03d=", i)
		writes = append(writes, key+strings.Repeat("x", size-len(key)+1))
	}
	return writes
}

func testLimits(t *testing.T, s Store) {
	big := "a=" + strings.Repeat("x", store.MaxRecord)
	for _, c := range []struct {
		name   string
		writes []string
		want   error
	}{
		{"as many keys as may be", numbered(store.MaxChangeKeys, 10), nil},
		{"one key more", numbered(store.MaxChangeKeys+1, 11), store.ErrTooBig},
		{"the biggest record", []string{big}, nil},
		{"one byte more", []string{big + "x"}, store.ErrTooBig},
		{"the biggest change", numbered(8, store.MaxChangeBytes/8), nil},
		{"one change byte more", append(numbered(7, store.MaxChangeBytes/8-1), numbered(8, store.MaxChangeBytes/8+8)[7]), store.ErrTooBig},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, rev := view(t, s, "")
			_, err := s.Update(t.Context(), func(tx store.Tx) error { return set(tx, c.writes...) })
			wantErr(t, err, c.want)
			after, now := view(t, s, "")
			if c.want != nil && (now != rev || strings.Join(before, "") != strings.Join(after, "")) {
				t.Errorf("a refused change wrote something")
			}
		})
	}
}

// Writes that change nothing do not count; deletions do.
func testNetLimits(t *testing.T, s Store) {
	update(t, s, numbered(100, 10)...)
	update(t, s, append(numbered(100, 10), "new=1", "absent")...)
	_, err := s.Update(t.Context(), func(tx store.Tx) error {
		for i := range 100 {
			if err := tx.Delete(fmt.Sprintf("k%03d", i)); err != nil {
				return err
			}
		}
		return tx.Delete("new")
	})
	wantErr(t, err, store.ErrTooBig)
}

func testKeys(t *testing.T, s Store) {
	for _, key := range []string{"", strings.Repeat("k", store.MaxKey+1), "a\nb", "a\x00", "\x7f", "ü"} {
		_, err := s.Update(t.Context(), func(tx store.Tx) error { return tx.Put(key, nil) })
		wantErr(t, err, store.ErrKey)
		_, err = s.Update(t.Context(), func(tx store.Tx) error { return tx.Delete(key) })
		wantErr(t, err, store.ErrKey)
		_, err = s.View(t.Context(), func(r store.Reader) error { _, err := r.Get(key); return err })
		wantErr(t, err, store.ErrKey)
	}
}

func testRefusedWrite(t *testing.T, s Store) {
	_, err := s.Update(t.Context(), func(tx store.Tx) error {
		_ = tx.Put("big", make([]byte, store.MaxRecord+1))
		return tx.Put("a", nil)
	})
	wantErr(t, err, store.ErrTooBig)
	_, err = s.Update(t.Context(), func(tx store.Tx) error {
		_ = tx.Delete("\n")
		return tx.Put("a", nil)
	})
	wantErr(t, err, store.ErrKey)
	wantRecords(t, s)
}
