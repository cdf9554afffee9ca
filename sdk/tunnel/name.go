package tunnel

import (
	"cmp"
	"fmt"
	"strings"
)

// Lengths of names. A declared tunnel's name is CONFIGURATION.SITE and fits MaxTunnelName.
const (
	MaxName       = 40 // of a mapping, an owner and a configuration
	MaxSite       = 22 // of the settings key of a site
	MaxTunnelName = MaxName + 1 + MaxSite
)

// CheckName checks one name of the grammar [a-z][a-z0-9-]*, at most limit characters; its findings have no field.
// Mappings, owners and configurations are named so with MaxName, sites with MaxSite, an operator's tunnels with
// MaxTunnelName.
func CheckName(s string, limit int) Findings {
	const wayOut = "use lower-case letters, digits and -, beginning with a letter"
	switch {
	case s == "":
		return one(Required, "", s, "a name is missing", wayOut)
	case len(s) > limit:
		return one(TooLong, "", s, fmt.Sprintf("the name has %d characters", len(s)), atMost(limit))
	case !nameText(s):
		return one(Malformed, "", s, quoted(s)+" is not a name", wayOut)
	}
	return nil
}

func nameText(s string) bool {
	for i, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || c != '-' && !digit(c)) {
			return false
		}
	}
	return true
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// checkTunnelName accepts an operator's name without a dot and a declared CONFIGURATION.SITE.
func checkTunnelName(n Name) Findings {
	configuration, site, declared := strings.Cut(string(n), ".")
	if !declared {
		return CheckName(configuration, MaxTunnelName)
	}
	return append(CheckName(configuration, MaxName), CheckName(site, MaxSite)...)
}

// ParseRef reads OWNER/NAME, NAME being an operator's name or a declared CONFIGURATION.SITE. Findings name the fields
// "owner" and "name", or none for the shape.
func ParseRef(s string) (Ref, Findings) {
	owner, name, ok := strings.Cut(s, "/")
	if !ok {
		return Ref{}, one(Malformed, "", s, quoted(s)+" is not OWNER/NAME",
			"write it like operator/office or adsync/berlin.site")
	}
	fs := append(CheckName(owner, MaxName).In("owner"), checkTunnelName(Name(name)).In("name")...)
	if len(fs) > 0 {
		return Ref{}, fs
	}
	return Ref{Owner: Owner(owner), Name: Name(name)}, nil
}

// ParseConfigurationRef reads MODULE/NAME. Findings name the fields "module" and "name", or none for the shape.
func ParseConfigurationRef(s string) (ConfigurationRef, Findings) {
	module, name, ok := strings.Cut(s, "/")
	if !ok {
		return ConfigurationRef{}, one(Malformed, "", s, quoted(s)+" is not MODULE/NAME",
			"write it like monitoring/default")
	}
	fs := append(CheckName(module, MaxName).In("module"), CheckName(name, MaxName).In("name")...)
	if Owner(module) == Operator {
		fs = append(fs, find(PolicyRefused, "module", module, "operator is not a module and has no configurations",
			"add its tunnels with culvert tunnel add operator/NAME"))
	}
	if len(fs) > 0 {
		return ConfigurationRef{}, fs
	}
	return ConfigurationRef{Module: Owner(module), Name: name}, nil
}

// SettingsName is what the tunnel of the site at settingsPath is called: CONFIGURATION.SITE. SITE is the site's own key
// ("site" in berlin gives berlin.site, "ldap.site" of a group too), but for a site of a map the key of its entry:
// "sites.rome" gives berlin.rome, and so does "branches.rome.site".
func SettingsName(configuration, settingsPath string) Name {
	return Name(configuration + "." + siteKey(strings.Split(settingsPath, ".")))
}

// siteKey is the key among a site's path that names it. Groups hold no maps of sites, so three keys are always those
// of a map, its entry and the site in it.
func siteKey(path []string) string {
	if len(path) == 3 {
		return path[1]
	}
	return path[len(path)-1]
}

// Compare orders Refs the way lists show them: by owner, then by name.
func (r Ref) Compare(o Ref) int {
	return cmp.Or(cmp.Compare(r.Owner, o.Owner), cmp.Compare(r.Name, o.Name))
}
