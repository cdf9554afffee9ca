package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// take reads the tags of a field into its node.
func (n *node) take(tag reflect.StructTag) error {
	n.Title, n.Description = or(tag.Get("title"), n.Title), or(tag.Get("help"), n.Description)
	if slots := tag.Get("slots"); slots != "" {
		site := n
		if n.Others != nil && n.Others.entry != nil && n.Mark == "" {
			site = n.Others.entry
		}
		if site.Mark != Site {
			return errors.New("slots are for a site")
		}
		site.closeSlots(strings.Split(slots, ","))
	}
	if err := n.takeItems(tag); err != nil {
		return err
	}
	if err := n.each().takeLimits(tag); err != nil {
		return err
	}
	return n.takeDefault(tag)
}

// each is what the limits of a value are about: each value of a list or of a map of plain ones, else n itself.
func (n *node) each() *node {
	switch {
	case n.Type == "array":
		return n.Items
	case n.Mark == "" && n.Others != nil && n.Others.entry != nil && n.Others.entry.Type != "object":
		return n.Others.entry
	}
	return n
}

func (n *node) takeItems(tag reflect.StructTag) error {
	for name, to := range map[string]*int{"minitems": &n.MinItems, "maxitems": &n.MaxItems} {
		if err := takeCount(tag, name, to, n.Type == "array", "lists"); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) takeLimits(tag reflect.StructTag) error {
	if enum := tag.Get("enum"); enum != "" {
		if n.Type != "string" || n.Mark != "" {
			return errors.New("enum is for strings")
		}
		n.Enum = strings.Split(enum, ",")
	}
	for name, to := range map[string]*json.Number{"min": &n.Minimum, "max": &n.Maximum} {
		if err := n.takeBound(name, tag.Get(name), to); err != nil {
			return err
		}
	}
	for name, to := range map[string]*int{"minlen": &n.MinLength, "maxlen": &n.MaxLength} {
		if err := takeCount(tag, name, to, n.Type == "string" && n.Mark != Span && n.Mark != Schedule, "strings"); err != nil {
			return err
		}
	}
	if n.Pattern = tag.Get("pattern"); n.Pattern == "" {
		return nil
	}
	return n.soundPattern()
}

func (n *node) takeBound(name, text string, to *json.Number) (err error) {
	switch {
	case text == "":
		return nil
	case n.Mark == Span || n.Mark == Schedule && name == "min":
		if *to, err = seconds(text); err != nil {
			return fmt.Errorf("%s of a duration is written like 90s or 1h30m", name)
		}
		return nil
	case n.Type != "integer" && n.Type != "number" || !numberText(text):
		return fmt.Errorf("%s is for numbers", name)
	}
	*to = json.Number(text)
	return nil
}

// takeCount reads a tag that is a number above zero, where it is for this field at all.
func takeCount(tag reflect.StructTag, name string, to *int, fits bool, sort string) error {
	text := tag.Get(name)
	if text == "" {
		return nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || !fits || limit < 1 {
		return fmt.Errorf("%s is for %s", name, sort)
	}
	*to = limit
	return nil
}

func (n *node) takeDefault(tag reflect.StructTag) error {
	text, ok := tag.Lookup("default")
	if !ok {
		return nil
	}
	if n.Mark != "" && n.Mark != Span && n.Mark != Schedule || n.Type == "object" {
		return errors.New("a default is for plain values")
	}
	v, fs := n.value("default", text)
	if len(fs) > 0 {
		return fs
	}
	n.Default = encode(v)
	return n.fits(n.Default)
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// The tags that settings know, and those of others that look like one of them.
var (
	ours    = []string{"json", "title", "help", "required", "default", "enum", "min", "max", "minlen", "maxlen", "pattern", "minitems", "maxitems", "slots"}
	foreign = []string{"bson", "env", "form", "toml", "xml", "yaml"}
)

// checkTags refuses what reflect would pass over in silence: a tag that is not written like one, and one of ours misspelt.
func checkTags(tag reflect.StructTag) error {
	keys, ok := tagKeys(string(tag))
	if !ok {
		return fmt.Errorf("its tags `%s` are not written like key:\"value\", with one space between them", tag)
	}
	for _, key := range keys {
		if slices.Contains(ours, key) || slices.Contains(foreign, key) {
			continue
		}
		if like := tunnel.Nearest(key, ours); like != "" {
			return fmt.Errorf("there is no tag %s; is %s meant?", key, like)
		}
	}
	if r, given := tag.Lookup("required"); given && r != "true" && r != "false" {
		return errors.New(`required is "true" or "false"`)
	}
	return nil
}

// tagKeys are the keys of a tag, as long as all of it is well-formed.
func tagKeys(tag string) (keys []string, ok bool) {
	for tag = strings.TrimLeft(tag, " "); tag != ""; tag = strings.TrimLeft(tag, " ") {
		key, rest, found := strings.Cut(tag, ":")
		quoted, err := strconv.QuotedPrefix(rest)
		if !found || key == "" || strings.ContainsAny(key, " \"") || err != nil || quoted[0] != '"' {
			return nil, false
		}
		keys, tag = append(keys, key), rest[len(quoted):]
	}
	return keys, true
}
