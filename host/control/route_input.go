package control

import (
	"fmt"
	"maps"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// RouteInput is how a connection gets to its server, beside the server itself.
type RouteInput struct {
	Via         string `json:"via,omitempty"`          // the proxy: http://[USER@]HOST:PORT or socks5://[USER@]HOST:PORT
	ViaPassword string `json:"via_password,omitempty"` // of the proxy's user: a secret
	LAN         string `json:"lan,omitempty"`          // the server's address in its own network
}

// route reads the input; findings name its fields, and no secret stands in them.
func (in RouteInput) route() (via tunnel.Via, lan string, password tunnel.Secret, fs tunnel.Findings) {
	via, more := tunnel.ParseVia(in.Via)
	fs = append(fs, more.At("via")...)
	lan, more = tunnel.ParseLAN(in.LAN)
	fs = append(fs, more.At("lan")...)
	password = tunnel.Secret(in.ViaPassword)
	if len(fs) == 0 {
		fs = via.CheckPassword(password).At("via_password")
	}
	return via, lan, password, fs
}

// editRoute is route for an edit, in which what is absent stays: the registry checks a password against a proxy that does.
func (in TunnelEdit) editRoute(e *tunnel.Edit) (fs tunnel.Findings) {
	if in.Via != nil {
		via, more := tunnel.ParseVia(*in.Via)
		e.Via, fs = &via, append(fs, more.At("via")...)
	}
	if in.ViaPassword != nil {
		password := tunnel.Secret(*in.ViaPassword)
		e.ViaPassword = &password
		if len(fs) == 0 && e.Via != nil {
			fs = e.Via.CheckPassword(password).At("via_password")
		}
	}
	if in.LAN != nil {
		lan, more := tunnel.ParseLAN(*in.LAN)
		e.LAN, fs = &lan, append(fs, more.At("lan")...)
	}
	return fs
}

// LanesInput says which link carries which mapping: main or bulk, by the mapping's name.
type LanesInput map[string]string

// read reads the input; findings name lanes.NAME.
func (in LanesInput) read() (map[string]tunnel.Lane, tunnel.Findings) {
	var fs tunnel.Findings
	out := make(map[string]tunnel.Lane, len(in))
	for _, name := range slices.Sorted(maps.Keys(in)) {
		field := "lanes." + tunnel.Clean(name, tunnel.MaxName)
		fs = append(fs, tunnel.CheckName(name, tunnel.MaxName).At(field)...)
		lane, more := tunnel.ParseLane(in[name])
		fs = append(fs, more.At(field)...)
		out[name] = lane
	}
	return out, fs
}

// apply puts the lanes into mappings, each of which has its name already.
func (in LanesInput) apply(ms []tunnel.Mapping) tunnel.Findings {
	lanes, fs := in.read()
	for _, name := range slices.Sorted(maps.Keys(lanes)) {
		i := slices.IndexFunc(ms, func(m tunnel.Mapping) bool { return m.Name == name })
		if i < 0 {
			name = tunnel.Clean(name, tunnel.MaxName)
			fs = append(fs, tunnel.Finding{Code: tunnel.Malformed, Field: "lanes." + name, Value: name,
				Message: fmt.Sprintf("there is no mapping %s among those given", name), WayOut: "name one of them; one without a name is called KIND-RPORT"})
			continue
		}
		ms[i].Lane = lanes[name]
	}
	return fs
}
