package settings

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Set is doc with one setting changed. The assignment is KEY=VALUE, the value read by the type the schema gives the key:
// true or false, a number, plain text, for a list its values with commas or JSON, for a group or map JSON. KEY[N] is one
// value of a list, N counting from 0, and KEY[] a new one behind the last; a list that is not set begins with its default.
// The result is not checked as a whole yet; with findings there is none.
func Set(schema, doc json.RawMessage, assignment string) (json.RawMessage, tunnel.Findings) {
	key, value, ok := strings.Cut(assignment, "=")
	if !ok {
		return nil, tunnel.Findings{finding(tunnel.Malformed, "", "", "a setting is given as KEY=VALUE",
			"put = and the value after the key")}
	}
	return SetValue(schema, doc, key, value)
}

// SetValue is Set with key and value apart.
func SetValue(schema, doc json.RawMessage, key, value string) (json.RawMessage, tunnel.Findings) {
	if list, place, ok := element(key); ok {
		return setElement(schema, doc, list, place, value)
	}
	n, d, fs := open(schema, doc, key)
	if len(fs) > 0 {
		return nil, fs
	}
	v, fs := n.value(key, value)
	if len(fs) > 0 {
		return nil, fs
	}
	if !put(d, split(key), v) {
		return nil, inTheWay(key)
	}
	return encode(d), nil
}

// Unset is doc without one setting, which then has its default, without the entry of a map or, for KEY[N], without one
// value of a list. A key that the schema does not know goes too: another version of the module had it. One that is not set
// is a finding.
func Unset(schema, doc json.RawMessage, key string) (json.RawMessage, tunnel.Findings) {
	if list, place, ok := element(key); ok {
		return unsetElement(schema, doc, list, place)
	}
	_, d, fs := open(schema, doc, key)
	if len(fs) > 0 {
		if d, bad := read(doc); len(bad) == 0 && drop(d, split(key)) {
			return encode(d), nil
		}
		return nil, fs
	}
	if !drop(d, split(key)) {
		return nil, tunnel.Findings{finding(tunnel.NotFound, key, "", key+" is not set",
			"culvert config show says what is")}
	}
	return encode(d), nil
}

// open reads doc and finds the schema's node of key.
func open(schema, doc json.RawMessage, key string) (*node, document, tunnel.Findings) {
	root, err := parse(schema)
	if err != nil {
		return nil, nil, tunnel.Findings{finding(tunnel.Malformed, "", "", tunnel.Clean(err.Error(), 200),
			"ask the module's author")}
	}
	d, fs := read(doc)
	if len(fs) > 0 {
		return nil, nil, root.hide(fs)
	}
	path := split(key)
	if len(path) > maxDepth {
		path = path[:maxDepth]
	}
	for i, step := range path {
		parent := root.at(path[:i])
		if parent == nil || parent.Type != "object" || parent.child(step) == nil || !keyText(step) {
			c := checker{root: root, doc: d}
			c.unknown(path[:i+1])
			return nil, nil, c.findings
		}
	}
	return root.at(path), d, nil
}

// value reads text as a value of n's type. What it cannot be is a finding at field; whether it is in range is Check's.
func (n *node) value(field, text string) (any, tunnel.Findings) {
	shown := text
	if n.any(func(m *node) bool { return m.Mark == Secret }) {
		shown = Hidden
	}
	fail := func(wayOut string) (any, tunnel.Findings) {
		return nil, tunnel.Findings{finding(tunnel.Malformed, field, shown, field+" is "+typeWords[n.Type], wayOut)}
	}
	switch n.Type {
	case "boolean":
		if text != "true" && text != "false" {
			return fail("give true or false")
		}
		return text == "true", nil
	case "integer", "number":
		if !numberText(text) {
			return fail("give a number")
		}
		return json.Number(text), nil
	case "array":
		if !strings.HasPrefix(strings.TrimSpace(text), "[") {
			return n.commas(field, text)
		}
	case "string":
		return text, nil
	}
	d, fs := read(json.RawMessage(fmt.Sprintf(`{"v":%s}`, text)))
	if len(fs) > 0 || len(d) != 1 {
		return fail("give it as JSON")
	}
	return d["v"], nil
}

// commas reads a list of plain values.
func (n *node) commas(field, text string) (any, tunnel.Findings) {
	list := []any{}
	if text == "" {
		return list, nil
	}
	for i, part := range strings.Split(text, ",") {
		v, fs := n.Items.value(fmt.Sprintf("%s[%d]", field, i), strings.TrimSpace(part))
		if len(fs) > 0 {
			return nil, fs
		}
		list = append(list, v)
	}
	return list, nil
}
