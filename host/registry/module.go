package registry

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

const maxDescription = 128 << 10 // bytes of a description as JSON

// checkModule says what is wrong with what a module says of itself: it comes from a foreign process.
func checkModule(name tunnel.Owner, sha256 string, d tunnel.Description) tunnel.Findings {
	fs := tunnel.CheckDescription(d)
	malformed := func(field, value, message string) {
		fs = append(fs, tunnel.Finding{
			Code: tunnel.Malformed, Field: field, Value: tunnel.Clean(value, 80), Message: message, WayOut: "ask the module's author",
		})
	}
	if d.Name != string(name) {
		malformed("name", d.Name, fmt.Sprintf("module %s calls itself %q", name, tunnel.Clean(d.Name, tunnel.MaxName)))
	}
	if sum, err := hex.DecodeString(sha256); err != nil || len(sum) != 32 {
		malformed("sha256", sha256, "the checksum is not a SHA-256 in hexadecimal digits")
	}
	if err := settings.CheckModule(d); err != nil {
		malformed("schema", "", tunnel.Clean(err.Error(), 200))
	}
	for _, a := range d.Actions {
		err := settings.CheckSchema(a.Arguments)
		if err == nil && settings.HasSites(a.Arguments) {
			err = errors.New("only settings hold sites")
		}
		if err != nil {
			malformed("actions["+tunnel.Clean(a.Name, tunnel.MaxName)+"].arguments", "", tunnel.Clean(err.Error(), 200))
		}
	}
	if b, err := json.Marshal(d); err != nil || len(b) > maxDescription {
		malformed("description", "", fmt.Sprintf("the description is larger than %d bytes", maxDescription))
	}
	return fs
}

// cloneDescription is a copy that shares nothing with d.
func cloneDescription(d tunnel.Description) tunnel.Description {
	d.Slots, d.Grants, d.Schema = slices.Clone(d.Slots), slices.Clone(d.Grants), slices.Clone(d.Schema)
	d.Capabilities, d.Actions, d.Jobs = slices.Clone(d.Capabilities), slices.Clone(d.Actions), slices.Clone(d.Jobs)
	for i := range d.Actions {
		d.Actions[i].Arguments = slices.Clone(d.Actions[i].Arguments)
	}
	d.Policy.Kinds, d.Policy.Ports = slices.Clone(d.Policy.Kinds), slices.Clone(d.Policy.Ports)
	for i := range d.Slots {
		d.Slots[i].Kinds, d.Slots[i].Ports = slices.Clone(d.Slots[i].Kinds), slices.Clone(d.Slots[i].Ports)
	}
	return d
}
