package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// CheckSchema says why a schema that a module brought cannot be used, or nil.
func CheckSchema(schema json.RawMessage) error {
	_, _, err := compile(schema)
	return err
}

// CheckModule says why what a module says of itself cannot be used, or nil: its schema, and that the slots which its sites
// offer are slots of the module, so that a misspelt one is not a slot that never is. What tunnel.CheckDescription finds is not
// in it.
func CheckModule(d tunnel.Description) error {
	root, _, err := compile(d.Schema)
	if err != nil {
		return err
	}
	slots := make([]string, len(d.Slots))
	for i, s := range d.Slots {
		slots[i] = s.Name
	}
	return root.checkSlots("", slots)
}

// Check says everything that is wrong with the document doc for a module of that schema; an empty doc is {}. Unknown
// keys are unknown-key, absent ones required, wrong types malformed, numbers out-of-range, long texts and lists
// too-long. Sites are held to the texts of SERVER, fingerprint, proxy and LAN address, and to names, which differ over all
// maps. What a site's slots may hold is the module's description's to say: tunnel.Compute.
func Check(schema, doc json.RawMessage) tunnel.Findings {
	root, compiled, err := compile(schema)
	if err != nil {
		return tunnel.Findings{finding(tunnel.Malformed, "", "", tunnel.Clean(err.Error(), 200),
			"ask the module's author")}
	}
	d, fs := read(doc)
	if len(fs) > 0 {
		return root.hide(fs)
	}
	c := checker{root: root, doc: d}
	var invalid *jsonschema.ValidationError
	if errors.As(compiled.Validate(d), &invalid) {
		c.collect(invalid)
	}
	c.values()
	c.sites()
	slices.SortStableFunc(c.findings, func(a, b tunnel.Finding) int { return strings.Compare(a.Field, b.Field) })
	return first(c.findings)
}

// hide keeps the value of a secret out of findings made without the schema.
func (n *node) hide(fs tunnel.Findings) tunnel.Findings {
	for i, f := range fs {
		if at := n.at(split(f.Field)); f.Value != "" && (at == nil || at.Mark == Secret) {
			fs[i].Value = Hidden
		}
	}
	return fs
}

// first bounds what is said of one document: a quarter of a megabyte may be wrong at every byte.
func first(fs tunnel.Findings) tunnel.Findings {
	if len(fs) <= maxFindings {
		return fs
	}
	more := finding(tunnel.TooMany, "", "", fmt.Sprintf("and %d more findings", len(fs)-maxFindings), "correct these first")
	return append(fs[:maxFindings:maxFindings], more)
}

// values checks what JSON Schema sees otherwise: a required text that is empty and a required setting of a group that is
// not there are missing; 1.0 is no integer to a Go struct; a span of time is one; a password of a site is one line, and another
// secret or text has no control characters but line breaks and tabs; and a key with a dot could not be set again.
func (c *checker) values() { c.root.walk(c.doc, nil, c.value) }

func (c *checker) value(n *node, v any, path []string) {
	switch v := v.(type) {
	case json.Number:
		if n.Type == "integer" && strings.Contains(string(v), ".") {
			c.add(tunnel.Malformed, path, "is not an integer", "write it without a point")
		}
	case string:
		switch n.Mark {
		case Span:
			c.span(n, v, path)
		case Schedule:
			c.schedule(n, v, path)
		case Secret:
			c.findings = append(c.findings, c.secret(path, v)...)
		case "":
			c.text(v, path)
		}
	case []any:
		for i, item := range v {
			if n.Items != nil {
				n.Items.walk(item, append(slices.Clip(path), strconv.Itoa(i)), c.value)
			}
		}
	}
	c.keys(n, v, path)
}

func (c *checker) secret(path []string, s string) tunnel.Findings {
	if parent := c.root.at(path[:len(path)-1]); parent != nil && parent.Mark == Site {
		return tunnel.CheckSecret(c.field(path), s)
	}
	return tunnel.CheckSecretText(c.field(path), s)
}

// text holds a text to what can be shown: it may have lines, as a certificate in PEM has, but nothing that drives a
// terminal or a program that reads it. Those of a site have rules of their own.
func (c *checker) text(s string, path []string) {
	if strings.ContainsFunc(strings.NewReplacer("\r\n", "", "\n", "", "\t", "").Replace(s), unicode.IsControl) && !c.inSite(path) {
		c.add(tunnel.Malformed, path, "holds a control character", "leave out all but line breaks and tabs")
	}
}

func (c *checker) inSite(path []string) bool {
	for i := range path {
		if n := c.root.at(path[:i]); n != nil && n.Mark == Site {
			return true
		}
	}
	return false
}

// keys checks those of an object.
func (c *checker) keys(n *node, v any, path []string) {
	_, given := lookup(c.doc, path)
	o, _ := v.(document)
	for _, key := range n.Required {
		if v == nil && !given || o[key] == "" {
			c.add(tunnel.Required, append(slices.Clip(path), key), "is missing", "set it")
		}
	}
	if n.Others == nil || n.Others.entry == nil {
		return
	}
	for key := range o {
		if !keyText(key) {
			c.findings = append(c.findings, finding(tunnel.Malformed, c.field(append(slices.Clip(path), key)), key,
				"this is not a key", fmt.Sprintf("use letters, digits, - and _, at most %d", maxKey)))
		}
	}
}

func compile(schema json.RawMessage) (*node, *jsonschema.Schema, error) {
	root, err := parse(schema)
	if err != nil {
		return nil, nil, err
	}
	return compileNode(root)
}

func compileNode(root *node) (*node, *jsonschema.Schema, error) {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(encode(root)))
	if err != nil {
		return nil, nil, err
	}
	const here = "culvert:///settings"
	c := jsonschema.NewCompiler()
	c.UseLoader(nothing{})
	if err := c.AddResource(here, v); err != nil {
		return nil, nil, err
	}
	compiled, err := c.Compile(here)
	return root, compiled, err
}

// nothing keeps a schema from making the host read files or pages.
type nothing struct{}

func (nothing) Load(string) (any, error) {
	return nil, errors.New("a schema of settings refers to no other")
}

// checker turns verdicts on one document into findings.
type checker struct {
	root     *node
	doc      document
	findings tunnel.Findings
}
