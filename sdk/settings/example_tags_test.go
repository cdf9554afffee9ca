package settings_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func schemaOf[T any]() json.RawMessage {
	schema, err := settings.Schema(reflect.TypeFor[T]())
	if err != nil {
		panic(err)
	}
	return schema
}

// Limits are tags. All that is wrong with a document is said at once, each finding with the path of its field.
func ExampleCheck() {
	type options struct {
		Port     int               `json:"port" title:"Port" min:"1" max:"65535" default:"636"`
		Security string            `json:"security" enum:"ldaps,starttls" default:"ldaps"`
		Area     string            `json:"area" help:"without the leading zero" pattern:"^[1-9][0-9]*$" maxlen:"5"`
		Every    settings.Duration `json:"every" min:"1m" default:"15m"`
		Levels   []string          `json:"levels" enum:"info,warn" maxitems:"2"`
	}
	doc := json.RawMessage(`{"port":0,"security":"plain","area":"0721","every":"1s","levels":["debug"],"prot":1}`)
	for _, f := range settings.Check(schemaOf[options](), doc) {
		fmt.Println(f)
	}
	// Output:
	// area: area does not have the form it needs; write it so that it fits the pattern ^[1-9][0-9]*$
	// every: every is too short; give at least 1m
	// levels[0]: 0 is not one of its values; give one of info, warn
	// port: port is too small; give at least 1
	// prot: there is no setting prot; did you mean port? there are port, security, area, every, levels
	// security: security is not one of its values; give one of ldaps, starttls
}

// A value is read by the type of its key: values of lists, entries of maps and groups too.
func ExampleSet() {
	type branch struct {
		Base string `json:"base"`
	}
	type options struct {
		Groups   []string          `json:"groups" default:"staff"`
		Branches map[string]branch `json:"branches"`
		Retry    struct {
			Times int `json:"times" default:"3"`
		} `json:"retry"`
	}
	schema, doc := schemaOf[options](), json.RawMessage(`{}`)
	for _, assignment := range []string{"groups[]=admins", "branches.rome.base=dc=rome", "retry.times=5"} {
		var fs tunnel.Findings
		if doc, fs = settings.Set(schema, doc, assignment); len(fs) > 0 {
			panic(fs)
		}
	}
	fmt.Println(string(doc))
	doc, _ = settings.Unset(schema, doc, "groups[0]")
	doc, _ = settings.Unset(schema, doc, "branches.rome")
	fmt.Println(string(doc))
	// Output:
	// {"branches":{"rome":{"base":"dc=rome"}},"groups":["staff","admins"],"retry":{"times":5}}
	// {"branches":{},"groups":["admins"],"retry":{"times":5}}
}

// A module reads its settings with the defaults filled in.
func ExampleWithDefaults() {
	type options struct {
		Every settings.Duration `json:"every" default:"15m"`
		Port  int               `json:"port" default:"636"`
	}
	schema := schemaOf[options]()
	doc := json.RawMessage(`{"port":389}`)
	var o options
	if err := json.Unmarshal(settings.WithDefaults(schema, doc), &o); err != nil {
		panic(err)
	}
	fmt.Println(o.Every, o.Port)
	for _, d := range settings.Defaults(schema, doc) {
		fmt.Printf("%s is %s by default\n", d.Key, d.Value)
	}
	// Output:
	// 15m 389
	// every is "15m" by default
}

// A mistake in a struct's tags is told to its author.
func ExampleSchema() {
	type options struct {
		Port int `json:"port" defalt:"636"`
	}
	_, err := settings.Schema(reflect.TypeFor[options]())
	fmt.Println(strings.TrimPrefix(err.Error(), "settings settings_test."))
	// Output:
	// options: field Port: there is no tag defalt; is default meant?
}

// Secrets go in and never come out.
func ExampleRedact() {
	type options struct {
		Bind tunnel.Secret `json:"bind_password" title:"Password" minlen:"8"`
	}
	schema := schemaOf[options]()
	fmt.Println(settings.Secrets(schema, json.RawMessage(`{"bind_password":"open"}`)))
	fmt.Println(string(settings.Redact(schema, json.RawMessage(`{"bind_password":"open"}`))))
	fmt.Println(settings.Check(schema, json.RawMessage(`{"bind_password":"open"}`)))
	// Output:
	// [bind_password]
	// {"bind_password":"***"}
	// bind_password: bind_password has 4 characters; use at least 8
}
