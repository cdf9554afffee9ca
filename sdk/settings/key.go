package settings

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Key is one setting as an operator gives it: KEY=VALUE.
type Key struct {
	Key      string   `json:"key"`            // with NAME for the name of an entry of a map: sites.NAME.server
	Type     string   `json:"type"`           // text, number, whole number, true or false, secret, duration, schedule, list of ...
	Title    string   `json:"title"`          // for people
	Help     string   `json:"help"`           // what more there is to say
	Default  string   `json:"default"`        // as it is written, "" for none
	Enum     []string `json:"enum"`           // the values it may have, none where any
	Limits   string   `json:"limits"`         // what else limits it, in words: "1 to 65535"
	Required bool     `json:"required"`       // whether it must be set
	Secret   bool     `json:"secret"`         // whether it goes in and never comes out
	Slot     string   `json:"slot,omitempty"` // whose choice it is, among those of a site
}

// entryName stands in a Key for the name of an entry.
const entryName = "NAME"

// Keys are all settings of a schema, in its order. One that cannot be read has none.
func Keys(schema json.RawMessage) []Key {
	root, err := parse(schema)
	if err != nil {
		return nil
	}
	return root.keysBelow("", "")
}

func (n *node) keysBelow(path, slot string) (all []Key) {
	required := func(key string) bool {
		for _, r := range n.Required {
			if r == key {
				return true
			}
		}
		return false
	}
	for _, p := range n.Properties {
		of := slot
		if strings.HasSuffix(path, ".slots") && slot == "" {
			of = p.key
		}
		all = append(all, p.keysAt(join(path, p.key), of, required(p.key))...)
	}
	if n.Others != nil && n.Others.entry != nil {
		if strings.HasSuffix(path, ".slots") {
			slot = entryName
		}
		all = append(all, n.Others.entry.keysAt(join(path, entryName), slot, false)...)
	}
	return all
}

// keysAt is the setting at path, or those below it.
func (n *node) keysAt(path, slot string, required bool) []Key {
	if n.Type == "object" {
		return n.keysBelow(path, slot)
	}
	return []Key{{
		Key: path, Type: n.words(), Title: n.Title, Help: n.Description, Default: n.defaultText(), Enum: append([]string{}, n.each().Enum...),
		Limits: n.limits(), Required: required, Secret: n.Mark == Secret, Slot: slot,
	}}
}

// words is the type for people.
func (n *node) words() string {
	switch {
	case n.Mark == Secret, n.Mark == Schedule, n.Mark == Span:
		return string(n.Mark)
	case n.Type == "array":
		return "list of " + n.Items.words()
	}
	return strings.TrimPrefix(typeWords[n.Type], "a ")
}

func (n *node) defaultText() string {
	var s string
	if json.Unmarshal(n.Default, &s) == nil {
		return s
	}
	return string(n.Default)
}

// limits are those of the value, or of each of a list, and how many there may be. Bounds that every text or number of its
// Go type has are not worth a word.
func (n *node) limits() string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	v := n.each()
	switch low, high := v.bound(v.Minimum), v.bound(v.Maximum); {
	case low != "" && high != "":
		add("%s to %s", low, high)
	case low != "":
		add("at least %s", low)
	case high != "":
		add("at most %s", high)
	}
	if v.MinLength > 0 {
		add("at least %d characters", v.MinLength)
	}
	if v.MaxLength > 0 && v.MaxLength != maxString && v.MaxLength != maxText && v.Mark != Span && v.Mark != Schedule {
		add("at most %d characters", v.MaxLength)
	}
	if v.Pattern != "" {
		add("pattern %s", v.Pattern)
	}
	if n.MinItems > 0 {
		add("at least %d values", n.MinItems)
	}
	if n.MaxItems > 0 && n.MaxItems != maxItems {
		add("at most %d values", n.MaxItems)
	}
	return strings.Join(parts, ", ")
}

// bound is a minimum or maximum as it is written, "" for none and for what the Go types of numbers end with.
func (n *node) bound(limit json.Number) string {
	r, ok := rat(limit)
	if !ok || len(strings.TrimPrefix(string(limit), "-")) > 9 {
		return ""
	}
	if n.Mark == Span || n.Mark == Schedule {
		if r.Sign() == 0 {
			return ""
		}
		return spanText(r)
	}
	return plain(r)
}

// Difference is what another version of a module changes in one setting: Before is "" where it is new, and After where it is
// gone.
type Difference struct {
	Key    string `json:"key"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// Compare says how the settings of one schema differ from those of another.
func Compare(before, after json.RawMessage) []Difference {
	were, out := map[string]string{}, []Difference{}
	for _, k := range Keys(before) {
		were[k.Key] = k.line()
	}
	for _, k := range Keys(after) {
		if was := were[k.Key]; was != k.line() {
			out = append(out, Difference{k.Key, was, k.line()})
		}
		delete(were, k.Key)
	}
	for _, k := range Keys(before) {
		if was, gone := were[k.Key]; gone {
			out = append(out, Difference{k.Key, was, ""})
		}
	}
	return out
}

// line is all that an operator's value is judged by.
func (k Key) line() string {
	parts := []string{k.Type}
	if len(k.Enum) > 0 {
		parts = append(parts, "one of "+strings.Join(k.Enum, " "))
	}
	if k.Limits != "" {
		parts = append(parts, k.Limits)
	}
	if k.Default != "" {
		parts = append(parts, "default "+k.Default)
	}
	if k.Required {
		parts = append(parts, "required")
	}
	return strings.Join(parts, ", ")
}
