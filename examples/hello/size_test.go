package main

import (
	"bytes"
	"go/format"
	"os"
	"testing"
)

// The smallest module stays small: what an author must write is the size of the SDK.
func TestHelloStaysSmall(t *testing.T) {
	const maxLines, maxLine = 30, 110
	text, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	if formatted, err := format.Source(text); err != nil || !bytes.Equal(formatted, text) {
		t.Errorf("main.go is not as gofmt writes it, %v", err)
	}
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	if len(lines) > maxLines {
		t.Errorf("main.go has %d lines, more than %d", len(lines), maxLines)
	}
	for i, line := range lines {
		if n := len(bytes.ReplaceAll(line, []byte("\t"), []byte("    "))); n > maxLine {
			t.Errorf("line %d has %d characters, more than %d", i+1, n, maxLine)
		}
	}
}
