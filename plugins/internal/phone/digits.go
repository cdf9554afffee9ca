package phone

import "strings"

// maxText bounds what is looked at: no number is longer, however it is spaced.
const maxText = 64

// digitsOf takes out what people write between digits: spaces of every sort, brackets, hyphens, points, slashes, and the
// marks of direction that address books paste along. A plus sign may stand first alone. "(0)" behind a country code goes
// whole. Anything else, letters too, makes it no number.
func digitsOf(text string) (string, bool) {
	if len(text) > maxText {
		return "", false
	}
	text = strings.TrimPrefix(strings.TrimSpace(text), "tel:")
	if international := strings.TrimFunc(text, spacing); strings.HasPrefix(international, "+") {
		text = strings.Replace(text, "(0)", "", 1)
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case r >= '0' && r <= '9', r == '+' && b.Len() == 0:
			b.WriteRune(r)
		case !spacing(r):
			return "", false
		}
	}
	d := b.String()
	return d, len(d) > 0 && d != "+"
}

func spacing(r rune) bool {
	switch r {
	case ' ', '\t', '(', ')', '-', '.', '/', '\u00a0', '\u00ad', '\u2007', '\u2009', '\u202f',
		'\u2010', '\u2011', '\u2012', '\u2013', '\u200e', '\u200f', '\u202a', '\u202b', '\u202c', '\u202d', '\u2066', '\u2067', '\u2068', '\u2069':
		return true
	}
	return false
}

func digits(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}
