package tunnel

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// CheckDeclared refuses, before anything else is looked at, a set of declarations that owner may not make for one of its
// configurations: another owner's tunnel (ErrNotOwner, the sentence of NotOwnerFinding), a name that is not the site's
// own (so one configuration cannot touch another's), a settings path that is none, a tunnel named twice, too many.
func CheckDeclared(owner Owner, configuration string, set []Declaration) Findings {
	if len(set) > MaxDeclared {
		return one(TooMany, "declarations", strconv.Itoa(len(set)), "too many tunnels in one declaration",
			fmt.Sprintf("declare at most %d and split the configuration", MaxDeclared))
	}
	var fs Findings
	seen := map[Name]bool{}
	for _, d := range set {
		fs = append(fs, d.check(owner, configuration)...)
		if seen[d.Ref.Name] {
			fs = append(fs, find(Exists, "tunnel", d.Ref.String(),
				Clean(d.Ref.String(), shown)+" is declared twice", "declare it once"))
		}
		seen[d.Ref.Name] = true
	}
	return fs
}

func (d Declaration) check(owner Owner, configuration string) Findings {
	if !MayChange(owner, d.Ref) {
		return Findings{NotOwnerFinding(d.Ref)}
	}
	if fs := checkSettingsPath(d.Settings); len(fs) > 0 {
		return fs.In("settings")
	}
	if d.Ref.Name != SettingsName(configuration, d.Settings) {
		return misnamed(d.Ref, configuration, d.Settings).In("tunnel")
	}
	return nil
}

// checkSettingsPath: a site is a key of the settings, of a group or map in them, or of a map's entry.
func checkSettingsPath(path string) Findings {
	keys := strings.Split(path, ".")
	if len(keys) > 3 || len(path) > maxText || slices.Contains(keys, "") {
		return one(Malformed, "", path, quoted(path)+" is not the path of a site",
			"give a path like site or sites.rome")
	}
	return CheckName(siteKey(keys), MaxSite)
}
