package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// document is decoded settings: objects, lists, strings, json.Numbers, booleans and nil.
type document = map[string]any

// read decodes a document within the bounds; none at all is an empty one.
func read(doc json.RawMessage) (document, tunnel.Findings) {
	if len(bytes.TrimSpace(doc)) == 0 {
		return document{}, nil
	}
	if len(doc) > MaxDocument {
		return nil, tunnel.Findings{finding(tunnel.TooLong, "", "", fmt.Sprintf("the settings have %d bytes", len(doc)),
			fmt.Sprintf("use at most %d", MaxDocument))}
	}
	if !utf8.Valid(doc) {
		return nil, tunnel.Findings{finding(tunnel.Malformed, "", "", "the settings are not UTF-8",
			"write them as UTF-8; a secret that is none cannot be used")}
	}
	r := &reader{Decoder: json.NewDecoder(bytes.NewReader(doc))}
	r.UseNumber()
	v := r.value("", 0)
	if len(r.findings) == 0 {
		if _, err := r.Token(); !errors.Is(err, io.EOF) {
			r.fail("", "", "something follows the settings")
		}
	}
	if len(r.findings) > 0 {
		return nil, r.findings
	}
	d, ok := v.(document)
	if !ok {
		return nil, tunnel.Findings{finding(tunnel.Malformed, "", "", "settings are a JSON object",
			`write {"key": value, ...}`)}
	}
	return d, nil
}

// reader decodes token by token: depth, double keys and monstrous numbers are refused before anyone computes with them.
type reader struct {
	*json.Decoder
	findings tunnel.Findings
}

func (r *reader) fail(path, value, message string) {
	if len(r.findings) == 0 {
		r.findings = tunnel.Findings{finding(tunnel.Malformed, path, value, message, "correct the JSON")}
	}
}

// value reads the value at path. After a failure it returns at once; the first one is kept.
func (r *reader) value(path string, depth int) any {
	t, err := r.Token()
	switch {
	case err != nil:
		r.fail(path, "", fmt.Sprintf("the settings are not JSON (near byte %d)", r.InputOffset()))
		return nil
	case depth > maxDepth:
		r.fail(path, "", "the settings are nested too deep")
		return nil
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return r.object(path, depth)
		}
		return r.list(path, depth)
	case json.Number:
		if !numberText(string(t)) {
			r.fail(path, string(t), "the number is not written in plain digits")
		}
		return t
	default:
		return t
	}
}

func (r *reader) object(path string, depth int) any {
	o := document{}
	for len(r.findings) == 0 && r.More() {
		t, err := r.Token()
		key, ok := t.(string)
		at := join(path, tunnel.Clean(key, maxKey))
		switch {
		case err != nil || !ok:
			r.fail(path, "", fmt.Sprintf("the settings are not JSON (near byte %d)", r.InputOffset()))
			return nil
		case has(o, key):
			r.fail(at, "", "the key stands there twice")
			return nil
		}
		o[key] = r.value(at, depth+1)
	}
	r.end(path)
	return o
}

func (r *reader) list(path string, depth int) any {
	l := []any{}
	for len(r.findings) == 0 && r.More() {
		l = append(l, r.value(fmt.Sprintf("%s[%d]", path, len(l)), depth+1))
	}
	r.end(path)
	return l
}

func (r *reader) end(path string) {
	if len(r.findings) > 0 {
		return
	}
	if _, err := r.Token(); err != nil {
		r.fail(path, "", "the settings end too early")
	}
}

// numberText reports whether s is a number of at most 30 digits without an exponent: 1e999999999 would take the checker
// minutes and gigabytes.
func numberText(s string) bool {
	return s != "" && len(s) <= 32 && strings.Trim(s, "0123456789.-") == "" && json.Valid([]byte(s))
}

// encode is the JSON of a decoded value, keys in order, nothing escaped for HTML.
func encode(v any) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("settings: a decoded value does not encode: " + err.Error()) // it came from read or value
	}
	return bytes.TrimSpace(b.Bytes())
}

// lookup is the value at path.
func lookup(v any, path []string) (any, bool) {
	for _, key := range path {
		o, ok := v.(document)
		if !ok {
			return nil, false
		}
		if v, ok = o[key]; !ok {
			return nil, false
		}
	}
	return v, true
}

// put sets the value at path, making the objects on the way; false where something else than an object stands there.
func put(o document, path []string, v any) bool {
	for _, key := range path[:len(path)-1] {
		if _, ok := o[key]; !ok {
			o[key] = document{}
		}
		next, ok := o[key].(document)
		if !ok {
			return false
		}
		o = next
	}
	o[path[len(path)-1]] = v
	return true
}

// drop removes the value at path; false where there was none.
func drop(o document, path []string) bool {
	parent, _ := lookup(o, path[:len(path)-1])
	last := path[len(path)-1]
	if o, _ := parent.(document); has(o, last) {
		delete(o, last)
		return true
	}
	return false
}

func has(o document, key string) bool {
	_, ok := o[key]
	return ok
}
