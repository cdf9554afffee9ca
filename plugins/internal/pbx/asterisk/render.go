package asterisk

import (
	"fmt"
	"strings"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/export"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/files"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// The files that Asterisk includes.
const (
	extensionsName = "extensions.conf"
	pjsipName      = "pjsip.conf"
)

const notice = "; Written by Culvert from its record of users. Changes made here are lost.\n"

// maxRing is how many telephones one number rings: a line of the dialplan holds no more with safety.
const maxRing = 100

// rendering is one state being written.
type rendering struct {
	Settings
	rings   map[pbx.ID]string // the extensions of users who can be called
	refused []pbx.Refusal
}

func (s Settings) render(state pbx.State) ([]files.File, []pbx.Refusal) {
	r := &rendering{Settings: s, rings: map[pbx.ID]string{}}
	for _, u := range state.Users {
		if u.Extension != "" && u.Status != pbx.Disabled && !u.Protected {
			r.rings[u.ID] = u.Extension
		}
	}
	out := []files.File{{Name: extensionsName, Data: r.dialplan(state)}}
	if s.Endpoint != "" {
		out = append(out, files.File{Name: pjsipName, Data: r.endpoints(state)})
	}
	more, refused := export.Render(state, s.Formats...)
	return append(out, more...), append(r.refused, refused...)
}

// dialplan is where extensions and numbers lead. Protected users have their places in the operator's own dialplan.
func (r *rendering) dialplan(state pbx.State) []byte {
	c := &conf{}
	c.WriteString(notice)
	c.section("culvert-users")
	for _, u := range state.Users {
		if ext := r.rings[u.ID]; ext != "" {
			c.exten(ext, "hint", "PJSIP/"+ext)
			c.exten(ext, "1", fmt.Sprintf("Dial(PJSIP/%s,%d)", ext, r.Ring))
			c.exten(ext, "n", "Hangup()")
		}
	}
	c.section("culvert-numbers")
	for _, u := range state.Users {
		r.numbers(c, u)
	}
	for _, g := range state.Groups {
		r.group(c, g)
	}
	if r.Fax != "" {
		c.section("culvert-faxes")
		for _, u := range state.Users {
			r.faxes(c, u)
		}
	}
	return c.Bytes()
}

func (r *rendering) numbers(c *conf, u pbx.User) {
	if u.Protected {
		return
	}
	for _, n := range u.Numbers {
		switch ext := r.rings[u.ID]; {
		case n.Use == pbx.Mobile, u.Status == pbx.Disabled:
		case ext == "":
			r.refuse(pbx.Refusal{User: u.ID}, pbx.Unsupported, n.E164, "a number leads nowhere, since its user has no extension", "give the user an extension")
		case n.Use == pbx.Fax && r.Fax == "":
			r.refuse(pbx.Refusal{User: u.ID}, pbx.Unsupported, n.E164, "a fax number leads nowhere", "name a context for faxes")
		case n.Use == pbx.Phone:
			c.exten(n.E164, "1", fmt.Sprintf("Goto(culvert-users,%s,1)", ext))
		}
	}
}

func (r *rendering) faxes(c *conf, u pbx.User) {
	ext := r.rings[u.ID]
	for _, n := range u.Numbers {
		if n.Use == pbx.Fax && ext != "" {
			c.exten(n.E164, "1", fmt.Sprintf("Goto(%s,%s,1)", r.Fax, ext))
		}
	}
}

// group rings its members at once.
func (r *rendering) group(c *conf, g pbx.Group) {
	var rings []string
	for _, m := range g.Members {
		if ext := r.rings[m]; ext != "" {
			rings = append(rings, "PJSIP/"+ext)
		}
	}
	if len(rings) > maxRing {
		r.refuse(pbx.Refusal{Group: g.ID}, tunnel.TooMany, fmt.Sprint(len(rings)), "the group is too large to ring at once", fmt.Sprintf("keep at most %d members in a group with a number", maxRing))
		return
	}
	for _, n := range g.Numbers {
		switch {
		case n.Use != pbx.Phone:
			r.refuse(pbx.Refusal{Group: g.ID}, pbx.Unsupported, n.E164, "only telephone numbers lead to a group", "give the number to a user")
		case len(rings) == 0:
			r.refuse(pbx.Refusal{Group: g.ID}, pbx.Unsupported, n.E164, "a number leads nowhere, since nobody in the group has an extension", "give members extensions")
		default:
			c.exten(n.E164, "1", fmt.Sprintf("Dial(%s,%d)", strings.Join(rings, "&"), r.Ring))
			c.exten(n.E164, "n", "Hangup()")
		}
	}
}

// endpoints are one for each extension, made from the operator's templates. Each asks for the section [EXTENSION] of type
// auth, which the operator or a provisioning makes: without it nobody can register.
func (r *rendering) endpoints(state pbx.State) []byte {
	c := &conf{}
	c.WriteString(notice)
	for _, u := range state.Users {
		ext := r.rings[u.ID]
		if ext == "" {
			continue
		}
		c.section(ext, r.Endpoint)
		c.set("type", "endpoint")
		c.set("auth", ext)
		c.set("aors", ext)
		id, ok := callerID(u.Name(), ext)
		if !ok || !c.set("callerid", id) {
			c.set("callerid", "<"+ext+">")
			r.refuseField(u)
		}
		c.section(ext, r.AOR)
		c.set("type", "aor")
	}
	return c.Bytes()
}

func (r *rendering) refuseField(u pbx.User) {
	r.refused = append(r.refused, pbx.Refusal{User: u.ID, Finding: tunnel.Finding{
		Code: tunnel.Malformed, Field: "display_name", Value: tunnel.Clean(u.Name(), 80),
		Message: pjsipName + ": the name cannot be shown to those called", WayOut: fmt.Sprintf("use at most %d bytes, without \" < > \\ $ ` ;", export.MaxCallerName)}})
}

func (r *rendering) refuse(of pbx.Refusal, code tunnel.Code, value, message, wayOut string) {
	of.Finding = tunnel.Finding{Code: code, Field: "numbers", Value: tunnel.Clean(value, 80), Message: extensionsName + ": " + message, WayOut: wayOut}
	r.refused = append(r.refused, of)
}
