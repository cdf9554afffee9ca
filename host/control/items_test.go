package control

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// A list that breaks off is none.
func TestItems(t *testing.T) {
	for _, c := range []struct {
		text string
		want []int
		ok   bool
	}{
		{"[]\n", nil, true},
		{"[1\n,2\n]\n", []int{1, 2}, true},
		{"", nil, false},
		{"null", nil, false},
		{"{}", nil, false},
		{"[", nil, false},
		{"[1,2", nil, false},
		{"[1,2}", nil, false},
		{`[1,"2"]`, nil, false},
	} {
		var got []int
		var err error
		for v, broken := range items[int](json.NewDecoder(strings.NewReader(c.text))) {
			if err = broken; err == nil {
				got = append(got, v)
			}
		}
		if (err == nil) != c.ok || c.ok && !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, %v", c.text, got, err)
		}
	}
}
