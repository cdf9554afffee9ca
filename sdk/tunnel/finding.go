package tunnel

import (
	"strconv"
	"strings"
)

// shown bounds the part of a wrong value that a finding repeats.
const shown = 80

// find makes one finding about value; the value is cut and escaped here, so no caller can forget it.
func find(code Code, field, value, message, wayOut string) Finding {
	return Finding{Code: code, Field: field, Value: Clean(value, shown), Message: message, WayOut: wayOut}
}

// one is a Findings of one finding.
func one(code Code, field, value, message, wayOut string) Findings {
	return Findings{find(code, field, value, message, wayOut)}
}

// At returns the findings with field in place of each field: what a whole text like SERVER has wrong in it is shown at
// the one place where that text was given, "site.server" or "--server".
func (fs Findings) At(field string) Findings {
	out := make(Findings, len(fs))
	for i, f := range fs {
		f.Field = field
		out[i] = f
	}
	return out
}

// at is the field of one value of a list.
func at(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

// quoted is text from outside inside a sentence.
func quoted(s string) string { return `"` + Clean(s, shown) + `"` }

// atMost is the way out of too many or too long.
func atMost(n int) string { return "use at most " + strconv.Itoa(n) }

// list joins words for a sentence: "a, b or c".
func list[S ~string](words []S) string {
	parts := make([]string, len(words))
	for i, w := range words {
		parts[i] = Clean(string(w), shown)
	}
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	return strings.Join(parts[:len(parts)-1], ", ") + " or " + parts[len(parts)-1]
}
