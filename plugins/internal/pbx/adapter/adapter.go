// Package adapter lets the operator choose the telephone system that a module writes for: a module embeds Settings in its
// own, asks for Grants, and calls Open.
package adapter

import (
	"context"
	"fmt"
	"net"
	"path/filepath"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/asterisk"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/export"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/files"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/generic"
	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Kind is a sort of telephone system.
type Kind string

// The sorts there are.
const (
	Generic  Kind = "generic-files"
	Asterisk Kind = "asterisk"
)

// ManagerPort is where Asterisk's manager interface answers.
const ManagerPort = 5038

// The directories beyond the module's own that Settings.Dir may name, or something below them.
const (
	AsteriskDir = "/etc/asterisk/culvert"
	SharedDir   = "/srv/culvert"
)

// Grants are what a module's description asks for so that every choice can be made.
func Grants() []tunnel.Grant {
	return []tunnel.Grant{"write " + AsteriskDir, "write " + SharedDir, tunnel.Grant(fmt.Sprintf("dial %d", ManagerPort))}
}

// Settings choose the telephone system.
type Settings struct {
	Kind     Kind            `json:"kind" title:"Kind of PBX" enum:"generic-files,asterisk" default:"generic-files"`
	Dir      string          `json:"dir" title:"Directory that the PBX reads" help:"empty: the module's own, or /etc/asterisk/culvert for Asterisk; that one, /srv/culvert, and what is below them need a grant first" maxlen:"200"`
	Formats  []export.Format `json:"formats" title:"Files to write" help:"empty: csv and json; for Asterisk, none beside its own. The list takes the place of these: csv,json,astdb writes one more; files that are in no list any more are removed" enum:"csv,json,phonebook,xml,ldif,freepbx,astdb" maxitems:"10"`
	Endpoint string          `json:"endpoint" title:"Asterisk: template for endpoints in pjsip.conf" help:"empty: no endpoints are made" maxlen:"40"`
	AOR      string          `json:"aor" title:"Asterisk: template for addresses of record" help:"empty: that of the endpoints with -aor behind" maxlen:"40"`
	Ring     int             `json:"ring" title:"Asterisk: seconds that a telephone rings" default:"30" min:"1" max:"600"`
	Fax      string          `json:"fax" title:"Asterisk: context that takes faxes" maxlen:"40"`
	User     string          `json:"manager_user" title:"Asterisk: manager user for reloads" help:"empty: somebody reloads by hand; needs the grant dial 5038, and write = config in manager.conf" maxlen:"80"`
	Secret   sdk.Secret      `json:"manager_secret" title:"Asterisk: the manager user's secret"`
}

// Check has the rules that tags cannot say; findings name the fields by their JSON names.
func (s Settings) Check() tunnel.Findings {
	var fs tunnel.Findings
	if s.Dir != "" && (!filepath.IsAbs(s.Dir) || filepath.Clean(s.Dir) != s.Dir) {
		fs = append(fs, tunnel.Finding{Code: tunnel.Malformed, Field: "dir", Value: tunnel.Clean(s.Dir, 80),
			Message: "this is not a whole path in its shortest form", WayOut: "write it like " + SharedDir})
	}
	if s.Kind == Asterisk {
		fs = append(fs, s.asterisk(nil).Check()...)
	}
	return fs
}

// Open is the chosen telephone system. own is the module's own directory, where its record goes; dial connects to a port
// of this machine, as Instance.DialLocal does. The errors are those of files.Open.
func Open(s Settings, own string, dial func(ctx context.Context, port int) (net.Conn, error)) (pbx.Adapter, error) {
	if fs := s.Check(); len(fs) > 0 {
		return nil, fs
	}
	c := files.Config{Record: filepath.Join(own, "pbx"), Dir: s.Dir}
	if s.Kind == Asterisk {
		if c.Dir == "" {
			c.Dir = AsteriskDir
		}
		return asterisk.Open(c, s.asterisk(dial))
	}
	if c.Dir == "" {
		c.Dir = filepath.Join(own, "files")
	}
	return generic.Open(c, s.Formats...)
}

func (s Settings) asterisk(dial func(context.Context, int) (net.Conn, error)) asterisk.Settings {
	a := asterisk.Settings{Endpoint: s.Endpoint, AOR: s.AOR, Ring: s.Ring, Fax: s.Fax, Formats: s.Formats}
	if s.User != "" {
		a.Reload = asterisk.Manager{User: s.User, Secret: s.Secret.Reveal(), Dial: func(ctx context.Context) (net.Conn, error) {
			return dial(ctx, ManagerPort)
		}}
	}
	return a
}
