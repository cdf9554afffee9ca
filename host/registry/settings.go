package registry

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// checkSettings says all that is wrong with settings for a module, declared sites or not: a mistake shows when it is
// made. The warnings are those of the tunnels the sites could become.
func checkSettings(ref tunnel.ConfigurationRef, m *moduleRecord, doc json.RawMessage) (warnings []string, fs tunnel.Findings) {
	fs = settings.Check(m.Description.Schema, doc)
	sites := settings.Sites(m.Description.Schema, doc)
	for _, path := range sortedKeys(sites) {
		t, tfs := tunnel.Compute(tunnel.Declaration{Settings: path}, ref.Name, m.Description, sites[path])
		if t.Server != (tunnel.Server{}) {
			tfs = append(tfs, t.InSettings(tunnel.Check(t))...)
			for _, w := range tunnel.Warnings(t) {
				warnings = append(warnings, path+": "+w)
			}
		}
		fs = addNew(fs, tfs)
	}
	if len(sites) > tunnel.MaxDeclared {
		fs = append(fs, tunnel.Finding{
			Code: tunnel.TooMany, Field: "settings", Message: fmt.Sprintf("the settings hold %d sites", len(sites)),
			WayOut: fmt.Sprintf("use at most %d and a second configuration for the rest", tunnel.MaxDeclared),
		})
	}
	return warnings, fs
}

// addNew appends the findings of more that fs does not hold yet.
func addNew(fs, more tunnel.Findings) tunnel.Findings {
	for _, f := range more {
		if !slices.ContainsFunc(fs, func(o tunnel.Finding) bool { return o.Code == f.Code && o.Field == f.Field && o.Value == f.Value }) {
			fs = append(fs, f)
		}
	}
	return fs
}

// takeSettings puts a document into a configuration: what is secret is sealed apart, "***" keeps the secret stored
// before.
func (r *Registry) takeSettings(f reading, doc json.RawMessage) (warnings []string, fs tunnel.Findings, err error) {
	schema := f.module.Description.Schema
	warnings, fs = checkSettings(f.configurationRef(), f.module, doc)
	if len(fs) > 0 {
		return nil, fs, nil
	}
	is := settings.Sites(schema, doc)
	shown, given := settings.Part(schema, doc)
	warnings = append(warnings, unusedPasswords(is, given)...)
	sealed, marks := map[string][]byte{}, map[string]tunnel.Secret{}
	for _, path := range settings.Secrets(schema, shown) {
		at := settingPlace(f.family, path, is)
		secret, fresh := given[path]
		switch {
		case fresh && at.Field == proxy && len(at.Via.CheckPassword(secret)) > 0:
			fs = append(fs, at.Via.CheckPassword(secret).At(path)...)
		case fresh && len(secret.Reveal()) > maxSecret:
			fs = append(fs, tooLongSecret(path))
		case fresh:
			sealed[path], err = r.sealer.Seal(at, secret)
		case f.sealed[path] == nil && !f.damaged[secretPrefix]:
			fs = append(fs, nothingToKeep(path))
		default:
			sealed[path], warnings = f.kept(path, at, warnings)
		}
		if err != nil {
			return nil, nil, err
		}
		if len(sealed[path]) == 0 {
			delete(sealed, path)
			continue
		}
		marks[path] = settings.Hidden
	}
	f.sealed = sealed
	f.repaired(secretPrefix)
	warnings = append(warnings, withoutViaPasswords(f.configurationRef(), is, sealed)...)
	f.configuration.Settings = settings.Join(schema, shown, marks)
	return warnings, fs, nil
}

// unusedPasswords warns of each password given to a site that logs in otherwise.
func unusedPasswords(sites map[string]tunnel.Site, given map[string]tunnel.Secret) (warnings []string) {
	for _, path := range sortedKeys(sites) {
		if _, ok := given[path+".password"]; ok && sites[path].Login != tunnel.LoginPassword {
			warnings = append(warnings, fmt.Sprintf("%[1]s.password is kept, but not used until %[1]s.login=password", path))
		}
	}
	return warnings
}

// withoutViaPasswords warns of each site whose proxy names a user that no password is sealed for.
func withoutViaPasswords(ref tunnel.ConfigurationRef, sites map[string]tunnel.Site, sealed map[string][]byte) (warnings []string) {
	for _, path := range sortedKeys(sites) {
		p := placeOf(sites[path])
		if p.server != (tunnel.Server{}) && p.via.User != "" && sealed[path+viaPasswordKey] == nil {
			warnings = append(warnings, fmt.Sprintf("%s: %s: culvert config set %s --secret-stdin %s",
				path, withoutViaPassword(p.via), ref, path+viaPasswordKey))
		}
	}
	return warnings
}

// kept is the secret stored for path, if it can be read and its place is still the same: a site's password does not
// follow the site to another server.
func (r reading) kept(path string, at Place, warnings []string) ([]byte, []string) {
	switch {
	case r.damaged[secretPrefix]:
		return nil, append(warnings, path+": the stored secret is damaged: set it anew")
	case settingPlace(r.family, path, r.sites) != at:
		return nil, append(warnings, path+": "+moved(at)+" changed, and its password did not go along: set it anew")
	}
	return r.sealed[path], warnings
}

// moved is what a site's secret at that place is for.
func moved(at Place) string {
	if at.Field == proxy {
		return "the proxy, its user or the server"
	}
	return "the server"
}

func nothingToKeep(path string) tunnel.Finding {
	return tunnel.Finding{
		Code: tunnel.Required, Field: path, Value: settings.Hidden,
		Message: path + " is to stay as it is, but none is set", WayOut: "give the secret itself",
	}
}

// settingPlace is what a secret among settings is bound to; a site's password to its server too, that of its proxy to both.
func settingPlace(f *family, path string, sites map[string]tunnel.Site) Place {
	p := Place{Owner: f.owner(), Path: settingPath(string(f.ref().Name), path), Field: setting}
	if s, ok := siteOf(path, ".password", sites); ok {
		p.Field, p.Server = password, placeOf(s).server
	}
	if s, ok := siteOf(path, viaPasswordKey, sites); ok {
		p.Field, p.Server, p.Via = proxy, placeOf(s).server, placeOf(s).via
	}
	return p
}

// siteOf is the site whose secret of that key is at path.
func siteOf(path, key string, sites map[string]tunnel.Site) (tunnel.Site, bool) {
	site, ok := strings.CutSuffix(path, key)
	if !ok {
		return tunnel.Site{}, false
	}
	s, ok := sites[site]
	return s, ok
}

// resplit seals what a new description calls secret and the former did not.
func (r *Registry) resplit(f reading) error {
	schema := f.module.Description.Schema
	shown, given := settings.Part(schema, f.configuration.Settings)
	if len(given) == 0 {
		return nil
	}
	for path, secret := range given {
		sealed, err := r.sealer.Seal(settingPlace(f.family, path, f.sites), secret)
		if err != nil {
			return err
		}
		assign(&f.sealed, path, sealed)
	}
	f.configuration.Settings = shown
	f.repaired(secretPrefix)
	return nil
}

// runSettings is the document a module's Run gets: with the module's own secrets, without any of a site.
func (r *Registry) runSettings(f reading) (json.RawMessage, error) {
	schema, doc := f.module.Description.Schema, f.configuration.Settings
	if _, fs := checkSettings(f.configurationRef(), f.module, doc); len(fs) > 0 {
		return nil, fs
	}
	own := map[string]tunnel.Secret{}
	for _, path := range settings.Secrets(schema, doc) {
		at := settingPlace(f.family, path, f.sites)
		if at.Field != setting {
			continue
		}
		secret, err := r.sealer.Open(at, f.sealed[path])
		if err != nil {
			return nil, unreadable(tunnel.Ref{Owner: f.owner(), Name: f.ref().Name},
				fmt.Sprintf("culvert config set %s --secret-stdin %s", f.configurationRef(), path))
		}
		own[path] = secret
	}
	return settings.WithDefaults(schema, settings.Join(schema, doc, own)), nil
}
