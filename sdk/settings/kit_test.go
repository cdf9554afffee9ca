package settings

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// branch is one site of many with what belongs to it.
type branch struct {
	Site tunnel.Site   `json:"site"`
	Base string        `json:"base" required:"true"`
	Bind tunnel.Secret `json:"bind_password"`
}

// full has something of every sort.
type full struct {
	Site     tunnel.Site            `json:"site" title:"Site" slots:"dc1,dc2"`
	Base     string                 `json:"base" title:"Base DN" help:"where to search" required:"true" maxlen:"20"`
	Bind     tunnel.Secret          `json:"bind_password"`
	Port     int                    `json:"port" min:"1" max:"65535" default:"389"`
	Ratio    float64                `json:"ratio" max:"1.5"`
	Tiny     int8                   `json:"tiny"`
	On       bool                   `json:"on" default:"true"`
	Security string                 `json:"security" enum:"ldaps,starttls" default:"ldaps"`
	Groups   []string               `json:"groups" default:"a,b"`
	Numbers  []uint16               `json:"numbers"`
	Names    map[string]string      `json:"names"`
	Sites    map[string]tunnel.Site `json:"sites" slots:"smb"`
	Branches map[string]branch      `json:"branches"`
	Extra    struct {
		Site  tunnel.Site `json:"extra-site"`
		Token string      `json:"token" required:"true"`
		Count *int        `json:"count" default:"3"`
	} `json:"extra"`
	Rules []struct {
		From string `json:"from"`
		To   string `json:"to" required:"true"`
	} `json:"rules"`
	Skipped string `json:"-"`
	hidden  string
}

func schemaOf[T any](t testing.TB) json.RawMessage {
	t.Helper()
	s, err := Schema(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// says writes findings as "code field value" and holds each to what every finding owes its reader.
func says(t testing.TB, fs tunnel.Findings) []string {
	t.Helper()
	var out []string
	for _, f := range fs {
		if f.Message == "" || f.WayOut == "" {
			t.Errorf("a finding says too little: %+v", f)
		}
		if tunnel.Clean(f.Error(), 1<<20) != f.Error() {
			t.Errorf("a finding can drive a terminal: %q", f.Error())
		}
		out = append(out, strings.TrimSpace(string(f.Code)+" "+f.Field+" "+f.Value))
	}
	return out
}

func expect(t testing.TB, fs tunnel.Findings, want ...string) {
	t.Helper()
	if got := says(t, fs); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// same compares JSON by what it means.
func same(t testing.TB, got json.RawMessage, want string) {
	t.Helper()
	var g, w any
	if json.Unmarshal(got, &g) != nil || json.Unmarshal([]byte(want), &w) != nil || !reflect.DeepEqual(g, w) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
