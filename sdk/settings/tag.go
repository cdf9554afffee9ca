package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// take reads the tags of a field into its node. A map's limits are those of its entries.
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
	if enum := tag.Get("enum"); enum != "" {
		if n.Type != "string" {
			return errors.New("enum is for strings")
		}
		n.Enum = strings.Split(enum, ",")
	}
	if err := n.takeLimits(tag); err != nil {
		return err
	}
	return n.takeDefault(tag)
}

func (n *node) takeLimits(tag reflect.StructTag) error {
	for name, to := range map[string]*json.Number{"min": &n.Minimum, "max": &n.Maximum} {
		text := tag.Get(name)
		if text == "" {
			continue
		}
		if n.Type != "integer" && n.Type != "number" || !numberText(text) {
			return fmt.Errorf("%s is for numbers", name)
		}
		*to = json.Number(text)
	}
	if text := tag.Get("maxlen"); text != "" {
		limit, err := strconv.Atoi(text)
		if err != nil || n.Type != "string" || limit < 1 {
			return errors.New("maxlen is for strings")
		}
		n.MaxLength = limit
	}
	return nil
}

func (n *node) takeDefault(tag reflect.StructTag) error {
	text, ok := tag.Lookup("default")
	if !ok {
		return nil
	}
	if n.Mark != "" || n.Type == "object" {
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
