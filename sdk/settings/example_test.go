package settings_test

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// directory is the settings struct of a module.
type directory struct {
	Site tunnel.Site   `json:"site" title:"Site" slots:"dc1,dc2"`
	Base string        `json:"base" title:"Base DN" required:"true"`
	Bind tunnel.Secret `json:"bind_password"`
	Port int           `json:"port" min:"1" max:"65535" default:"636"`
}

func Example() {
	schema, err := settings.Schema(reflect.TypeFor[directory]())
	if err != nil {
		panic(err) // a mistake in the struct
	}
	doc := json.RawMessage(`{"bind_password":"secret"}`)
	fmt.Println(settings.Check(schema, doc))

	for _, assignment := range []string{"base=dc=example", "site.server=pbx@site.example.org", "site.slots.dc2.on=false"} {
		if doc, _ = settings.Set(schema, doc, assignment); doc == nil {
			panic(assignment)
		}
	}
	fmt.Println(settings.Check(schema, doc).Err())
	fmt.Println(string(settings.Redact(schema, doc)))
	fmt.Println(settings.Sites(schema, doc)["site"].Server)
	// Output:
	// base: base is missing; set it
	// <nil>
	// {"base":"dc=example","bind_password":"***","site":{"server":"pbx@site.example.org","slots":{"dc2":{"on":false}}}}
	// pbx@site.example.org
}
