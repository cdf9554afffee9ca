package wire

import (
	"bytes"
	"strings"
	"testing"
	"unicode"

	"google.golang.org/protobuf/proto"

	hostv1 "github.com/culvert-pbx/culvert/proto/host/v1"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Whatever a module sends as its error, what people are shown stays short and cannot drive a terminal.
func FuzzErrorFromAModule(f *testing.F) {
	for _, err := range []error{blocked, severalFindings, tunnel.ErrNotFound} {
		seed, _ := proto.Marshal(errorTo(err))
		f.Add(seed)
	}
	f.Add([]byte("\n\x05\x1b[2J\n\x1a\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		e := &hostv1.Error{}
		if proto.Unmarshal(b, e) != nil {
			return
		}
		text := errorOf(e).Error()
		if strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
			t.Errorf("%q", text)
		}
		again := errorOf(errorTo(errorOf(e)))
		if len(text) <= maxPart && again.Error() != text {
			t.Errorf("%q becomes %q on its second way", text, again)
		}
	})
}

func FuzzGreeting(f *testing.F) {
	for _, s := range []string{`{"ok":true}`, `{"error":{"message":"no","is":["not-found"]}}`, `{"ok":false}`, "null", "{"} {
		f.Add([]byte(s + "\nrest"))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		err := ReadGreeting(r)
		line, rest, whole := bytes.Cut(b, []byte("\n"))
		if err == nil && (!whole || len(line) >= MaxGreeting || r.Len() != len(rest)) {
			t.Errorf("%q is taken as a greeting, %d bytes are left", b, r.Len())
		}
	})
}
