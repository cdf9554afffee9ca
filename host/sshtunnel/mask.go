package sshtunnel

import (
	"cmp"
	"slices"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// mask hides the secrets of one attempt in what its far end says: a proxy, or a server, may repeat what it was told. It is
// laid over words from outside before they are cut or escaped for a quote, because a secret that is cut or escaped is not
// found any more. What such words mean is judged without it. The zero mask hides nothing.
type mask struct {
	forms []string // what the secrets look like on the wire, the longest first
}

const (
	masked = "***"

	// minSecret is from which length on a secret is hidden wherever it stands. A shorter one is hidden only where it is a
	// word of its own: within other words it is there by chance, and stars in the middle of them would tell it.
	minSecret = 4
)

// newMask is the mask of what an attempt by way of v tells its far ends of c: the passwords, the proxy's also as HTTP and
// as SOCKS5 say it.
func newMask(c tunnel.Credential, v tunnel.Via) mask {
	var m mask
	if c.Login == tunnel.LoginPassword {
		m.add(c.Password.Reveal())
	}
	if v.User != "" && c.Via != "" {
		m.add(c.Via.Reveal())
		m.add(strings.TrimRight(basicLogin(v, c.Via), "="))
		m.add(string(socksLogin(v, c.Via)))
	}
	slices.SortStableFunc(m.forms, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return m
}

// add adds a form, and what is left of it at the edge of a line or of a header's value.
func (m *mask) add(form string) {
	for _, f := range []string{form, strings.TrimSpace(form)} {
		if f != "" && !slices.Contains(m.forms, f) {
			m.forms = append(m.forms, f)
		}
	}
}

// over is what was said as it may be quoted.
func (m mask) over(said string) string {
	for _, form := range m.forms {
		said = withoutCut(without(said, form), form)
	}
	return said
}

// without is s with masked in place of form.
func without(s, form string) string {
	var b strings.Builder
	done := 0
	for from := 0; ; {
		at := strings.Index(s[from:], form)
		if at < 0 {
			return b.String() + s[done:]
		}
		at += from
		if from = at + len(form); len(form) < minSecret && !standsAlone(s, at, from) {
			from = at + 1
			continue
		}
		b.WriteString(s[done:at] + masked)
		done = from
	}
}

// standsAlone reports whether no word goes on beyond s[from:to].
func standsAlone(s string, from, to int) bool {
	return (from == 0 || !inWord(s[from-1])) && (to == len(s) || !inWord(s[to]))
}

func inWord(b byte) bool {
	return b >= 0x80 || '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

// withoutCut is s without the beginning of form at its end: not all that is said is read. A beginning shorter than
// minSecret is not told from chance.
func withoutCut(s, form string) string {
	for n := min(len(s), len(form)-1); n >= minSecret; n-- {
		if strings.HasSuffix(s, form[:n]) {
			return s[:len(s)-n] + masked
		}
	}
	return s
}

// error is err with its text as it may be quoted, nil for nil.
func (m mask) error(err error) error {
	if err == nil || m.over(err.Error()) == err.Error() {
		return err
	}
	return &maskedError{err, m.over(err.Error())}
}

// maskedError is an error whose own text holds a secret.
type maskedError struct {
	err  error
	text string
}

func (e *maskedError) Error() string { return e.text }
func (e *maskedError) Unwrap() error { return e.err }
