package settings

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// collect takes the leaves of a tree of verdicts.
func (c *checker) collect(e *jsonschema.ValidationError) {
	if len(e.Causes) > 0 {
		for _, cause := range e.Causes {
			c.collect(cause)
		}
		return
	}
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		for _, key := range k.Missing {
			c.add(tunnel.Required, append(slices.Clone(e.InstanceLocation), key), "is missing", "set it")
		}
	case *kind.AdditionalProperties:
		for _, key := range k.Properties {
			c.unknown(append(slices.Clone(e.InstanceLocation), key))
		}
	default:
		code, message, wayOut := verdict(e.ErrorKind)
		c.add(code, e.InstanceLocation, message, wayOut)
	}
}

// verdict is a violated keyword in plain words.
func verdict(k jsonschema.ErrorKind) (code tunnel.Code, message, wayOut string) {
	switch k := k.(type) {
	case *kind.Type:
		return tunnel.Malformed, "is " + typeWords[k.Got], "give " + typeWords[k.Want[0]] // a node has one type
	case *kind.Enum:
		return tunnel.Malformed, "is not one of its values", "give one of " + tunnel.Clean(words(k.Want), 400)
	case *kind.Minimum:
		return tunnel.OutOfRange, "is too small", "give at least " + plain(k.Want)
	case *kind.Maximum:
		return tunnel.OutOfRange, "is too large", "give at most " + plain(k.Want)
	case *kind.Pattern:
		return tunnel.Malformed, "does not have the form it needs", "write it so that it fits the pattern " + tunnel.Clean(k.Want, maxPattern)
	case *kind.MinLength:
		return tunnel.Malformed, fmt.Sprintf("has %d characters", k.Got), fmt.Sprintf("use at least %d", k.Want)
	case *kind.MinItems:
		return tunnel.Malformed, fmt.Sprintf("has %d entries", k.Got), fmt.Sprintf("give at least %d", k.Want)
	case *kind.MaxLength:
		return tunnel.TooLong, fmt.Sprintf("has %d characters", k.Got), fmt.Sprintf("use at most %d", k.Want)
	case *kind.MaxItems:
		return tunnel.TooLong, fmt.Sprintf("has %d entries", k.Got), fmt.Sprintf("use at most %d", k.Want)
	}
	return tunnel.Malformed, "does not fit", "look at the module's documentation"
}

func (c *checker) add(code tunnel.Code, path []string, message, wayOut string) {
	field, subject := c.field(path), "the document"
	if len(path) > 0 {
		subject = tunnel.Clean(path[len(path)-1], maxKey)
	}
	c.findings = append(c.findings, finding(code, field, c.shown(path), subject+" "+message, wayOut))
}

func (c *checker) unknown(path []string) {
	wayOut := "remove it"
	if parent := c.root.at(path[:len(path)-1]); parent != nil && len(parent.Properties) > 0 {
		wayOut = parent.suggest(path)
	}
	field := c.field(path)
	c.findings = append(c.findings, finding(tunnel.UnknownKey, field, path[len(path)-1],
		"there is no setting "+field, wayOut))
}

// suggest says what there is under n in place of the last key of path, the most similar one first.
func (n *node) suggest(path []string) string {
	keys := make([]string, len(n.Properties))
	for i, p := range n.Properties {
		keys[i] = p.key
	}
	like := tunnel.Nearest(path[len(path)-1], keys)
	if like == "" {
		return "there are " + n.keys()
	}
	return "did you mean " + tunnel.Clean(dotted(append(slices.Clone(path[:len(path)-1]), like)), 200) + "? there are " + n.keys()
}

// keys are the properties of n for a sentence.
func (n *node) keys() string {
	keys := make([]string, len(n.Properties))
	for i, p := range n.Properties {
		keys[i] = p.key
	}
	return strings.Join(keys, ", ")
}

// field writes a path with dots, places in a list in brackets.
func (c *checker) field(path []string) string {
	field := ""
	var v any = c.doc
	for _, key := range path {
		switch o := v.(type) {
		case []any:
			field += "[" + key + "]"
			i, _ := strconv.Atoi(key)
			v = nil
			if i < len(o) {
				v = o[i]
			}
		case document:
			field, v = join(field, tunnel.Clean(key, maxKey)), o[key]
		default:
			field = join(field, tunnel.Clean(key, maxKey))
		}
	}
	return field
}

// shown is the value at path for a finding: the plain ones only, and never that of a secret or of a key nobody knows,
// which may be a secret's misspelt.
func (c *checker) shown(path []string) string {
	v, n := c.find(path)
	switch v.(type) {
	case nil, document, []any:
		return ""
	}
	if n == nil || n.Mark == Secret {
		return Hidden
	}
	return fmt.Sprint(v)
}

// find follows a path through the document and the schema at once.
func (c *checker) find(path []string) (v any, n *node) {
	v, n = c.doc, c.root
	for _, key := range path {
		if n == nil {
			return nil, nil
		}
		switch o := v.(type) {
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(o) {
				return nil, nil
			}
			v, n = o[i], n.Items
		case document:
			v, n = o[key], n.child(key)
		}
	}
	return v, n
}

// typeWords are JSON's types in plain words.
var typeWords = map[string]string{
	"string": "text", "boolean": "true or false", "integer": "a whole number", "number": "a number",
	"array": "a list", "object": "a group", "null": "nothing",
}

func words(values []any) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = fmt.Sprint(v)
	}
	return strings.Join(parts, ", ")
}

// plain is a limit as it was written.
func plain(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	return strings.TrimRight(r.FloatString(12), "0")
}
