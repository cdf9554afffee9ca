package control

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// query is what may stand behind the ? of a route: by name, what is wrong with a value.
type query map[string]func(value string) tunnel.Findings

// ofOwner chooses an owner; "" is every owner.
func ofOwner(value string) tunnel.Findings {
	if value == "" {
		return nil
	}
	return tunnel.CheckName(value, tunnel.MaxName)
}

// ofTunnel chooses a tunnel; "" is every tunnel.
func ofTunnel(value string) tunnel.Findings {
	if value == "" {
		return nil
	}
	_, fs := tunnel.ParseRef(value)
	return fs
}

// ofSwitch is 1 for yes and 0 for no.
func ofSwitch(value string) tunnel.Findings {
	if value == "0" || value == "1" {
		return nil
	}
	return tunnel.Findings{{Code: tunnel.Malformed, Value: tunnel.Clean(value, 80), Message: fmt.Sprintf("%q is neither 1 nor 0", tunnel.Clean(value, 80)),
		WayOut: "give 1 for yes, or leave it out"}}
}

// check says what is wrong with the query of a request.
func (q query) check(r *http.Request) tunnel.Findings {
	given, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return tunnel.Findings{{Code: tunnel.Malformed, Field: "query", Message: "the query is not in the form of a URL", WayOut: "write it as name=value&..., special characters as %XX"}}
	}
	var fs tunnel.Findings
	for _, name := range slices.Sorted(maps.Keys(given)) {
		shown := tunnel.Clean(name, 80)
		check, known := q[name]
		switch {
		case !known:
			fs = append(fs, tunnel.Finding{Code: tunnel.UnknownKey, Field: shown, Value: shown, Message: fmt.Sprintf("there is no %q in the query here", shown), WayOut: q.wayOut()})
		case len(given[name]) > 1:
			fs = append(fs, tunnel.Finding{Code: tunnel.Malformed, Field: shown, Message: shown + " is given twice", WayOut: "give it once"})
		default:
			fs = append(fs, check(given[name][0]).At(shown)...)
		}
	}
	return fs
}

func (q query) wayOut() string {
	if len(q) == 0 {
		return "leave it out: there is nothing to choose"
	}
	return "leave it out, or give " + strings.Join(slices.Sorted(maps.Keys(q)), " or ")
}
