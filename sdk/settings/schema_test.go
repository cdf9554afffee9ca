package settings

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestSchema(t *testing.T) {
	type base struct {
		Zone string `json:"zone"`
	}
	type settings struct {
		base
		Last  string     `json:"b" title:"B" help:"h" maxlen:"9" enum:"x,y" required:"true"`
		First uint8      `json:"a" default:"7" max:"9"`
		List  []bool     `json:"list" default:"true,false"`
		Addr  netip.Addr `json:"addr"`
	}
	got := string(schemaOf[*settings](t))
	want := `{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{` +
		`"zone":{"type":"string","maxLength":4096},` +
		`"b":{"type":"string","title":"B","description":"h","enum":["x","y"],"maxLength":9},` +
		`"a":{"type":"integer","default":7,"minimum":0,"maximum":9},` +
		`"list":{"type":"array","default":[true,false],"maxItems":1000,"items":{"type":"boolean"}},` +
		`"addr":{"type":"string","maxLength":4096}},` +
		`"required":["b"],"additionalProperties":false}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string(schemaOf[struct{}](t)); !strings.HasSuffix(got, `"type":"object","additionalProperties":false}`) {
		t.Errorf("no settings: %s", got)
	}
}

func TestSchemaMarks(t *testing.T) {
	_ = full{hidden: "no key, as nobody outside could set it"}
	root, err := parse(schemaOf[full](t))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]Mark{
		"site": Site, "site.password": Secret, "site.via_password": Secret, "site.via": "", "site.lan": "", "site.slots.dc1.lane": "", "site.server": "", "bind_password": Secret, "base": "", "sites.rome": Site,
		"sites.rome.password": Secret, "branches.rome": "", "branches.rome.site": Site, "branches.rome.bind_password": Secret, "extra.extra-site": Site,
	} {
		if n := root.at(split(path)); n == nil || n.Mark != want || n.Mark == Secret && !n.WriteOnly {
			t.Errorf("%s: got %+v, want mark %q", path, n, want)
		}
	}
	for path, known := range map[string]bool{
		"site.slots.dc1.on": true, "site.slots.dc3": false, "sites.rome.slots.smb": true, "sites.rome.slots.dc1": false,
		"extra.extra-site.slots.anything.kind": true, "extra.nope": false, "hidden": false, "Skipped": false, "base.x": false, "rules.0": false,
	} {
		if n := root.at(split(path)); (n != nil) != known {
			t.Errorf("%s is known: %v", path, n != nil)
		}
	}
}

func TestSchemaTellsAuthorsTheirMistakes(t *testing.T) {
	type group struct {
		Deeper struct{} `json:"deeper"`
	}
	type endless struct {
		More []endless `json:"more"`
	}
	type twoSites struct {
		B tunnel.Site `json:"b"`
		C tunnel.Site `json:"c"`
	}
	type sites struct {
		Sites map[string]tunnel.Site `json:"sites"`
	}
	for want, of := range map[string]reflect.Type{
		"are a struct":                   reflect.TypeFor[int](),
		"field A needs a json tag":       field[string](``),
		"of letters, digits, - and _":    field[string](`json:"a.b"`),
		"two keys a":                     twice,
		"cannot hold chan int":           field[chan int](`json:"a"`),
		"cannot hold interface {}":       field[any](`json:"a"`),
		"cannot hold settings.Marked":    field[Marked](`json:"a"`),
		"goes by strings":                field[map[int]string](`json:"a"`),
		"groups are one level deep":      field[group](`json:"a"`),
		"nested too deep":                field[endless](`json:"a"`),
		"names its tunnel":               field[tunnel.Site](`json:"my_site"`),
		"slots are for a site":           field[string](`json:"a" slots:"x"`),
		"enum is for strings":            field[int](`json:"a" enum:"1"`),
		"min is for numbers":             field[string](`json:"a" min:"1"`),
		"max is for numbers":             field[int](`json:"a" max:"1e9"`),
		"maxlen is for strings":          field[string](`json:"a" maxlen:"-1"`),
		"default is for plain values":    field[tunnel.Secret](`json:"a" default:"x"`),
		"give a number":                  field[int](`json:"a" default:"x"`),
		"give at most 9":                 field[int](`json:"a" default:"10" max:"9"`),
		"give one of x, y":               field[string](`json:"a" default:"z" enum:"x,y"`),
		"give at most 255":               field[uint8](`json:"a" default:"256"`),
		"in a group or in a map":         field[[]tunnel.Site](`json:"a"`),
		"use sdk.Duration":               field[time.Duration](`json:"a"`),
		"written like 90s or 1h30m":      field[Duration](`json:"a" min:"90"`),
		"give at least 1m":               field[Duration](`json:"a" min:"1m" default:"30s"`),
		"minlen is for strings":          field[int](`json:"a" minlen:"1"`),
		"minitems is for lists":          field[string](`json:"a" minitems:"1"`),
		"missing closing ]":              field[string](`json:"a" pattern:"[a"`),
		"a pattern is for a string":      field[int](`json:"a" pattern:"a"`),
		"the pattern repeats too much":   field[string](`json:"a" pattern:"a{900}"`),
		"is not one of its values":       field[[]string](`json:"a" enum:"x,y" default:"x,z"`),
		"no tag tittle; is title meant?": field[string](`json:"a" tittle:"A"`),
		"no tag Default; is default":     field[string](`json:"a" Default:"A"`),
		"are not written like key":       field[string](`json:"a" title: "A"`),
		"required is \"true\" or":        field[string](`json:"a" required:"yes"`),
		"a list holds no sites":          field[[]tunnel.Secret](`json:"a"`),
		"an entry of a map has one site": field[map[string]twoSites](`json:"a"`),
		"a site stands in the settings":  field[sites](`json:"a"`), // its names could not be told from those of a map's entries
	} {
		if _, err := Schema(of); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", of, err, want)
		}
	}
}

// field is a settings struct with one field of type T.
func field[T any](tag string) reflect.Type {
	return reflect.StructOf([]reflect.StructField{{Name: "A", Type: reflect.TypeFor[T](), Tag: reflect.StructTag(tag)}})
}

// twice has one key for two fields.
var twice = reflect.StructOf([]reflect.StructField{
	{Name: "A", Type: reflect.TypeFor[string](), Tag: `json:"a"`}, {Name: "B", Type: reflect.TypeFor[string](), Tag: `json:"a"`},
})

// marked is a Site of an SDK.
type marked struct{ tunnel.Site }

func (marked) SettingsMark() Mark { return Site }

func TestMarkedTypes(t *testing.T) {
	root, err := parse(schemaOf[struct {
		Site  marked  `json:"site" slots:"a"`
		Other *marked `json:"other"`
	}](t))
	if err != nil || root.at(split("site")).Mark != Site || root.at(split("other")).Mark != Site || root.at(split("site.slots.a.spec")) == nil {
		t.Errorf("got %v", err)
	}
}

// siteSchema is a schema whose only setting is a site of these properties.
func siteSchema(properties string) string {
	return `{"type":"object","additionalProperties":false,"properties":{"a":{"type":"object","x-culvert":"site",` +
		`"additionalProperties":false,"properties":{` + properties + `}}}}`
}

// TestOtherVersionsOfASite: a module may have been built with an SDK that knows less of a site, or more.
func TestOtherVersionsOfASite(t *testing.T) {
	for _, s := range []string{
		siteSchema(`"server":{"type":"string"}`),
		siteSchema(`"server":{"type":"string"},"relay":{"type":"string","x-culvert":"secret"},"slots":{"type":"object","additionalProperties":` +
			`{"type":"object","additionalProperties":false,"properties":{"on":{"type":"boolean"},"lane":{"type":"string"}}}}`),
	} {
		if err := CheckSchema(json.RawMessage(s)); err != nil {
			t.Errorf("%s: %v", s, err)
		}
		if got := Sites(json.RawMessage(s), json.RawMessage(`{"a":{"server":"h"}}`))["a"].Server; got != "h" {
			t.Errorf("%s: got server %q", s, got)
		}
	}
}

// TestSlotsThatThereAreNot: a misspelt slot would be one that is never on.
func TestSlotsThatThereAreNot(t *testing.T) {
	slots := func(names ...string) (all []tunnel.Slot) {
		for _, n := range names {
			all = append(all, tunnel.Slot{Name: n})
		}
		return all
	}
	type branch struct {
		Site tunnel.Site `json:"site" slots:"dc1,fax"`
	}
	one := schemaOf[struct {
		Site tunnel.Site `json:"site" slots:"dc1,dc2"`
	}](t)
	many := schemaOf[struct {
		Sites map[string]tunnel.Site `json:"sites" slots:"dc1,smb"`
	}](t)
	deep := schemaOf[struct {
		Branches map[string]branch `json:"branches"`
	}](t)
	for _, c := range []struct {
		schema json.RawMessage
		has    []tunnel.Slot
		want   string // of the error, "" for none
	}{
		{one, slots("dc2", "dc1", "smb"), ""},
		{one, slots("dc1"), `the site site offers slot "dc2", which the module does not have; it has dc1`},
		{one, nil, `it has none`},
		{many, slots("dc1"), `the site sites.* offers slot "smb"`},
		{deep, slots("dc1"), `the site branches.*.site offers slot "fax"`},
		{nil, nil, ""},
		{json.RawMessage("x"), nil, "not one of settings"},
	} {
		err := CheckModule(tunnel.Description{Slots: c.has, Schema: c.schema})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s with %v: %v, want %q", c.schema, c.has, err, c.want)
		}
	}
}

func TestSitesSayWhatTheyOffer(t *testing.T) {
	schema := schemaOf[struct {
		Open  tunnel.Site            `json:"open"`
		Sites map[string]tunnel.Site `json:"sites" slots:"dc1,smb"`
	}](t)
	sites := Sites(schema, json.RawMessage(`{"sites":{"rome":{"server":"h"}}}`))
	if open, rome := sites["open"], sites["sites.rome"]; open.Offered != nil || !open.Offers("x") || !rome.Offers("smb") || rome.Offers("x") {
		t.Errorf("the sites offer %q and %q", open.Offered, rome.Offered)
	}
}

// TestHostileSchemas: a schema comes from a plugin. What settings do not use is refused, so nothing can make the host
// read a file, recurse or compute for ever.
func TestHostileSchemas(t *testing.T) {
	closed := `"additionalProperties":false`
	for _, s := range []string{
		`x`, `[]`, `7`, `null`, `true`, `{}`, `{"type":"string"}`, `{"type":"object"}`, `{"type":"object",` + closed + `} {}`,
		`{"type":"object",` + closed + `,"$ref":"file:///etc/passwd"}`,
		`{"type":"object",` + closed + `,"$id":"http://127.0.0.1/x"}`,
		`{"type":"object",` + closed + `,"allOf":[{},{}]}`,
		`{"type":"object",` + closed + `,"patternProperties":{"(a+)+$":{}}}`,
		`{"type":"object",` + closed + `,"properties":{"a":{"type":"string","pattern":"(a+"}}}`,
		`{"type":"object",` + closed + `,"properties":{"a":{"type":"integer","pattern":"a"}}}`,
		`{"type":"object",` + closed + `,"properties":{"a":{"type":"string","pattern":"` + strings.Repeat("a{1000}", 25) + `"}}}`,
		`{"type":"object",` + closed + `,"properties":{"a":{"type":"string","pattern":"` + strings.Repeat("a", 201) + `"}}}`,
		`{"type":"object",` + closed + `,"properties":{"a":{"type":"string","minLength":-1}}}`,
		`{"type":"object",` + closed + `,"properties":{"a":{"type":"integer","x-culvert":"duration"}}}`,
		`{"type":"object",` + closed + `,"properties":{"a":{"type":"string"},"a":{"type":"string"}}}`,
		`{"type":"object",` + closed + `,"properties":{"a.b":{"type":"string"}}}`,
		`{"type":"object",` + closed + `,"properties":{"a\u001b[2J":{"type":"string"}}}`,
		`{"type":"object",` + closed + `,"properties":{"":{"type":"string"}}}`,
		`{"type":"object",` + closed + `,"properties":{"a":{"type":"null"}}}`,
		`{"type":"object",` + closed + `,"properties":{"a":{"type":["string","null"]}}}`,
		`{"type":"object",` + closed + `,"properties":{"a":{"type":"array"}}}`,
		`{"type":"object",` + closed + `,"properties":{"a":{"type":"integer","x-culvert":"secret"}}}`,
		`{"type":"object",` + closed + `,"properties":{"a":{"type":"string","x-culvert":"site"}}}`,
		`{"type":"object",` + closed + `,"properties":{"a":{"type":"string","x-culvert":"magic"}}}`,
		`{"type":"object",` + closed + `,"properties":{"a":{"type":"object",` + closed + `,"x-culvert":"site"}}}`,
		`{"type":"object",` + closed + `,"properties":[]}`,
		`{"type":"object",` + closed + `,"properties":[{"type":"string"}]}`,
		`{"type":"object",` + closed + `,"properties":7}`,
		`{"type":"object",` + closed + `,"properties":{"a":{"type":"string","maxLength":-1}}}`,
		siteSchema(`"server":{"type":"integer"}`),
		siteSchema(`"server":{"type":"string"},"password":{"type":"string"}`),
		siteSchema(`"server":{"type":"string"},"slots":{"type":"string"}`),
		siteSchema(`"server":{"type":"string"},"slots":{"type":"object","additionalProperties":{"type":"string"}}`),
		siteSchema(`"server":{"type":"string"},"slots":{"type":"object",` + closed + `,"properties":{"x":{"type":"object",` + closed + `,"properties":{"on":{"type":"string"}}}}}`),
		`{"type":"object",` + closed + `,"properties":{"a":{"type":"array","items":{"type":"string","x-culvert":"secret"}}}}`,
		`{"type":"object","additionalProperties":true}`,
		`{"type":"object",` + closed + `,"$schema":"http://127.0.0.1/meta"}`,
		`{"type":"object",` + closed + `,"x-culvert":"site"}`,
		`{"type":"object","additionalProperties":` + strings.Repeat(`{"type":"object","additionalProperties":`, 8) + `false` + strings.Repeat("}", 9),
		strings.Repeat("[", 100000),
		`{"type":"object",` + closed + `,"title":"` + strings.Repeat("x", MaxSchema) + `"}`,
	} {
		if err := CheckSchema(json.RawMessage(s)); err == nil {
			t.Errorf("taken: %.100s", s)
		}
		if fs := Check(json.RawMessage(s), json.RawMessage(`{}`)); len(fs) == 0 {
			t.Errorf("a document passes: %.100s", s)
		}
		if got := string(Redact(json.RawMessage(s), json.RawMessage(`{"a":"canary"}`))); strings.Contains(got, "canary") {
			t.Errorf("%.100s redacts to %s", s, got)
		}
	}
	for _, s := range []json.RawMessage{nil, schemaOf[full](t), schemaOf[struct{}](t)} {
		if err := CheckSchema(s); err != nil {
			t.Error(err)
		}
	}
}
