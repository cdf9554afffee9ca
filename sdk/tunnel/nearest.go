package tunnel

import "strings"

// Nearest is the one of words that s was most likely meant to be, "" where none is like it: what a finding about an
// unknown word suggests. The first one wins among equals.
func Nearest(s string, words []string) string {
	const longest = 64 // of what may be mistyped: the effort grows with the square
	if s == "" || len(s) > longest {
		return ""
	}
	best, least := "", len(s)/3+1
	for _, w := range words {
		if d := distance(strings.ToLower(s), strings.ToLower(w)); len(w) <= longest && (d < least || d == least && best == "") {
			best, least = w, d
		}
	}
	return best
}

// distance is how many bytes have to be put in, left out, replaced or exchanged with their neighbour to make b of a.
func distance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row
		row = make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before = last
	}
	return row[len(b)]
}
