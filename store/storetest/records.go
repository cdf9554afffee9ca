package storetest

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/store"
)

var recordTests = map[string]func(*testing.T, Store){
	"a new store is empty":            testEmpty,
	"Get returns what Put stored":     testGet,
	"values are the caller's own":     testCopies,
	"Scan goes in key order":          testScan,
	"Scan can be left":                testScanLeft,
	"a Reader ends with its function": testReaderEnds,
	"a panic leaves the store usable": testPanic,
	"errors come back as they are":    testOwnError,
}

func testEmpty(t *testing.T, s Store) {
	wantRecords(t, s)
	_, err := s.View(t.Context(), func(r store.Reader) error {
		_, err := r.Get("a")
		return err
	})
	wantErr(t, err, store.ErrNotFound)
}

func testGet(t *testing.T, s Store) {
	binary := string([]byte{0, 1, 0xff, '\n', '='})
	values := map[string]string{"a": "1", "empty": "", "b/c d~": binary, strings.Repeat("k", store.MaxKey): "long"}
	for key, value := range values {
		update(t, s, key+"="+value)
	}
	update(t, s, "a=2", "absent")
	values["a"] = "2"
	_, err := s.View(t.Context(), func(r store.Reader) error {
		for key, want := range values {
			if got, err := r.Get(key); err != nil || string(got) != want || got == nil {
				t.Errorf("Get(%.20q) is %q, %v, want %q", key, got, err, want)
			}
		}
		return nil
	})
	wantErr(t, err, nil)
	update(t, s, "a")
	_, err = s.View(t.Context(), func(r store.Reader) error { _, err := r.Get("a"); return err })
	wantErr(t, err, store.ErrNotFound)
}

// What a caller does to a slice after handing it in, or after it was handed one,
// changes no record.
func testCopies(t *testing.T, s Store) {
	_, err := s.Update(t.Context(), func(tx store.Tx) error {
		value := []byte("good")
		err := tx.Put("a", value)
		copy(value, "evil")
		own, _ := tx.Get("a")
		copy(own, "evil")
		for rec, scanErr := range tx.Scan("") {
			copy(rec.Value, "evil")
			err = errors.Join(err, scanErr)
		}
		return err
	})
	wantErr(t, err, nil)
	var kept []byte
	_, err = s.View(t.Context(), func(r store.Reader) (err error) {
		kept, err = r.Get("a")
		return err
	})
	wantErr(t, err, nil)
	update(t, s, "a=else")
	if !bytes.Equal(kept, []byte("good")) {
		t.Fatalf("the value changed to %q after its transaction", kept)
	}
	copy(kept, "evil")
	wantRecords(t, s, "a=else")
}

func testScan(t *testing.T, s Store) {
	update(t, s, "b/2=x", "a=x", "b/10=x", "b=x", "c=x", "b0=x", "B=x")
	for prefix, want := range map[string]string{
		"":     "B=x a=x b=x b/10=x b/2=x b0=x c=x",
		"b":    "b=x b/10=x b/2=x b0=x",
		"b/":   "b/10=x b/2=x",
		"b/10": "b/10=x",
		"bb":   "", "~": "", "b/100": "",
	} {
		if got, _ := view(t, s, prefix); strings.Join(got, " ") != want {
			t.Errorf("Scan(%q) is %q, want %q", prefix, got, want)
		}
	}
}

func testScanLeft(t *testing.T, s Store) {
	update(t, s, "a=1", "b=2", "c=3")
	var seen []string
	_, err := s.Update(t.Context(), func(tx store.Tx) error {
		seen = nil
		if err := tx.Put("b", []byte("9")); err != nil {
			return err
		}
		for rec, err := range tx.Scan("") {
			if seen = append(seen, rec.Key); err != nil || rec.Key == "b" {
				return err
			}
		}
		return nil
	})
	if err != nil || !slices.Equal(seen, []string{"a", "b"}) {
		t.Fatalf("saw %q, %v", seen, err)
	}
}

func testReaderEnds(t *testing.T, s Store) {
	update(t, s, "a=1")
	var r store.Reader
	_, err := s.View(t.Context(), func(given store.Reader) error { r = given; return nil })
	wantErr(t, err, nil)
	if got, err := r.Get("a"); err == nil {
		t.Fatalf("Get after the end gave %q", got)
	}
	if got, err := list(r, ""); err == nil {
		t.Fatalf("Scan after the end gave %q", got)
	}
}

var errMine = errors.New("the function's own")

func testPanic(t *testing.T, s Store) {
	update(t, s, "a=1")
	panics := func(run func()) {
		defer func() {
			if err, ok := recover().(error); !ok || !errors.Is(err, errMine) {
				t.Errorf("recovered %v, want the function's own panic", err)
			}
		}()
		run()
	}
	panics(func() { _, _ = s.View(t.Context(), func(store.Reader) error { panic(errMine) }) })
	panics(func() {
		_, _ = s.Update(t.Context(), func(tx store.Tx) error { _ = tx.Put("a", nil); panic(errMine) })
	})
	panics(func() {
		_, _ = s.View(t.Context(), func(r store.Reader) error {
			for _, err := range r.Scan("") {
				panic(errors.Join(err, errMine))
			}
			return nil
		})
	})
	wantRecords(t, s, "a=1")
	update(t, s, "a=2")
	wantRecords(t, s, "a=2")
}

type ownError struct{}

func (*ownError) Error() string { return "own" }

func testOwnError(t *testing.T, s Store) {
	own := &ownError{}
	if _, err := s.View(t.Context(), func(store.Reader) error { return own }); err != error(own) {
		t.Errorf("View returned %v", err)
	}
	if _, err := s.Update(t.Context(), func(store.Tx) error { return own }); err != error(own) {
		t.Errorf("Update returned %v", err)
	}
}
