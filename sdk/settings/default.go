package settings

import "encoding/json"

// Default is the value that a key has while the document does not set it.
type Default struct {
	Key   string
	Value json.RawMessage
}

// Defaults are the defaults that hold where doc sets nothing, in the schema's order: what WithDefaults adds.
func Defaults(schema, doc json.RawMessage) (out []Default) {
	root, d := both(schema, doc)
	root.defaults(d, func(path []string, v any) { out = append(out, Default{dotted(path), encode(v)}) })
	return out
}

// WithDefaults is doc with the schema's defaults where it says nothing, in the entries of maps too: what a module's
// settings struct is decoded from.
func WithDefaults(schema, doc json.RawMessage) json.RawMessage {
	root, d := both(schema, doc)
	if d == nil {
		d = document{}
	}
	root.defaults(d, func(path []string, v any) { put(d, path, v) })
	return encode(d)
}

// defaults calls f for each default that holds while d says nothing at its path; f may set it there.
func (n *node) defaults(d document, f func(path []string, v any)) {
	n.walk(d, nil, func(n *node, v any, path []string) {
		if v != nil || n.Default == nil {
			return
		}
		if _, set := lookup(d, path); set {
			return
		}
		if plain, fs := read(json.RawMessage(`{"v":` + string(n.Default) + `}`)); len(fs) == 0 {
			f(path, plain["v"])
		}
	})
}

// fits reports what keeps a default from its own field.
func (n *node) fits(value json.RawMessage) error {
	whole := &node{Type: "object", Others: &others{}, Properties: properties{{"default", n}}}
	text, err := json.Marshal(whole)
	if err != nil {
		return err
	}
	return Check(text, json.RawMessage(`{"default":`+string(value)+`}`)).Err()
}
