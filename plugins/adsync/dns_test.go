package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	set "github.com/culvert-pbx/culvert/sdk/settings"
)

// given are settings of which one alone is set.
func given(t *testing.T, key string, v any) (s settings) {
	t.Helper()
	b := &bed{t: t, doc: map[string]any{}}
	b.set(key, v)
	doc, err := json.Marshal(b.doc)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := set.Schema(reflect.TypeFor[settings]())
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(set.WithDefaults(schema, doc), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// What is no DN is refused where it is set, with what to type.
func TestWhatIsNoDNIsRefused(t *testing.T) {
	const user = "directory.user"
	for _, c := range []struct {
		key    string
		v      any
		field  string // "": it is taken
		wayOut string
	}{
		{"who.groups", []string{"CN=a", "DC=b"}, "who.groups", "'who.groups[]=CN=a,DC=b'"},
		{"who.groups", []string{"cn=a b", "dc=corp", "dc=example", "cn=c", "dc=corp", "dc=example"}, "who.groups",
			"'who.groups[]=cn=a b,dc=corp,dc=example' 'who.groups[]=cn=c,dc=corp,dc=example'"},
		{"who.groups", []string{`CN=Doe\`, "Jo", "O=corp"}, "who.groups", `'who.groups[]=CN=Doe\,Jo,O=corp'`},
		{"who.groups", []string{"CN=it's", "DC=b"}, "who.groups", `'who.groups[]=CN=it'\''s,DC=b'`},
		{"who.groups", []string{"pbx"}, "who.groups[0]", "'who.groups[]=CN=PBX,OU=Groups,DC=corp,DC=example'"},
		{"who.groups", []string{"CN=a,DC=b", "CN=c"}, "", ""},
		{"who.groups", []string{"CN=a,DC=b", "x"}, "who.groups[1]", "'who.groups[]="},
		{"who.groups", []string{"CN=a,DC=b", ""}, "who.groups[1]", "'who.groups[]="},
		{"who.groups", []string{"cn=a,dc=b", "cn=c,dc=b"}, "", ""},
		{"who.admins", "admins", "who.admins", "'who.admins=CN="},
		{"who.admins", "CN=Admins,DC=b", "", ""},
		{"directory.base", "corp.example", "directory.base", "'directory.base=DC=corp,DC=example'"},
		{"directory.base", "o=corp", "", ""},
		{"directory.people", []string{"dc=corp", "dc=example"}, "directory.people", "'directory.people[]=dc=corp,dc=example'"},
		{"directory.people", []string{"o=a", "o=b"}, "", ""},
		{"groups.sales", "Sales", "groups.sales", "'groups.sales=CN="},
		{"groups.sales", "", "groups.sales", "'groups.sales=CN="},
		{user, "reader", user, "CN=reader,DC=corp,DC=example"},
		{user, "reader@", user, "reader@corp.example"},
		{user, `\reader`, user, `CORP\reader`},
		{user, "CN=reader", "", ""},
		{user, "reader@corp.example", "", ""},
		{user, `CORP\reader`, "", ""},
		{user, `cn=a\,b,dc=corp`, "", ""},
		{user, `CORP\reader@old.example`, "", ""},
		{user, "Reader Service", "", ""},
		{user, "<SID=S-1-5-21-1-2-3-500>", "", ""},
		{user, "CN=reader service,", user, "CN=reader,DC=corp,DC=example"},
	} {
		fs := given(t, c.key, c.v).Validate()
		switch {
		case c.field == "" && len(fs) > 0:
			t.Errorf("%s=%v: %v", c.key, c.v, fs)
		case c.field != "" && (len(fs) != 1 || fs[0].Field != c.field || !strings.Contains(fs[0].WayOut, c.wayOut)):
			t.Errorf("%s=%v: %+v", c.key, c.v, fs)
		}
	}
}
