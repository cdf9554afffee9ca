package sdk_test

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/culvert-pbx/culvert/sdk"
)

// directory shows what settings can be.
type directory struct{}

type directorySettings struct {
	Base     string              `json:"base" title:"Base DN" help:"where the search begins" required:"true"`
	Port     int                 `json:"port" title:"Port" min:"1" max:"65535" default:"636"`
	Security string              `json:"security" title:"Encryption" enum:"tls,starttls,none" default:"tls"`
	Password sdk.Secret          `json:"password" title:"Password of the account"`
	Filter   filter              `json:"filter" title:"Who is looked at"` // a group: filter.groups
	Sites    map[string]sdk.Site `json:"sites" title:"Sites"`             // several: sites.berlin.server
}

type filter struct {
	Groups []string `json:"groups" title:"Members of these groups"`
	Nested bool     `json:"nested" title:"Groups in groups too" default:"true"`
}

func (directory) Describe() sdk.Description {
	return sdk.Description{Name: "directory", Version: "1.0.0"}
}

func (directory) Run(ctx context.Context, in *sdk.Instance[directorySettings]) error {
	s := in.Settings
	in.Log.Info("settings", "port", s.Port, "security", s.Security, "password", s.Password, "groups", s.Filter.Groups)
	for _, name := range slices.Sorted(maps.Keys(s.Sites)) {
		in.Log.Info("site", "name", name, "server", s.Sites[name].Server)
	}
	return nil
}

// Settings are a struct. The host checks them by its tags before Run sees them, and says which one is wrong, and why.
func Example_settings() {
	w, end := run(directory{}, `{"base":"dc=example","password":"secret","filter":{"groups":["phone","fax"]},
		"sites":{"berlin":{"server":"pbx@berlin.example.org"},"rome":{"server":"pbx@rome.example.org:2222"}}}`)
	defer end()
	showLog(w, "rome")
	fmt.Println(w.Reconfigure(`{"base":"dc=example","port":0}`))
	fmt.Println(w.Reconfigure(`{"base":"dc=example","encryption":"tls"}`))
	// Output:
	// [INFO]  settings: port=636 security=tls password="***" groups=["phone", "fax"]
	// [INFO]  site: name=berlin server=pbx@berlin.example.org
	// [INFO]  site: name=rome server=pbx@rome.example.org:2222
	// port: port is too small; give at least 1
	// encryption: there is no setting encryption; there are base, port, security, password, filter, sites
}
