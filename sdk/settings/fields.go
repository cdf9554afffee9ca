package settings

import (
	"encoding/json"
	"slices"
)

// Field is one key of a schema as it is shown to who gives it a value.
type Field struct {
	Key      string          `json:"key"`
	Type     string          `json:"type"` // string, integer, number, boolean, array, object, secret, duration or schedule
	Title    string          `json:"title"`
	Help     string          `json:"help"`
	Required bool            `json:"required"`
	Default  json.RawMessage `json:"default,omitempty"` // null where there is none
	Enum     []string        `json:"enum,omitempty"`
}

// Fields are the keys of a schema in its order, those of its groups with a dot; a map is one. A schema that cannot be read
// has none.
func Fields(schema json.RawMessage) []Field {
	root, err := parse(schema)
	if err != nil {
		return nil
	}
	return root.fields(nil, "")
}

func (n *node) fields(out []Field, prefix string) []Field {
	for _, p := range n.Properties {
		key := join(prefix, p.key)
		if p.Type == "object" && p.Mark == "" && p.Properties != nil {
			out = p.fields(out, key)
			continue
		}
		f := Field{Key: key, Type: p.Type, Title: p.Title, Help: p.Description, Default: p.Default, Enum: p.Enum,
			Required: slices.Contains(n.Required, p.key)}
		if p.Mark != "" {
			f.Type = string(p.Mark)
		}
		out = append(out, f)
	}
	return out
}
