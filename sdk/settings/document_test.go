package settings

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestSites(t *testing.T) {
	schema := schemaOf[full](t)
	off := false
	got := Sites(schema, json.RawMessage(`{"site":{"server":"a","login":"password","password":"canary","fingerprint":"f","via":"v","via_password":"canary","lan":"l","slots":{"dc1":{"on":false,"kind":"reach","spec":":1","lane":"bulk"}}},
		"sites":{"rome":{"server":"b"},"oslo":{}},"branches":{"paris":{"site":{"server":"c"}},"none":{}}}`))
	want := map[string]tunnel.Site{
		"site":       {Server: "a", Login: tunnel.LoginPassword, Fingerprint: "f", Via: "v", LAN: "l", Slots: map[string]tunnel.SlotSettings{"dc1": {On: &off, Kind: tunnel.Reach, Spec: ":1", Lane: "bulk"}}, Offered: []string{"dc1", "dc2"}},
		"sites.rome": {Server: "b", Offered: []string{"smb"}}, "sites.oslo": {Offered: []string{"smb"}}, "branches.paris.site": {Server: "c"}, "branches.none.site": {}, "extra.extra-site": {},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if strings.Contains(fmt.Sprintf("%+v", got), "canary") {
		t.Error("a site holds its password")
	}
	for _, doc := range []string{``, `{}`, `[`, `{"site":7,"sites":[]}`, `{"site":{"server":7}}`} {
		got := Sites(schema, json.RawMessage(doc))
		if keys := slices.Sorted(maps.Keys(got)); !slices.Equal(keys, []string{"extra.extra-site", "site"}) || got["site"].Server != "" {
			t.Errorf("%s: got %v", doc, got)
		}
	}
	if got := Sites(json.RawMessage("x"), json.RawMessage(`{"site":{"server":"a"}}`)); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

const secretive = `{"base":"b","bind_password":"one","port":389,"site":{"server":"s","password":"two","via_password":"seven"},"sites":{"rome":{"password":"three"},"oslo":{"password":""}},
	"branches":{"paris":{"base":"p","bind_password":"four","site":{"password":"***"}}}}`

func TestSecrets(t *testing.T) {
	schema, doc := schemaOf[full](t), json.RawMessage(secretive)
	want := []string{"site.password", "site.via_password", "bind_password", "sites.rome.password", "branches.paris.site.password", "branches.paris.bind_password"}
	if got := Secrets(schema, doc); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	const shown = `{"base":"b","bind_password":"***","port":389,"site":{"server":"s","password":"***","via_password":"***"},"sites":{"rome":{"password":"***"},"oslo":{"password":""}},
		"branches":{"paris":{"base":"p","bind_password":"***","site":{"password":"***"}}}}`
	same(t, Redact(schema, doc), shown)
	parted, secrets := Part(schema, doc)
	same(t, parted, shown)
	if !maps.Equal(secrets, map[string]tunnel.Secret{"site.password": "two", "site.via_password": "seven", "bind_password": "one", "sites.rome.password": "three", "branches.paris.bind_password": "four"}) {
		t.Errorf("got %d secrets", len(secrets))
	}
	secrets["branches.paris.site.password"] = "five"
	secrets["branches.gone.site.password"] = "six"
	same(t, Join(schema, parted, secrets), strings.Replace(secretive, "***", "five", 1))
	same(t, Join(schema, parted, nil), `{"base":"b","port":389,"site":{"server":"s"},"sites":{"rome":{},"oslo":{"password":""}},"branches":{"paris":{"base":"p","site":{}}}}`)
	for key, want := range map[string]bool{"site.password": true, "site.via_password": true, "site.via": false, "sites.any.via_password": true, "bind_password": true, "sites.any.password": true, "base": false, "nope": false, "site": false} {
		if IsSecret(schema, key) != want {
			t.Errorf("IsSecret(%s) is %v", key, !want)
		}
	}
	if !IsSecret(json.RawMessage("x"), "base") {
		t.Error("without a schema everything is a secret")
	}
	same(t, Redact(schema, json.RawMessage(`{"bind_password":"canary"`)), `{}`)
	same(t, Redact(schema, json.RawMessage(`{"bind_password":["canary"]}`)), `{"bind_password":"***"}`)
}

func TestSet(t *testing.T) {
	schema := schemaOf[full](t)
	doc := json.RawMessage(`{"base":"b","site":{"server":"s"}}`)
	for assignment, want := range map[string]string{
		"base=x=y":                            `{"base":"x=y","site":{"server":"s"}}`,
		"base=":                               `{"base":"","site":{"server":"s"}}`,
		"base=389":                            `{"base":"389","site":{"server":"s"}}`,
		"port=636":                            `{"base":"b","port":636,"site":{"server":"s"}}`,
		"ratio=0.5":                           `{"base":"b","ratio":0.5,"site":{"server":"s"}}`,
		"on=false":                            `{"base":"b","on":false,"site":{"server":"s"}}`,
		"groups=a, b":                         `{"base":"b","groups":["a","b"],"site":{"server":"s"}}`,
		"groups=":                             `{"base":"b","groups":[],"site":{"server":"s"}}`,
		`groups=["a,b"]`:                      `{"base":"b","groups":["a,b"],"site":{"server":"s"}}`,
		"numbers=1,2":                         `{"base":"b","numbers":[1,2],"site":{"server":"s"}}`,
		"site.slots.dc1.on=false":             `{"base":"b","site":{"server":"s","slots":{"dc1":{"on":false}}}}`,
		"sites.rome.server=r":                 `{"base":"b","site":{"server":"s"},"sites":{"rome":{"server":"r"}}}`,
		"names.a_B=<&>":                       `{"base":"b","names":{"a_B":"<&>"},"site":{"server":"s"}}`,
		`site={"server":"t"}`:                 `{"base":"b","site":{"server":"t"}}`,
		`rules=[{"from":"a"}]`:                `{"base":"b","rules":[{"from":"a"}],"site":{"server":"s"}}`,
		"branches.paris.site.slots.x.spec=:1": `{"base":"b","branches":{"paris":{"site":{"slots":{"x":{"spec":":1"}}}}},"site":{"server":"s"}}`,
	} {
		got, fs := Set(schema, doc, assignment)
		expect(t, fs)
		same(t, got, want)
	}
	same(t, doc, `{"base":"b","site":{"server":"s"}}`)
	got, fs := SetValue(schema, nil, "site.password", "x")
	expect(t, fs)
	same(t, got, `{"site":{"password":"x"}}`)
}

func TestSetRefuses(t *testing.T) {
	schema := schemaOf[full](t)
	for assignment, want := range map[string]string{
		"base":                             "malformed",
		"=x":                               "unknown-key",
		"nope=1":                           "unknown-key nope nope",
		"site.serve=x":                     "unknown-key site.serve serve",
		"site.slots.dc3.on=true":           "unknown-key site.slots.dc3 dc3",
		"base.x=1":                         "unknown-key base.x x",
		"groups.0=1":                       "unknown-key groups.0 0",
		"names.a b=1":                      "unknown-key names.a b a b",
		"names.=1":                         "unknown-key names.",
		"names.a\x1b=1":                    `unknown-key names.a\x1b a\x1b`,
		"port=x":                           "malformed port x",
		"port=":                            "malformed port",
		"port=1e9":                         "malformed port 1e9",
		"port=٣":                           "malformed port ٣",
		"on=yes":                           "malformed on yes",
		"on=True":                          "malformed on True",
		"numbers=1,x":                      "malformed numbers[1] x",
		`groups=["a"`:                      `malformed groups ["a"`,
		`names={"a":1},"v":{}`:             `malformed names {"a":1},"v":{}`,
		"site=x":                           "malformed site ***",
		"bind_password.x=canary":           "unknown-key bind_password.x x",
		strings.Repeat("a.", 1000) + "a=1": "unknown-key a a",
	} {
		got, fs := Set(schema, nil, assignment)
		t.Run(tunnel.Clean(assignment, 40), func(t *testing.T) { expect(t, fs, want) })
		if got != nil {
			t.Errorf("%s: a document came back: %s", assignment, got)
		}
	}
	_, fs := Set(schema, json.RawMessage(`{"site":7}`), "site.server=x")
	expect(t, fs, "malformed site.server")
	_, fs = Set(schema, json.RawMessage(`[`), "base=x")
	expect(t, fs, "malformed")
	_, fs = Set(json.RawMessage(`{}`), nil, "base=x")
	expect(t, fs, "malformed")
}

func TestUnset(t *testing.T) {
	schema := schemaOf[full](t)
	doc := json.RawMessage(`{"base":"b","sites":{"rome":{"server":"r"}}}`)
	for key, want := range map[string]string{
		"base": `{"sites":{"rome":{"server":"r"}}}`, "sites.rome.server": `{"base":"b","sites":{"rome":{}}}`, "sites.rome": `{"base":"b","sites":{}}`, "sites": `{"base":"b"}`,
	} {
		got, fs := Unset(schema, doc, key)
		expect(t, fs)
		same(t, got, want)
	}
	for key, want := range map[string]string{
		"port": "not-found port", "sites.oslo": "not-found sites.oslo", "sites.oslo.server": "not-found sites.oslo.server", "nope": "unknown-key nope nope", "": "unknown-key",
	} {
		_, fs := Unset(schema, doc, key)
		expect(t, fs, want)
	}
}

func TestWithDefaults(t *testing.T) {
	type entry struct {
		Port int `json:"port" default:"445"`
	}
	type settings struct {
		Port  int              `json:"port" default:"389"`
		On    bool             `json:"on" default:"true"`
		Mode  string           `json:"mode" default:""`
		Bases []string         `json:"bases" default:"a,b"`
		Map   map[string]entry `json:"map"`
		Group entry            `json:"group"`
		Plain string           `json:"plain"`
	}
	schema := schemaOf[settings](t)
	same(t, WithDefaults(schema, nil), `{"port":389,"on":true,"mode":"","bases":["a","b"],"group":{"port":445}}`)
	same(t, WithDefaults(schema, json.RawMessage(`{"port":1,"on":false,"bases":[],"map":{"x":{},"y":{"port":2}},"group":{"port":0},"plain":"p"}`)),
		`{"port":1,"on":false,"mode":"","bases":[],"map":{"x":{"port":445},"y":{"port":2}},"group":{"port":0},"plain":"p"}`)
	expect(t, Check(schema, WithDefaults(schema, nil)))
	var s settings
	if err := json.Unmarshal(WithDefaults(schema, nil), &s); err != nil || s.Port != 389 || s.Group.Port != 445 {
		t.Errorf("got %+v %v", s, err)
	}
}

// FuzzDocument: whatever a document holds, nothing panics, findings are fit to show, what passes decodes into the struct,
// and taking secrets out and in again changes nothing.
func FuzzDocument(f *testing.F) {
	schema := schemaOf[full](f)
	for _, s := range []string{``, `{}`, `[`, secretive, whole(`"sites":{"rome":{"server":"h","slots":{"smb":{"on":true}}}}`), `{"a":{"a":{"a":[1,{"b":null}]}}}`,
		`{"port":1e9}`, "{\"\xff\":1}", `{"names":{"a":"\ud800"}}`, `{"port":-0}`, `{"site":{"password":1}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		fs := Check(schema, doc)
		says(t, fs)
		Sites(schema, doc)
		WithDefaults(schema, doc)
		parted, secrets := Part(schema, doc)
		for path := range secrets {
			if s, _ := lookup(decoded(t, parted), split(path)); s != Hidden {
				t.Errorf("the secret %s shows", path)
			}
		}
		if len(fs) > 0 {
			return
		}
		var s full
		if err := json.Unmarshal(WithDefaults(schema, doc), &s); err != nil {
			t.Errorf("%s passes and does not decode: %v", doc, err)
		}
		for _, path := range Secrets(schema, doc) {
			if v, _ := lookup(decoded(t, doc), split(path)); v == Hidden {
				return
			}
		}
		if !reflect.DeepEqual(decoded(t, Join(schema, parted, secrets)), decoded(t, doc)) {
			t.Errorf("%s comes back as %s", doc, Join(schema, parted, secrets))
		}
	})
}

func decoded(t *testing.T, doc json.RawMessage) document {
	d, fs := read(doc)
	if len(fs) > 0 {
		t.Fatalf("%s: %v", doc, fs)
	}
	return d
}

func FuzzSet(f *testing.F) {
	schema := schemaOf[full](f)
	for _, s := range []string{"base=x", "port=1", `site={"server":"a"}`, "sites.rome.slots.smb.on=true", "groups=a,b", "=", "a", "names.a=\xff", `rules=[]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		doc, fs := Set(schema, json.RawMessage(`{"base":"b"}`), s)
		says(t, fs)
		if len(fs) == 0 {
			says(t, Check(schema, doc))
		}
	})
}

func FuzzSchema(f *testing.F) {
	f.Add([]byte(schemaOf[full](f)))
	f.Add([]byte(schemaOf[struct{}](f)))
	f.Fuzz(func(t *testing.T, schema []byte) {
		err := CheckSchema(schema)
		says(t, Check(schema, json.RawMessage(`{"a":{"b":[1]}}`)))
		if err == nil {
			WithDefaults(schema, json.RawMessage(`{}`))
		}
	})
}
