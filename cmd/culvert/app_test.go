package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// What is escaped is the same JSON, and cannot drive a terminal.
func FuzzEscapeJSON(f *testing.F) {
	for _, s := range []string{"", "plain", hostile, "\u2028\u2029", "\U000e0001\U0010ffff", `back\slash "quoted"`, "tab\there", "\x9b31m \xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if i := strings.IndexFunc(escapeJSON(s), func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%q as it is becomes %q", s, escapeJSON(s))
		}
		if !utf8.ValidString(s) {
			return
		}
		b, err := json.Marshal(map[string]string{s: s})
		if err != nil {
			t.Fatal(err)
		}
		out := escapeJSON(string(b))
		if i := strings.IndexFunc(out, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%q is not printable", out[i:])
		}
		var back map[string]string
		if err := json.Unmarshal([]byte(out), &back); err != nil || back[s] != s {
			t.Errorf("%q became %v: %v", s, back, err)
		}
	})
}

func TestFit(t *testing.T) {
	for _, tt := range []struct {
		widths    []int
		sentences []bool
		limit     int
		want      []int
	}{
		{[]int{10, 10}, nil, 80, []int{10, 10}},
		{[]int{40, 38}, nil, 80, []int{40, 38}},
		{[]int{100, 10}, nil, 80, []int{68, 10}},
		{[]int{100, 100, 5}, nil, 80, []int{35, 36, 5}},
		{[]int{9, 9, 9}, nil, 10, []int{8, 8, 8}},
		{[]int{100, 10}, nil, 0, []int{100, 10}},
		{[]int{50, 40}, []bool{false, true}, 80, []int{50, 28}},
		{[]int{70, 40}, []bool{false, true}, 80, []int{58, 20}},
		{[]int{70, 15}, []bool{false, true}, 80, []int{63, 15}},
		{nil, nil, 80, nil},
	} {
		got := fit(slices.Clone(tt.widths), tt.sentences, tt.limit)
		if !slices.Equal(got, tt.want) {
			t.Errorf("fit(%v, %v, %d) is %v, not %v", tt.widths, tt.sentences, tt.limit, got, tt.want)
		}
	}
}
