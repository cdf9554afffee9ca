package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

const dialect = "https://json-schema.org/draft/2020-12/schema"

// node is one level of a schema, in the keywords that settings use: a small part of JSON Schema, so that a module cannot
// hand in one whose check takes for ever, and every key has exactly one place.
type node struct {
	Dialect     string          `json:"$schema,omitempty"`
	Type        string          `json:"type"`
	Title       string          `json:"title,omitempty"`
	Description string          `json:"description,omitempty"`
	Mark        Mark            `json:"x-culvert,omitempty"`
	Slots       []string        `json:"x-culvert-slots,omitempty"`
	WriteOnly   bool            `json:"writeOnly,omitempty"`
	Default     json.RawMessage `json:"default,omitempty"`
	Enum        []string        `json:"enum,omitempty"`
	Pattern     string          `json:"pattern,omitempty"`
	Minimum     json.Number     `json:"minimum,omitempty"`
	Maximum     json.Number     `json:"maximum,omitempty"`
	MinLength   int             `json:"minLength,omitempty"`
	MaxLength   int             `json:"maxLength,omitempty"`
	MinItems    int             `json:"minItems,omitempty"`
	MaxItems    int             `json:"maxItems,omitempty"`
	Items       *node           `json:"items,omitempty"`
	Properties  properties      `json:"properties,omitzero"`
	Required    []string        `json:"required,omitempty"`
	Others      *others         `json:"additionalProperties,omitempty"` // of every object
}

// property is a key of an object; properties keep the order of the settings struct, which is that of the editor.
type property struct {
	key string
	*node
}

type properties []property

func (ps properties) IsZero() bool { return ps == nil }

func (ps properties) get(key string) *node {
	for _, p := range ps {
		if p.key == key {
			return p.node
		}
	}
	return nil
}

// MarshalJSON keeps the order.
func (ps properties) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, p := range ps {
		if i > 0 {
			b.WriteByte(',')
		}
		key, _ := json.Marshal(p.key)
		value, err := json.Marshal(p.node)
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// UnmarshalJSON keeps the order.
func (ps *properties) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.New("properties are an object")
	}
	*ps = properties{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return err
		}
		n := new(node)
		if err := strict(raw, n); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		if ps.get(key.(string)) != nil {
			return fmt.Errorf("%s: twice", key)
		}
		*ps = append(*ps, property{key.(string), n})
	}
	return nil
}

// others is additionalProperties: false, or what every entry of a map is.
type others struct{ entry *node }

// MarshalJSON is false without an entry.
func (o others) MarshalJSON() ([]byte, error) {
	if o.entry == nil {
		return []byte("false"), nil
	}
	return json.Marshal(o.entry)
}

// UnmarshalJSON takes false or a schema.
func (o *others) UnmarshalJSON(text []byte) error {
	if string(text) == "false" {
		return nil
	}
	o.entry = new(node)
	return strict(text, o.entry)
}

// strict decodes and refuses what v has no field for, and anything after it.
func strict(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more follows")
	}
	return nil
}

// any reports whether f holds for n or a node below.
func (n *node) any(f func(*node) bool) bool {
	if f(n) {
		return true
	}
	for _, p := range n.Properties {
		if p.any(f) {
			return true
		}
	}
	return n.Items != nil && n.Items.any(f) || n.Others != nil && n.Others.entry != nil && n.Others.entry.any(f)
}

// child is the node of a key of an object, or nil.
func (n *node) child(key string) *node {
	if c := n.Properties.get(key); c != nil {
		return c
	}
	if n.Others != nil {
		return n.Others.entry
	}
	return nil
}

// at follows a path from n, or gives nil.
func (n *node) at(path []string) *node {
	for _, key := range path {
		if n == nil || n.Type != "object" {
			return nil
		}
		n = n.child(key)
	}
	return n
}

// keyText reports whether key can stand in a dotted path.
func keyText(key string) bool {
	for _, c := range []byte(key) {
		if lower := c | 0x20; (lower < 'a' || lower > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return key != "" && len(key) <= maxKey
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func split(path string) []string { return strings.Split(path, ".") }
