package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp/syntax"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// parse reads a schema; none at all is that of a module without settings.
func parse(schema json.RawMessage) (*node, error) {
	if len(schema) == 0 {
		return &node{Type: "object", Others: &others{}}, nil
	}
	if len(schema) > MaxSchema {
		return nil, fmt.Errorf("the schema has %d bytes, more than %d", len(schema), MaxSchema)
	}
	root := new(node)
	if err := strict(schema, root); err != nil {
		return nil, fmt.Errorf("the schema is not one of settings: %w", err)
	}
	if root.Type != "object" || root.Mark != "" || root.Dialect != "" && root.Dialect != dialect {
		return nil, errors.New("the schema is not that of settings")
	}
	if err := root.sound("", 0); err != nil {
		return nil, err
	}
	return root, nil
}

// sound holds a schema to the shape of settings: objects are closed or maps, groups one level deep, sites and secrets
// not in lists, where they would have no lasting name.
func (n *node) sound(path string, depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("%s: nested too deep", path)
	}
	if n.MaxLength < 0 || n.MaxItems < 0 || n.MinLength < 0 || n.MinItems < 0 {
		return fmt.Errorf("%s: a limit is below zero", path)
	}
	if err := n.soundPattern(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := n.soundMark(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	switch n.Type {
	case "string", "integer", "number", "boolean":
	case "array":
		if n.Items == nil {
			return fmt.Errorf("%s: a list says what it holds", path)
		}
		if n.Items.any(func(m *node) bool { return m.Mark == Site || m.Mark == Secret }) {
			return fmt.Errorf("%s: a list holds no sites and no secrets; use a map", path)
		}
		return n.Items.sound(path+"[]", depth+1)
	case "object":
		return n.soundObject(path, depth)
	default:
		return fmt.Errorf("%s: type %q is none of settings", path, tunnel.Clean(n.Type, 40))
	}
	return nil
}

// soundMark: a secret is text, and what the host reads in a site has the types it reads there.
func (n *node) soundMark() error {
	switch n.Mark {
	case "":
		return nil
	case Secret:
		if n.Type != "string" {
			return errors.New("a secret is a string")
		}
		return nil
	case Span:
		if n.Type != "string" {
			return errors.New("a span of time is a string")
		}
		return nil
	case Schedule:
		if n.Type != "string" {
			return errors.New("a schedule is a string")
		}
		return nil
	case Site:
		if n.Properties.get("server") == nil || !n.like(newSite()) {
			return errors.New("the site is not what it is in every module")
		}
		return nil
	}
	return fmt.Errorf("mark %q is none", tunnel.Clean(string(n.Mark), 40))
}

// soundPattern bounds a pattern: it is matched without going back, in steps that are the text's characters by its own parts.
func (n *node) soundPattern() error {
	if n.Pattern == "" {
		return nil
	}
	if n.Type != "string" || len(n.Pattern) > maxPattern {
		return fmt.Errorf("a pattern is for a string, and has at most %d characters", maxPattern)
	}
	re, err := syntax.Parse(n.Pattern, syntax.Perl)
	if err != nil {
		return err
	}
	program, err := syntax.Compile(re.Simplify())
	if err == nil && len(program.Inst) > maxProgram {
		err = errors.New("the pattern repeats too much; say it more simply")
	}
	return err
}

// like reports whether what n and want both know is of one type. Another version of the SDK may know less or more.
func (n *node) like(want *node) bool {
	if n.Type != want.Type || n.Mark != want.Mark {
		return false
	}
	for _, p := range want.Properties {
		if c := n.Properties.get(p.key); c != nil && !c.like(p.node) {
			return false
		}
	}
	if want.Others == nil || want.Others.entry == nil {
		return true
	}
	for _, p := range n.Properties { // the slots of a closed site
		if !p.like(want.Others.entry) {
			return false
		}
	}
	return n.Others == nil || n.Others.entry == nil || n.Others.entry.like(want.Others.entry)
}

func (n *node) soundObject(path string, depth int) error {
	if n.Others == nil {
		return fmt.Errorf("%s: additionalProperties is missing", path)
	}
	for _, p := range n.Properties {
		if !keyText(p.key) {
			return fmt.Errorf("%s is not a key of settings", join(path, tunnel.Clean(p.key, 80)))
		}
		if err := p.sound(join(path, p.key), depth+1); err != nil {
			return err
		}
	}
	if n.Others.entry != nil {
		return n.Others.entry.sound(path+".*", depth+1)
	}
	return nil
}
