package main

import (
	"maps"
	"slices"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/directory"
	"github.com/culvert-pbx/culvert/plugins/adsync/internal/roster"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/adapter"
	"github.com/culvert-pbx/culvert/plugins/internal/phone"
	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

type settings struct {
	Site       sdk.Site          `json:"site" title:"Site with the directory" slots:"dc1-ldaps,dc2-ldaps,dc1-ldap,dc2-ldap"`
	Directory  directorySettings `json:"directory" title:"Directory"`
	Who        who               `json:"who" title:"Who becomes a user"`
	Attributes attributes        `json:"attributes" title:"Attributes of the directory" help:"empty: those that directories of this kind have"`
	Groups     map[string]string `json:"groups" title:"Groups" help:"by the name of a group of the PBX: the DN of the group in the directory whose members are in it" maxlen:"1000"`
	Numbers    phone.Settings    `json:"numbers" title:"Telephone numbers"`
	Users      users             `json:"users" title:"Users of the PBX"`
	PBX        adapter.Settings  `json:"pbx" title:"The PBX"`
	Safety     safety            `json:"safety" title:"Safety"`
	Login      login             `json:"login" title:"Login"`
	Schedule   sdk.Schedule      `json:"schedule" title:"When to synchronise" default:"every 1h" min:"5m"`
}

type directorySettings struct {
	Kind       directory.Kind     `json:"kind" title:"Kind" enum:"active-directory,openldap" default:"active-directory"`
	Security   directory.Security `json:"security" title:"Encryption" enum:"ldaps,starttls,none" default:"ldaps" help:"none: its password and those of all who log in go in the clear, and Active Directory refuses it"`
	ServerName string             `json:"server_name" title:"Name in the certificate" help:"of the server at the site, like dc1.corp.example; needs someone who vouches for it" maxlen:"253"`
	CA         string             `json:"ca" title:"Who vouches for the certificate, PEM" help:"empty: who the system trusts" maxlen:"16000"`
	Pins       []string           `json:"pins" title:"SHA-256 of certificates" help:"of each server, as openssl x509 -fingerprint -sha256 prints it; goes before the name. Where neither is set, the first certificate that a server shows is kept" maxitems:"4" maxlen:"120"`
	User       string             `json:"user" title:"User to read with" help:"a DN, user@domain or DOMAIN\\user" maxlen:"500"`
	Password   sdk.Secret         `json:"password" title:"Its password"`
	Base       string             `json:"base" title:"Base DN" help:"empty: what the server says" maxlen:"1000"`
	People     []string           `json:"people" title:"DNs below which people are searched" help:"empty: the base. One after the other, as directory.people[]=DN" maxitems:"50" maxlen:"1000"`
	Direct     bool               `json:"direct" title:"Directly below these alone"`
}

type who struct {
	Groups   []string `json:"groups" title:"DNs of groups whose members become users" help:"empty: everybody. One after the other, as who.groups[]=DN; a group with nobody in it stops the run" maxitems:"50" maxlen:"1000"`
	Admins   string   `json:"admins" title:"DN of the group whose members administer the PBX" maxlen:"1000"`
	Nested   bool     `json:"nested" title:"Members of groups in these groups count" default:"true"`
	Filter   string   `json:"filter" title:"One more LDAP filter that people must pass" maxlen:"1000"`
	Disabled bool     `json:"disabled" title:"Disabled accounts count"`
	Ignore   []string `json:"ignore" title:"Logins and mail addresses that are passed over" help:"they become no users, and cannot log in" maxitems:"1000" maxlen:"256"`
}

// attributes are directory.Fields as people write them.
type attributes struct {
	ID         string   `json:"id" title:"Identity for ever" maxlen:"64"`
	Login      string   `json:"login" title:"Login" maxlen:"64"`
	Principal  string   `json:"principal" title:"Login with a domain" maxlen:"64"`
	Given      string   `json:"given_name" title:"Given name" maxlen:"64"`
	Surname    string   `json:"surname" title:"Surname" maxlen:"64"`
	Display    string   `json:"display_name" title:"Display name" maxlen:"64"`
	Mail       string   `json:"mail" title:"Mail address" maxlen:"64"`
	Extension  string   `json:"extension" title:"Extension" maxlen:"64"`
	Phones     []string `json:"phones" title:"Telephone numbers" maxitems:"16" maxlen:"64"`
	Faxes      []string `json:"faxes" title:"Fax numbers" maxitems:"16" maxlen:"64"`
	Department string   `json:"department" title:"Department" maxlen:"64"`
	Company    string   `json:"company" title:"Company" maxlen:"64"`
	Title      string   `json:"title" title:"Title" maxlen:"64"`
}

type users struct {
	Conflicts roster.Conflict `json:"conflicts" title:"A number that several people have" enum:"group,first-wins,skip" default:"skip"`
	Orphans   roster.Orphans  `json:"orphans" title:"Users who are not in the directory any more" enum:"keep,mark,disable" default:"mark"`
	Alone     []string        `json:"alone" title:"Users that are never touched" help:"logins, mail addresses, extensions or IDs: door stations, lifts, faxes" maxitems:"1000" maxlen:"256"`
	Most      int             `json:"most" title:"Active users that the PBX has room for" help:"0: no limit" min:"0" max:"100000"`
}

type safety struct {
	Percent int `json:"percent" title:"Stop where more of the users would change, in percent" help:"0: no such limit. Changed, marked and disabled ones count, new ones do not: users.most limits these" default:"20" min:"0" max:"100"`
	Users   int `json:"users" title:"Stop where more users would change" help:"0: no such limit; new ones do not count" min:"0" max:"100000"`
	Always  int `json:"always" title:"So many may change in any case" default:"5" min:"0" max:"1000"`
}

type login struct {
	On    bool         `json:"on" title:"Let the PBX ask whether a password is right"`
	Cache sdk.Duration `json:"cache" title:"Remember a right password for" default:"0s" max:"15m"`
}

var _ sdk.Validator = settings{}

// Validate has the rules that tags cannot say.
func (s settings) Validate() (fs sdk.Findings) {
	add := func(field, message, wayOut string) {
		fs = append(fs, tunnel.Finding{Code: tunnel.Malformed, Field: field, Message: message, WayOut: wayOut})
	}
	if _, nfs := phone.New(s.Numbers); len(nfs) > 0 {
		fs = append(fs, nfs.In("numbers")...)
	}
	fs = append(fs, s.PBX.Check().In("pbx")...)
	fs = append(fs, s.checkDNs()...)
	for _, p := range s.Directory.Pins {
		if _, err := directory.ParsePin(p); err != nil {
			add("directory.pins", err.Error(), "see what `openssl x509 -noout -fingerprint -sha256` prints")
		}
	}
	if err := directory.CheckFilter(s.Who.Filter); err != nil {
		add("who.filter", err.Error(), "each ( needs its ), all around as well: (sn=A*), or (&(sn=A*)(title=*))")
	}
	taken := map[any]string{}
	for _, name := range slices.Sorted(maps.Keys(s.Groups)) {
		if other, twice := taken[roster.GroupID(name)]; twice {
			add("groups."+name, "the PBX would take "+name+" and "+other+" for one group", "rename one of them")
		}
		taken[roster.GroupID(name)] = name
	}
	return fs
}

// config is the directory, but for what was learned of its servers.
func (s settings) config() directory.Config {
	d := s.Directory
	c := directory.Config{
		Kind: d.Kind, Security: d.Security, User: d.User, Password: d.Password.Reveal(), Base: d.Base, People: d.People, Direct: d.Direct,
		Fields: s.Attributes.fields(), Trust: directory.Trust{Name: d.ServerName, CA: d.CA},
	}
	for _, p := range d.Pins {
		if pin, err := directory.ParsePin(p); err == nil {
			c.Trust.Pins = append(c.Trust.Pins, pin)
		}
	}
	return c
}

func (a attributes) fields() directory.Fields {
	return directory.Fields{
		ID: a.ID, Login: a.Login, Principal: a.Principal, Given: a.Given, Surname: a.Surname, Display: a.Display, Mail: a.Mail,
		Extension: a.Extension, Department: a.Department, Company: a.Company, Title: a.Title, Phones: a.Phones, Faxes: a.Faxes,
	}
}

// selection is who counts.
func (s settings) selection() directory.Selection {
	w := s.Who
	return directory.Selection{Groups: w.Groups, Admins: w.Admins, Nested: w.Nested, Filter: w.Filter, Disabled: w.Disabled, Mapped: s.Groups}
}

// rules are what people become by. accept is that more may change than the limits allow, and that a group may have nobody
// any more.
func (s settings) rules(accept bool) (roster.Rules, error) {
	p, fs := phone.New(s.Numbers)
	if len(fs) > 0 {
		return roster.Rules{}, fs.In("numbers")
	}
	r := roster.Rules{
		Phone: p, Conflicts: s.Users.Conflicts, Orphans: s.Users.Orphans, Alone: s.Users.Alone, Ignored: s.Who.Ignore, Users: s.Users.Most,
		Groups: slices.Sorted(maps.Keys(s.Groups)), Admins: s.Who.Admins != "", Accept: accept,
	}
	if !accept {
		r.Limits = roster.Limits{Percent: s.Safety.Percent, Users: s.Safety.Users, Always: s.Safety.Always}
	}
	return r, nil
}
