package settings

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestKeys(t *testing.T) {
	schema := schemaOf[struct {
		Base     string                 `json:"base" title:"Base DN" help:"where" required:"true"`
		Port     int                    `json:"port" min:"1" max:"65535" default:"636"`
		Security string                 `json:"security" enum:"tls,none" default:"tls"`
		Every    Duration               `json:"every" min:"5s" default:"1m"`
		Groups   []string               `json:"groups" maxlen:"9" maxitems:"3" default:"a,b"`
		Bind     tunnel.Secret          `json:"bind" maxlen:"20"`
		Site     tunnel.Site            `json:"site" slots:"dc1" required:"true"`
		Sites    map[string]tunnel.Site `json:"sites"`
		Group    struct {
			Nested bool `json:"nested" default:"true"`
		} `json:"group"`
	}](t)
	var got []string
	for _, k := range Keys(schema) {
		if strings.HasSuffix(k.Key, "via") || strings.HasSuffix(k.Key, "lan") {
			continue
		}
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s: %s %s", k.Key, k.line(), k.Slot)))
	}
	want := []string{
		"base: text, required", "port: whole number, 1 to 65535, default 636", "security: text, one of tls none, default tls",
		"every: duration, at least 5s, default 1m", `groups: list of text, at most 9 characters, at most 3 values, default ["a","b"]`,
		"bind: secret, at most 20 characters",
		"site.server: text, at most 1024 characters, required", "site.login: text, one of key password", "site.password: secret",
		"site.fingerprint: text, at most 128 characters", "site.via_password: secret",
		"site.slots.dc1.on: true or false dc1", "site.slots.dc1.kind: text, one of reach reach-gateway expose expose-gateway dc1",
		"site.slots.dc1.spec: text, at most 1024 characters dc1", "site.slots.dc1.lane: text, one of main bulk dc1",
		"sites.NAME.server: text, at most 1024 characters", "sites.NAME.login: text, one of key password", "sites.NAME.password: secret",
		"sites.NAME.fingerprint: text, at most 128 characters", "sites.NAME.via_password: secret",
		"sites.NAME.slots.NAME.on: true or false NAME", "sites.NAME.slots.NAME.kind: text, one of reach reach-gateway expose expose-gateway NAME",
		"sites.NAME.slots.NAME.spec: text, at most 1024 characters NAME", "sites.NAME.slots.NAME.lane: text, one of main bulk NAME",
		"group.nested: true or false, default true",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestCompare(t *testing.T) {
	before := schemaOf[struct {
		Base string `json:"base"`
		Port int    `json:"port" default:"389"`
		Gone bool   `json:"gone"`
	}](t)
	after := schemaOf[struct {
		Base string `json:"base"`
		Port int    `json:"port" default:"636"`
		New  bool   `json:"new"`
	}](t)
	want := []Difference{
		{"port", "whole number, default 389", "whole number, default 636"}, {"new", "", "true or false"}, {"gone", "true or false", ""},
	}
	if got := Compare(before, after); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Compare(after, after); len(got) > 0 {
		t.Errorf("nothing changed: %q", got)
	}
}
