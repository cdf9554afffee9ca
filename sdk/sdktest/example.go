package sdktest

import (
	"context"
	"encoding/json"
	"maps"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/tunnel/tunneltest"
)

// exampleOf are settings that fit the module's schema: every site has a server, every slot is on where that can be, every
// secret is set, and what is required has a value. All else has its default.
func exampleOf(d tunnel.Description) json.RawMessage {
	var root field
	if json.Unmarshal(d.Schema, &root) != nil {
		return json.RawMessage("{}")
	}
	for _, on := range []bool{true, false} { // all slots at once may want one port
		doc, err := json.Marshal(root.object("", on))
		if err == nil && (!on || fits(d, doc)) {
			return doc
		}
	}
	return json.RawMessage("{}")
}

// fits reports whether the host would take the settings, and all tunnels of them.
func fits(d tunnel.Description, doc json.RawMessage) bool {
	w, ref := tunneltest.NewWorld(), tunnel.ConfigurationRef{Module: tunnel.Owner(d.Name), Name: Configuration}
	if w.AddModule(d) != nil || w.Configure(ref, doc) != nil {
		return false
	}
	var set []tunnel.Declaration
	for path := range settings.Sites(d.Schema, doc) {
		set = append(set, tunnel.Declaration{Ref: tunnel.Ref{Owner: ref.Module, Name: tunnel.SettingsName(ref.Name, path)}, Settings: path})
	}
	return w.As(ref.Module).Declare(context.Background(), ref.Name, set) == nil
}

// field is what is looked for in a schema.
type field struct {
	Type       string
	Mark       settings.Mark `json:"x-culvert"`
	Slots      []string      `json:"x-culvert-slots"`
	Default    json.RawMessage
	Enum       []string
	Pattern    string
	Minimum    json.Number
	Maximum    json.Number
	MinLength  int
	MaxLength  int
	MinItems   int
	Items      *field
	Properties map[string]field
	Required   []string
	Others     json.RawMessage `json:"additionalProperties"`
}

// object is an example of an object, on being whether slots are on.
func (f field) object(path string, on bool) map[string]any {
	o := map[string]any{}
	for key, p := range f.Properties {
		if v := p.example(join(path, key), slices.Contains(f.Required, key), on); v != nil {
			o[key] = v
		}
	}
	return o
}

func join(path, key string) string { return strings.TrimPrefix(path+"."+key, ".") }

// example is a value for a field, nil where it needs none.
func (f field) example(path string, required, on bool) any {
	switch {
	case f.Mark == settings.Site:
		return f.site(path, on)
	case f.Mark == settings.Secret:
		return f.text("canary of " + path)
	case f.Type == "object":
		return f.group(path, required, on)
	case f.Default != nil || !required && f.MinLength == 0:
		return nil
	case f.Type == "boolean":
		return false
	case f.Mark == settings.Span:
		return string(f.least()) + "s"
	case f.Type == "integer", f.Type == "number":
		return f.least()
	case f.Type == "array":
		list := make([]any, f.MinItems)
		for i := range list {
			list[i] = f.Items.example(path, true, on)
		}
		return list
	}
	return f.text("example")
}

// site has a server of its own, since ports at one server are for one tunnel.
func (f field) site(path string, on bool) map[string]any {
	slots := map[string]any{}
	for _, name := range f.Slots {
		if on {
			slots[name] = map[string]any{"on": true}
		}
	}
	return map[string]any{"server": "tunnel@" + strings.ReplaceAll(path, "_", "-") + ".example.org", "slots": slots}
}

// group is a group, or a map with one entry where that holds a site or secret or one is required.
func (f field) group(path string, required, on bool) any {
	o := f.object(path, on)
	var entry field
	if json.Unmarshal(f.Others, &entry) == nil && (required || entry.matters()) {
		o["one"] = entry.example(join(path, "one"), true, on)
	}
	if len(o) == 0 && !required {
		return nil
	}
	return o
}

// matters reports whether there is a site or a secret in the field.
func (f field) matters() bool {
	return f.Mark == settings.Site || f.Mark == settings.Secret ||
		slices.ContainsFunc(slices.Collect(maps.Values(f.Properties)), field.matters)
}

// least is the number that fits and is nearest above 1.
func (f field) least() json.Number {
	low, err := f.Minimum.Float64()
	if high, hErr := f.Maximum.Float64(); hErr == nil && high < 1 {
		return f.Maximum
	}
	if err == nil && low > 1 {
		return f.Minimum
	}
	return "1"
}

// text is a text that fits, like is where that does.
func (f field) text(like string) string {
	switch {
	case len(f.Enum) > 0:
		return f.Enum[0]
	case f.Pattern != "":
		if re, err := syntax.Parse(f.Pattern, syntax.Perl); err == nil {
			like = matching(re.Simplify())
		}
	}
	for like != "" && len(like) < f.MinLength {
		like += like[len(like)-1:]
	}
	if f.MaxLength > 0 && len(like) > f.MaxLength {
		like = like[:f.MaxLength]
	}
	return like
}

// matching is a short text that the expression matches.
func matching(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCharClass:
		return string(re.Rune[:min(1, len(re.Rune))])
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return "a"
	case syntax.OpCapture, syntax.OpPlus, syntax.OpAlternate:
		return matching(re.Sub[0])
	case syntax.OpConcat:
		var all strings.Builder
		for _, sub := range re.Sub {
			all.WriteString(matching(sub))
		}
		return all.String()
	}
	return "" // what may be absent, or has no width
}
