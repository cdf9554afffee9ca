// Package asterisk makes a plain Asterisk know users, groups and numbers: by files that its own configuration includes,
// and a reload over its manager interface.
//
// The operator's configuration stays the operator's. It says #include culvert/extensions.conf at the end of
// extensions.conf, and, where endpoints are wanted, #include culvert/pjsip.conf in pjsip.conf after the templates that
// Settings.Endpoint and Settings.AOR name. The contexts made here lead nowhere until a context of the operator's includes
// them: culvert-users (extensions), culvert-numbers (outside numbers in E.164, of users and groups) and culvert-faxes.
//
// Texts of a directory stand in pjsip.conf alone, as caller names; the dialplan holds digits and words of ours.
package asterisk

import (
	"context"
	"net"
	"regexp"

	"github.com/culvert-pbx/culvert/plugins/internal/ami"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/export"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/files"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Settings say how far the PBX is written for.
type Settings struct {
	Endpoint string // the template in pjsip.conf that endpoints are made from; empty: no endpoints are made
	AOR      string // the template of their addresses of record; empty: that of Endpoint with -aor behind
	Ring     int    // seconds that a telephone rings; 0: 30
	Fax      string // the context that takes a fax for an extension; empty: fax numbers lead nowhere

	// Reload is how the manager interface is reached and logged in to; a nil Dial means that a person reloads.
	Reload Manager

	Formats []export.Format // beside what Asterisk reads
}

// Manager is the manager interface of Asterisk. The user needs write = config, and no other class.
type Manager struct {
	Dial         func(context.Context) (net.Conn, error)
	User, Secret string
}

var word = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,39}$`)

// Check has the rules of the settings, by the names of their fields in lower case.
func (s Settings) Check() (fs tunnel.Findings) {
	for field, v := range map[string]string{"endpoint": s.Endpoint, "aor": s.AOR, "fax": s.Fax} {
		if v != "" && !word.MatchString(v) {
			fs = append(fs, tunnel.Finding{Code: tunnel.Malformed, Field: field, Value: tunnel.Clean(v, 60),
				Message: "this is not a name of a section", WayOut: "use letters, digits, - and _, at most 40"})
		}
	}
	if s.Ring < 0 || s.Ring > 600 {
		fs = append(fs, tunnel.Finding{Code: tunnel.OutOfRange, Field: "ring", Message: "nobody rings so long", WayOut: "use 1 to 600 seconds"})
	}
	return fs
}

// Open writes for Asterisk into c.Dir, a directory that its configuration includes from. The errors are those of
// files.Open, and findings about the settings.
func Open(c files.Config, s Settings) (pbx.Adapter, error) {
	if fs := s.Check(); len(fs) > 0 {
		return nil, fs
	}
	if s.AOR == "" {
		s.AOR = s.Endpoint + "-aor"
	}
	if s.Ring == 0 {
		s.Ring = 30
	}
	system := files.System{Capabilities: s.capabilities(), Render: s.render}
	if s.Reload.Dial != nil {
		system.Reload = s.reload
	}
	return files.Open(c, system)
}

func (s Settings) capabilities() pbx.Capabilities {
	noEndpoint, noFax, noManager := "no template for endpoints is set", "no context for faxes is set", "no manager interface is set"
	return pbx.Capabilities{
		{Capability: pbx.Users, Supported: true},
		{Capability: pbx.Extensions, Supported: true},
		{Capability: pbx.Numbers, Supported: true},
		{Capability: pbx.Groups, Supported: true},
		{Capability: pbx.Admins, Why: "Asterisk has no administrators"},
		support(pbx.FaxNumbers, s.Fax != "", noFax),
		support(pbx.CallerNames, s.Endpoint != "", noEndpoint),
		support(pbx.Reload, s.Reload.Dial != nil, noManager),
	}
}

func support(c pbx.Capability, ok bool, why string) pbx.Support {
	if ok {
		why = ""
	}
	return pbx.Support{Capability: c, Supported: ok, Why: why}
}

// modules are what takes up the files that are made here.
func (s Settings) modules() []string {
	if s.Endpoint == "" {
		return []string{"pbx_config"}
	}
	return []string{"res_pjsip", "pbx_config"}
}

func (s Settings) reload(ctx context.Context) error {
	conn, err := s.Reload.Dial(ctx)
	if err != nil {
		return err
	}
	c, err := ami.Login(ctx, conn, s.Reload.User, s.Reload.Secret)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, m := range s.modules() {
		if _, err := c.Do(ctx, ami.Message{{Name: "Action", Value: "Reload"}, {Name: "Module", Value: m}}); err != nil {
			return err
		}
	}
	return nil
}
