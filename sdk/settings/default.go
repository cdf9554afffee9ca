package settings

import "encoding/json"

// WithDefaults is doc with the schema's defaults where it says nothing, in the entries of maps too: what a module's
// settings struct is decoded from.
func WithDefaults(schema, doc json.RawMessage) json.RawMessage {
	root, d := both(schema, doc)
	if d == nil {
		d = document{}
	}
	root.walk(d, nil, func(n *node, v any, path []string) {
		if v != nil || n.Default == nil {
			return
		}
		if _, set := lookup(d, path); set {
			return
		}
		if plain, fs := read(json.RawMessage(`{"v":` + string(n.Default) + `}`)); len(fs) == 0 {
			put(d, path, plain["v"])
		}
	})
	return encode(d)
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
