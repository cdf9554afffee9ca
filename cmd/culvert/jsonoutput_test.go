package main

import (
	"errors"
	"iter"
	"strings"
	"testing"
)

// A list that is written as it comes reads as one that was written whole.
func TestJSONListIsASlice(t *testing.T) {
	type item struct {
		Name string   `json:"name"`
		More []string `json:"more"`
	}
	for _, all := range [][]item{
		{},
		{{Name: "a"}},
		{{Name: "a", More: []string{"b\n<&>", "c"}}, {Name: "\x1b[2J\u202e\x7f ü", More: []string{}}},
	} {
		var whole, each strings.Builder
		if err := errors.Join(writeJSON(&whole, all, "  "), writeJSONList(&each, yielding(all, nil))); err != nil {
			t.Fatal(err)
		}
		if each.String() != whole.String() {
			t.Errorf("%q instead of %q", each.String(), whole.String())
		}
	}
}

// Half a list is none: nothing of it is written.
func TestJSONListThatBreaksOff(t *testing.T) {
	var out strings.Builder
	broken := errors.New("broken")
	if err := writeJSONList(&out, yielding([]int{1, 2}, broken)); !errors.Is(err, broken) || out.Len() > 0 {
		t.Errorf("%v, and %q was written", err, out.String())
	}
}

// yielding yields all, then err, if any.
func yielding[T any](all []T, err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range all {
			if !yield(v, nil) {
				return
			}
		}
		if err != nil {
			var none T
			yield(none, err)
		}
	}
}
