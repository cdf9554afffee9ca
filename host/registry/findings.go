package registry

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/store"
)

func exists(noun, name, wayOut string) tunnel.Finding {
	return tunnel.Finding{
		Code: tunnel.Exists, Field: noun, Value: name, Message: fmt.Sprintf("%s %s exists already", noun, name), WayOut: wayOut,
	}
}

func stale(noun, name string, based, present uint64) tunnel.Finding {
	return tunnel.Finding{
		Code: tunnel.StaleRevision, Field: "if_revision", Value: strconv.FormatUint(based, 10),
		Message: fmt.Sprintf("%s %s was changed meanwhile: it is at revision %d", noun, name, present),
		WayOut:  fmt.Sprintf("look at it again and repeat the change with revision %d", present),
	}
}

func notInstalled(owner tunnel.Owner) tunnel.Finding {
	name := tunnel.Clean(string(owner), tunnel.MaxName)
	return tunnel.Finding{
		Code: tunnel.NotFound, Field: "owner", Value: name,
		Message: fmt.Sprintf("there is no module %s", name),
		WayOut:  "culvert module list shows the modules there are; a tunnel without a module is operator/NAME",
	}
}

func noModule(owner tunnel.Owner) tunnel.Finding {
	f := notInstalled(owner)
	f.Field, f.WayOut = "module", "culvert module list shows the modules there are"
	return f
}

func noConfiguration(ref tunnel.ConfigurationRef) error {
	return tunnel.Findings{tunnel.ConfigurationNotFound(ref)}
}

func noMapping(field string, ref tunnel.Ref, name string) tunnel.Finding {
	name = tunnel.Clean(name, tunnel.MaxName)
	return tunnel.Finding{
		Code: tunnel.NotFound, Field: field, Value: name,
		Message: fmt.Sprintf("%s has no mapping %q", ref, name), WayOut: "culvert tunnel show " + ref.String(),
	}
}

// damageOf is what a damaged record's error says, fit to show.
func damageOf(err error) (key, reason string) {
	var d *store.DamagedError
	if !errors.As(err, &d) {
		return "", tunnel.Clean(err.Error(), 200)
	}
	return tunnel.Clean(d.Key, 200), tunnel.Clean(d.Reason, 200)
}
