package settings

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Schema derives the JSON Schema of a settings struct. Its error is a mistake of the module's author and says where.
//
// Every exported field is a key by its json tag. Further tags: title and help (what the editor shows), required:"true"
// (of a site: its server), default (a value, or JSON for lists), enum ("ldaps,starttls"), min and max of numbers and
// durations, min of schedules (between two runs), minlen, maxlen and pattern (a regular expression that is found in the text) of strings, minitems and maxitems
// of lists, and slots ("dc1,dc2") for a site. What limits a value limits each value of a list, and of a map of plain values.
// A tag that is one of these misspelt is a mistake too.
//
// Fields are booleans, numbers, strings, Duration, schedule.Schedule, types with UnmarshalText, secrets, sites, lists, structs (a group, one
// level deep) and maps by name.
//
// A site's key names its tunnel, so it is a name of at most tunnel.MaxSite characters. Several sites of one shape are a
// map of sites or of structs with one site each; the entry's key names the tunnel then.
func Schema(t reflect.Type) (json.RawMessage, error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("settings are a struct, not %s", t)
	}
	root := &node{}
	if err := root.group(t, scope{}); err != nil {
		return nil, fmt.Errorf("settings %s: %w", t, err)
	}
	root.Dialect = dialect
	text, err := json.Marshal(root)
	if err != nil {
		return nil, err
	}
	_, err = parse(text)
	return text, err
}

// scope is where in the settings a type stands, which decides whether a site may stand there.
type scope struct {
	place place
	depth int
}

type place int

const (
	top   place = iota // the settings struct itself
	group              // a struct in it
	entry              // what a map in it holds
	deep               // anything below
)

// in is the scope below s.
func (s scope) in(below place) scope {
	if s.place != top {
		below = deep
	}
	return scope{below, s.depth + 1}
}

// group makes n the object of a struct.
func (n *node) group(t reflect.Type, in scope) error {
	n.Type, n.Others = "object", &others{}
	for i := range t.NumField() {
		if err := n.addField(t.Field(i), in); err != nil {
			return err
		}
	}
	return n.oneSite(in)
}

// addField adds what encoding/json would read into the field: nothing, one key, or those of an embedded struct.
func (n *node) addField(f reflect.StructField, in scope) error {
	key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	switch {
	case key == "-":
		return nil
	case f.Anonymous && key == "" && f.Type.Kind() == reflect.Struct && markOf(f.Type) == "":
		return n.group(f.Type, in)
	case !f.IsExported():
		return nil
	case !keyText(key):
		return fmt.Errorf("field %s needs a json tag of letters, digits, - and _", f.Name)
	case n.Properties.get(key) != nil:
		return fmt.Errorf("field %s: there are two keys %s", f.Name, key)
	}
	if err := checkTags(f.Tag); err != nil {
		return fmt.Errorf("field %s: %w", f.Name, err)
	}
	c, err := newField(f, key, in)
	if err != nil {
		return fmt.Errorf("field %s: %w", f.Name, err)
	}
	n.Properties = append(n.Properties, property{key, c})
	if f.Tag.Get("required") != "true" {
		return nil
	}
	if c.Mark == Site {
		c.Required = []string{"server"}
	} else {
		n.Required = append(n.Required, key)
	}
	return nil
}

// oneSite: an entry of a map has one name, so one tunnel.
func (n *node) oneSite(in scope) error {
	count := 0
	for _, p := range n.Properties {
		if p.Mark == Site {
			count++
		}
	}
	if in.place == entry && count > 1 {
		return fmt.Errorf("an entry of a map has one site, not %d", count)
	}
	return nil
}

func newField(f reflect.StructField, key string, in scope) (*node, error) {
	n, err := newNode(f.Type, in)
	if err != nil {
		return nil, err
	}
	if n.Mark == Site && in.place != entry {
		if fs := tunnel.CheckName(key, tunnel.MaxSite); len(fs) > 0 {
			return nil, fmt.Errorf("the key of a site names its tunnel: %w", fs)
		}
	}
	return n, n.take(f.Tag)
}

func newNode(t reflect.Type, in scope) (*node, error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch markOf(t) {
	case Secret:
		return newSecret(), nil
	case Site:
		if in.place == deep {
			return nil, errors.New("a site stands in the settings, in a group or in a map of the settings")
		}
		return newSite(), nil
	case Span:
		return newDuration(), nil
	case Schedule:
		return newSchedule(), nil
	}
	if t == reflect.TypeFor[time.Duration]() {
		return nil, errors.New("a time.Duration would be a number of nanoseconds; use sdk.Duration")
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return &node{Type: "string", MaxLength: maxString}, nil
	}
	return newPlain(t, in)
}

func newPlain(t reflect.Type, in scope) (*node, error) {
	if in.depth > maxNesting {
		return nil, errors.New("nested too deep")
	}
	n := &node{}
	switch t.Kind() {
	case reflect.Bool:
		n.Type = "boolean"
	case reflect.String:
		n.Type, n.MaxLength = "string", maxString
	case reflect.Float32, reflect.Float64:
		n.Type = "number"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		half := uint64(1) << (t.Bits() - 1)
		n.Type, n.Minimum, n.Maximum = "integer", "-"+number(half), number(half-1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n.Type, n.Minimum, n.Maximum = "integer", "0", number(1<<t.Bits()-1)
	case reflect.Slice:
		items, err := newNode(t.Elem(), in.in(deep))
		n.Type, n.Items, n.MaxItems = "array", items, maxItems
		return n, err
	case reflect.Struct:
		if in.place == group {
			return nil, errors.New("groups are one level deep")
		}
		return n, n.group(t, in.in(group))
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return nil, fmt.Errorf("a map goes by strings, not %s", t.Key())
		}
		each, err := newEntry(t.Elem(), in.in(entry))
		n.Type, n.Others = "object", &others{each}
		return n, err
	default:
		return nil, fmt.Errorf("settings cannot hold %s", t)
	}
	return n, nil
}

// newEntry keeps the scope of a struct in a map that of the entry itself.
func newEntry(t reflect.Type, in scope) (*node, error) {
	if t.Kind() == reflect.Struct && markOf(t) == "" && in.place == entry {
		n := &node{}
		return n, n.group(t, in)
	}
	return newNode(t, in)
}

func number(n uint64) json.Number { return json.Number(strconv.FormatUint(n, 10)) }
