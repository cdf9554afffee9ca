package control

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// filled are the fields that mean something else when they are absent, with the value that is none: whoever gives one
// of them means a value.
var filled = map[string]absence{
	"if_revision":       {json.Number("0"), "there is no revision 0", "give the revision that was shown; leave it out to change whatever is there"},
	"via_password":      {"", "the proxy's password is empty", "give it; leave it out where the proxy asks for none"},
	"private_key":       noKey,
	"login.private_key": noKey,
}

type absence struct {
	value           json.Token
	message, wayOut string
}

var noKey = absence{"", "the private key is empty", "give the key; leave it out for the PBX's own"}

// checkText refuses what a JSON decoder would silently write as U+FFFD: a password with such a byte would be stored as
// another one.
func checkText(body []byte) error {
	at := -1
	for i, r := range string(body) {
		if r == utf8.RuneError && !bytes.HasPrefix(body[i:], []byte("\uFFFD")) {
			at = i
			break
		}
	}
	if at < 0 {
		at = loneSurrogate(body)
	}
	if at < 0 {
		return nil
	}
	return badBody("body", "", fmt.Sprintf("the text at byte %d is not UTF-8", at), "send UTF-8; a password that is none cannot be used: change it, or log in with a key")
}

// loneSurrogate is where half of a pair of \u escapes stands alone, -1 where none does.
func loneSurrogate(body []byte) int {
	for i := 0; i < len(body); i++ {
		if body[i] != '\\' {
			continue
		}
		first := escaped(body[i:])
		switch {
		case first < 0xd800 || first > 0xdfff:
			i++ // what follows the backslash is no beginning of another escape
		case first < 0xdc00 && escaped(body[i+6:])>>10 == 0xdc00>>10:
			i += 11
		default:
			return i
		}
	}
	return -1
}

// escaped is the number in the \u escape that b begins with, -1 where it begins with none.
func escaped(b []byte) int {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return int(n)
}

// checkFields looks at a body that was decoded already for what decoding does not see: no object, a field given twice
// (its name in whatever case, as decoding takes it), or given and empty. Settings are checked by whoever reads them.
func checkFields(body []byte) tunnel.Findings {
	if trimmed := bytes.TrimSpace(body); len(trimmed) == 0 || trimmed[0] != '{' {
		return tunnel.Findings{{Code: tunnel.Malformed, Field: "body", Message: "the body is no JSON object", WayOut: "send one JSON object"}}
	}
	f := fields{Decoder: json.NewDecoder(bytes.NewReader(body))}
	f.UseNumber()
	f.value("")
	return f.findings
}

// fields goes through a valid body.
type fields struct {
	*json.Decoder
	findings tunnel.Findings
}

func (f *fields) value(path string) {
	t, err := f.Token()
	if err != nil {
		return
	}
	switch t {
	case json.Delim('{'):
		f.object(path)
	case json.Delim('['):
		for i := 0; f.More(); i++ {
			f.value(fmt.Sprintf("%s[%d]", path, i))
		}
		_, _ = f.Token()
	default:
		if none, ok := filled[path]; ok && (t == nil || t == none.value) {
			f.add(path, none.message, none.wayOut)
		}
	}
}

func (f *fields) object(path string) {
	seen := map[string]bool{}
	for f.More() {
		t, err := f.Token()
		if err != nil {
			return
		}
		key, _ := t.(string)
		name := strings.ToLower(key)
		at := strings.TrimPrefix(path+"."+name, ".")
		if seen[name] {
			f.add(at, at+" is given twice", "give it once")
		}
		seen[name] = true
		if at == "settings" {
			var skip json.RawMessage
			_ = f.Decode(&skip)
			continue
		}
		f.value(at)
	}
	_, _ = f.Token()
}

func (f *fields) add(path, message, wayOut string) {
	f.findings = append(f.findings, tunnel.Finding{Code: tunnel.Malformed, Field: path, Message: message, WayOut: wayOut})
}
