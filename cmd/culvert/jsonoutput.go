package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// writeJSON writes v as one document that cannot drive a terminal.
func writeJSON(to io.Writer, v any, indent string) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(to, escapeJSON(b.String()))
	return err
}

// writeJSONList writes what all yields as writeJSON writes a slice, with the usual indent. Each item is encoded as it comes,
// while whoever yields them makes the next one; nothing is written where not all come.
func writeJSONList[T any](to io.Writer, all iter.Seq2[T, error]) error {
	const indent = "  "
	var doc, item bytes.Buffer
	enc := json.NewEncoder(&item)
	enc.SetEscapeHTML(false)
	enc.SetIndent(indent, indent)
	before, after := "[\n"+indent, "[]\n"
	for v, err := range all {
		if err != nil {
			return err
		}
		item.Reset()
		if err := enc.Encode(v); err != nil {
			return err
		}
		doc.WriteString(before)
		doc.WriteString(escapeJSON(strings.TrimSuffix(item.String(), "\n")))
		before, after = ",\n"+indent, "\n]\n"
	}
	doc.WriteString(after)
	_, err := to.Write(doc.Bytes())
	return err
}

// escapeJSON writes what could drive a terminal as \u escapes; it stays the same JSON.
func escapeJSON(s string) string {
	if plainJSON(s) {
		return s
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	var b strings.Builder
	b.Grow(len(s))
	written := 0
	for i, r := range s {
		if r == '\n' || r >= ' ' && r <= '~' || unicode.IsPrint(r) {
			continue
		}
		b.WriteString(s[written:i])
		written = i + utf8.RuneLen(r)
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	b.WriteString(s[written:])
	return b.String()
}

// plainJSON reports whether s holds nothing but what is written as it is, which goes faster than to look at each rune.
func plainJSON(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\n' || c > '~' {
			return false
		}
	}
	return true
}
