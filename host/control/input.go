package control

import (
	"fmt"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/template"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Limits of what logs in.
const (
	maxPassword   = 1024
	maxPrivateKey = 64 << 10
)

// NewTunnel asks for a tunnel of the operator's making. Every text is in the grammar of the command line.
type NewTunnel struct {
	Owner       string         `json:"owner"`
	Name        string         `json:"name"`
	Server      string         `json:"server"` // [USER@]HOST[:PORT]
	RouteInput                 // at the same level
	LoginInput                 // likewise
	Fingerprint string         `json:"fingerprint,omitempty"`
	Comment     string         `json:"comment,omitempty"`
	Disabled    bool           `json:"disabled,omitempty"`
	Mappings    []MappingInput `json:"mappings,omitempty"`
	Templates   []string       `json:"templates,omitempty"` // [NAME=]ID[:gateway][@TARGET], inserted behind the mappings
	Lanes       LanesInput     `json:"lanes,omitempty"`
}

// LoginInput is what a tunnel logs in with. Secrets go in and never come out.
type LoginInput struct {
	Login      string `json:"login"`                 // key or password
	Password   string `json:"password,omitempty"`    // for password
	PrivateKey string `json:"private_key,omitempty"` // for key: PEM, not empty; absent is the PBX's own key pair
	Passphrase string `json:"passphrase,omitempty"`  // of the private key
}

// MappingInput is one mapping, [NAME=]SPEC in the grammar of its kind.
type MappingInput struct {
	Kind    string `json:"kind"`
	Mapping string `json:"mapping"`
}

// TunnelEdit changes an operator-made tunnel: what is absent stays.
type TunnelEdit struct {
	Server      *string        `json:"server,omitempty"`
	Via         *string        `json:"via,omitempty"`          // "" goes through no proxy any more
	ViaPassword *string        `json:"via_password,omitempty"` // not empty
	LAN         *string        `json:"lan,omitempty"`          // "" forgets the one given before
	Login       *LoginInput    `json:"login,omitempty"`
	Fingerprint *string        `json:"fingerprint,omitempty"` // "" forgets the one given before
	Comment     *string        `json:"comment,omitempty"`
	Set         []MappingInput `json:"set,omitempty"`       // added, or in the place of the mapping of that name
	Templates   []string       `json:"templates,omitempty"` // inserted beside the mappings that the tunnel keeps
	Drop        []string       `json:"drop,omitempty"`      // names of mappings
	Lanes       LanesInput     `json:"lanes,omitempty"`
	AcceptWider []string       `json:"accept_wider,omitempty"` // names of mappings
	RefuseWider []string       `json:"refuse_wider,omitempty"` // names of mappings
	IfRevision  uint64         `json:"if_revision,omitempty"`  // refused when the tunnel's is another; absent takes whatever is there
}

// tunnel reads the input; findings name the input's fields, all of them at once. warnings are about its templates.
func (in NewTunnel) tunnel() (t tunnel.Tunnel, cred tunnel.Credential, warnings []string, fs tunnel.Findings) {
	t = tunnel.Tunnel{Node: tunnel.Node, Comment: in.Comment, Suspended: in.Disabled}
	var more tunnel.Findings
	if t.Ref, more = tunnel.ParseRef(in.Owner + "/" + in.Name); len(more) > 0 {
		fs = append(fs, more...)
	} else if t.Ref.Name.Declared() {
		fs = append(fs, declaredName(t.Ref))
	}
	t.Server, more = tunnel.ParseServer(in.Server)
	fs = append(fs, more.At("server")...)
	cred, more = in.credential()
	fs = append(fs, more...)
	t.Via, t.LAN, cred.Via, more = in.route()
	fs = append(fs, more...)
	t.Login, t.OwnKey = cred.Login, cred.PrivateKey != ""
	t.Fingerprint, more = parseFingerprint(in.Fingerprint)
	fs = append(fs, more...)
	t.Mappings, more = parseMappings(in.Mappings, "mappings")
	fs = append(fs, more...)
	tunnel.NameMappings(t.Mappings)
	uses, more := parseTemplates(in.Templates)
	if len(more) > 0 { // which mappings there would be is not known then
		return t, cred, nil, append(fs, more...)
	}
	t.Mappings, warnings = template.Insert(t.Mappings, uses)
	return t, cred, warnings, append(fs, in.Lanes.apply(t.Mappings)...)
}

// declaredName refuses a name that only a module's declaration can have.
func declaredName(ref tunnel.Ref) tunnel.Finding {
	return tunnel.Finding{Code: tunnel.Malformed, Field: "name", Value: string(ref.Name),
		Message: fmt.Sprintf("%q holds a dot, and only tunnels that a module declares have one in their name", ref.Name),
		WayOut:  "use lower-case letters, digits and -, beginning with a letter"}
}

// edit reads the input like tunnel does; kept are the mappings that its templates go beside.
func (in TunnelEdit) edit(kept []tunnel.Mapping) (e tunnel.Edit, warnings []string, fs tunnel.Findings) {
	e = tunnel.Edit{Comment: in.Comment, Drop: in.Drop, AcceptWider: in.AcceptWider, RefuseWider: in.RefuseWider, IfRevision: in.IfRevision}
	var more tunnel.Findings
	if in.Server != nil {
		v, more := tunnel.ParseServer(*in.Server)
		e.Server, fs = &v, append(fs, more.At("server")...)
	}
	fs = append(fs, in.editRoute(&e)...)
	if in.Login != nil {
		cred, more := in.Login.credential()
		e.Credential, fs = &cred, append(fs, more.In("login")...)
	}
	if in.Fingerprint != nil {
		fp, more := parseFingerprint(*in.Fingerprint)
		e.Fingerprint, fs = &fp, append(fs, more...)
	}
	e.Set, more = parseMappings(in.Set, "set")
	fs = append(fs, more...)
	tunnel.NameMappings(e.Set)
	warnings, more = in.insertTemplates(&e, kept)
	fs = append(fs, more...)
	e.Lanes, more = in.Lanes.read()
	fs = append(fs, more...)
	fs = append(fs, checkNames("drop", in.Drop)...)
	fs = append(fs, checkNames("accept_wider", in.AcceptWider)...)
	fs = append(fs, checkNames("refuse_wider", in.RefuseWider)...)
	return e, warnings, append(fs, in.checkWider()...)
}

// checkWider refuses a mapping that is to be both.
func (in TunnelEdit) checkWider() (fs tunnel.Findings) {
	for i, name := range in.RefuseWider {
		if slices.Contains(in.AcceptWider, name) {
			fs = append(fs, tunnel.Finding{Code: tunnel.Malformed, Field: fmt.Sprintf("refuse_wider[%d]", i), Value: tunnel.Clean(name, tunnel.MaxName),
				Message: "the mapping is to be accepted and refused at once", WayOut: "name it once"})
		}
	}
	return fs
}

// checkNames says which names of mappings are none; findings name field[i].
func checkNames(field string, names []string) (fs tunnel.Findings) {
	for i, name := range names {
		fs = append(fs, tunnel.CheckName(name, tunnel.MaxName).At(fmt.Sprintf("%s[%d]", field, i))...)
	}
	return fs
}

// credential reads the input. A secret never stands in a finding.
func (in LoginInput) credential() (tunnel.Credential, tunnel.Findings) {
	c := tunnel.Credential{Login: tunnel.Login(in.Login), Password: tunnel.Secret(in.Password),
		PrivateKey: tunnel.Secret(in.PrivateKey), Passphrase: tunnel.Secret(in.Passphrase)}
	var fs tunnel.Findings
	add := func(code tunnel.Code, field, message, wayOut string) {
		fs = append(fs, tunnel.Finding{Code: code, Field: field, Message: message, WayOut: wayOut})
	}
	switch c.Login {
	case tunnel.LoginPassword:
		if in.Password == "" {
			add(tunnel.Required, "password", "the password is missing", "give one, or log in with a key")
		}
		if in.PrivateKey != "" || in.Passphrase != "" {
			add(tunnel.Malformed, "private_key", "a login by password takes no private key", "give one of the two")
		}
	case tunnel.LoginKey:
		if in.Password != "" {
			add(tunnel.Malformed, "password", "a login by key takes no password", "give one of the two")
		}
		if in.Passphrase != "" && in.PrivateKey == "" {
			add(tunnel.Malformed, "passphrase", "there is a passphrase but no private key", "give the key too")
		}
	default:
		fs = append(fs, tunnel.Finding{Code: tunnel.Required, Field: "login", Value: tunnel.Clean(in.Login, 80),
			Message: "how to log in is missing", WayOut: "give key or password"})
	}
	fs = append(fs, checkSecret("password", in.Password, maxPassword)...)
	fs = append(fs, checkSecret("passphrase", in.Passphrase, maxPassword)...)
	if len(in.PrivateKey) > maxPrivateKey {
		add(tunnel.TooLong, "private_key", "the private key has more than 64 KiB", "give one private key in PEM form")
	}
	return c, fs
}

// checkSecret bounds a secret without repeating it.
func checkSecret(field, s string, limit int) tunnel.Findings {
	if len(s) > limit {
		return tunnel.Findings{{Code: tunnel.TooLong, Field: field, Message: fmt.Sprintf("the %s has %d bytes", field, len(s)), WayOut: fmt.Sprintf("use at most %d", limit)}}
	}
	return tunnel.CheckSecret(field, s)
}

// checkKey asks Keys about a private key that was brought along.
func (s *Server) checkKey(c tunnel.Credential) tunnel.Findings {
	if c.PrivateKey == "" {
		return nil
	}
	var passphrase []byte
	if c.Passphrase != "" {
		passphrase = []byte(c.Passphrase.Reveal())
	}
	if err := s.Keys.CheckPrivateKey([]byte(c.PrivateKey.Reveal()), passphrase); err != nil {
		return tunnel.Findings{{Code: tunnel.Malformed, Field: "private_key", Message: "the private key cannot be used: " + text(err),
			WayOut: "give an unbroken private key in PEM form, and its passphrase where it has one"}}
	}
	return nil
}

func parseFingerprint(s string) (string, tunnel.Findings) {
	if s == "" {
		return "", nil
	}
	fp, fs := tunnel.ParseFingerprint(s)
	return fp, fs.At("fingerprint")
}

// parseMappings reads all of in; findings name field[i].
func parseMappings(in []MappingInput, field string) ([]tunnel.Mapping, tunnel.Findings) {
	var out []tunnel.Mapping
	var fs tunnel.Findings
	for i, m := range in {
		parsed, more := tunnel.ParseMapping(tunnel.Kind(m.Kind), m.Mapping)
		fs = append(fs, more.In(fmt.Sprintf("%s[%d]", field, i))...)
		out = append(out, parsed)
	}
	return out, fs
}
