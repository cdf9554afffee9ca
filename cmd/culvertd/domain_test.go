package main

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/culvert-pbx/culvert/host/netbed"
)

// domain is a PBX with the module adsync, and a site whose network has a domain controller: the PBX has no way to that but
// the module's tunnel. Whatever is said of it is a promise, see keeps.
type domain struct {
	*path
	dc *netbed.DC
}

// set changes settings of the module, and waits for its tunnel.
func (d *domain) set(pairs ...string) {
	d.t.Helper()
	d.must(append([]string{"config", "set", "adsync/default"}, pairs...)...)
	d.waitLink()
}

const domainTunnel = "adsync/default.site"

// people are Anna, who is an administrator, and Bob, who is in a group in the group; Carl, whose account is disabled; and
// Dora, who is in no group. The door and the lift have accounts, too.
var people = strings.Join([]string{
	unit("Büro"),
	account("CN=Anna Müller,OU=Büro", "anna", "Anna", "Müller", 512, "telephoneNumber: 0721 5000-101", "mail: anna@corp.example"),
	account("CN=Bob,CN=Users", "bob", "Bob", "Bell", 512, "telephoneNumber: +49 721 5000 102", "mail: bob@corp.example"),
	account("CN=Carl,CN=Users", "carl", "Carl", "Cole", 514, "telephoneNumber: 0721 5000-103"),
	account("CN=Dora,CN=Users", "dora", "Dora", "Dell", 512),
	account("CN=Door,CN=Users", "door", "Door", "Station", 512, "telephoneNumber: 0721 5000-150"),
	account("CN=Lift,CN=Users", "lift", "Lift", "North", 512, "telephoneNumber: 0721 5000-151"),
	members("PBX Inner", "CN=Bob,CN=Users"),
	members("PBX", "CN=Anna Müller,OU=Büro", "CN=Carl,CN=Users", "CN=PBX Inner,CN=Users", "CN=Door,CN=Users", "CN=Lift,CN=Users"),
	members("PBX Admins", "CN=Anna Müller,OU=Büro"),
}, "")

// domainPassword is that of everybody in it.
const domainPassword = netbed.DomainPassword

func newDomain(t *testing.T) *domain {
	t.Helper()
	if err := netbed.MissingSamba(); err != nil {
		t.Skip("skipped: ", err)
	}
	d := &domain{path: preparePath(t)}
	lan, err := d.bed.LAN()
	d.do(err)
	d.dc, err = d.bed.DC(lan, netbed.LANAddr)
	d.do(err)
	d.do(d.dc.Change(people))
	d.configure(map[string]any{
		"site": map[string]any{"slots": map[string]any{
			"dc1-ldaps": map[string]any{"on": true, "spec": ":" + netbed.LANAddr + ":636"}, "dc2-ldaps": map[string]any{"on": true, "spec": ":" + netbed.LANAddr2 + ":636"},
			"dc1-ldap": map[string]any{"on": true, "spec": ":" + netbed.LANAddr + ":389"},
		}},
		"directory": map[string]any{"pins": []string{d.dc.Pin}, "user": netbed.DomainAdmin, "password": domainPassword},
		"who":       map[string]any{"groups": []string{groupDN("PBX")}, "admins": groupDN("PBX Admins")},
		"numbers":   map[string]any{"area": "721", "blocks": []string{"+49 721 5000 100-199"}},
	})
	return d
}

// configure gives the module settings, without a schedule, and waits for its tunnel.
func (d *domain) configure(settings map[string]any) {
	d.t.Helper()
	d.install("adsync", "adsync")
	settings["schedule"] = "off"
	settings["site"].(map[string]any)["server"] = "root@" + d.sshd.Addr
	doc, err := json.Marshal(settings)
	d.do(err)
	if code, _, errs := d.cli(string(doc), "config", "add", "adsync/default", "--file", "-"); code != 0 {
		d.t.Fatal(errs)
	}
	d.waitLink()
}

// waitLink waits until the tunnel stands. A second controller that is not there leaves it degraded.
func (d *domain) waitLink() {
	d.t.Helper()
	eventually(d.t, 60*time.Second, "the tunnel to stand", func() error {
		v, err := d.tunnel(domainTunnel)
		if err == nil && v.State != "up" && v.State != "degraded" {
			err = fmt.Errorf("it is %s (%s): %s", v.State, v.Reason, v.Message)
		}
		return err
	})
}

// runJSON is what the tests read of the module's report.
type runJSON struct {
	Started                time.Time
	Outcome, Error, Server string
	Hints                  []string
	Counts                 struct{ Created, Updated, Reactivated, Marked, Unchanged, Skipped int }
}

// changes are what a run did to users, in words.
func (r runJSON) changes() string {
	c := r.Counts
	return fmt.Sprintf("%d created, %d updated, %d reactivated, %d marked", c.Created, c.Updated, c.Reactivated, c.Marked)
}

// report is what the module says of its last run.
func (r *rig) report() (j runJSON, err error) {
	text, err := os.ReadFile(filepath.Join(r.state, "modules", "adsync", "default", "report.json"))
	if err != nil {
		return j, err
	}
	return j, json.Unmarshal(text, &j)
}

// userTable is users.csv as programs of the PBX find it, without the line of titles; titles say where a column is.
func (r *rig) userTable() (titles []string, rows [][]string, err error) {
	text, err := os.ReadFile(filepath.Join(r.state, "modules", "adsync", "default", "files", "users.csv"))
	if os.IsNotExist(err) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	all, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil || len(all) == 0 {
		return nil, nil, fmt.Errorf("users.csv is not whole: %d lines, %v", len(all), err)
	}
	return all[0], all[1:], nil
}

// users are those of the PBX, a line each, sorted.
func (d *domain) users() (all []string) {
	d.t.Helper()
	titles, rows, err := d.userTable()
	d.do(err)
	for _, row := range rows {
		var line []string
		for _, name := range []string{"login", "given_name", "surname", "extension", "phone", "admin", "status"} {
			line = append(line, strings.Fields(row[slices.Index(titles, name)])...)
		}
		all = append(all, strings.Join(line, " "))
	}
	slices.Sort(all)
	return all
}

// dn is the first line of a record of an entry of the domain.
func dn(name string) string {
	return "dn:: " + base64.StdEncoding.EncodeToString([]byte(name+","+netbed.DomainBase)) + "\n"
}

func groupDN(cn string) string { return "CN=" + cn + ",CN=Users," + netbed.DomainBase }

func unit(name string) string {
	return dn("OU="+name) + "changetype: add\nobjectClass: organizationalUnit\n\n"
}

// account is a user's, enabled (512) or disabled (514), with everybody's password.
func account(name, login, given, surname string, control int, lines ...string) string {
	secret := make([]byte, 0, 64)
	for _, u := range utf16.Encode([]rune(`"` + domainPassword + `"`)) {
		secret = append(secret, byte(u), byte(u>>8))
	}
	return dn(name) + fmt.Sprintf("changetype: add\nobjectClass: user\nsAMAccountName: %s\nuserPrincipalName: %[1]s@corp.example\ngivenName: %s\nsn:: %s\nuserAccountControl: %d\nunicodePwd:: %s\n%s\n",
		login, given, base64.StdEncoding.EncodeToString([]byte(surname)), control, base64.StdEncoding.EncodeToString(secret), strings.Join(append(lines, ""), "\n"))
}

func members(cn string, names ...string) string {
	text := dn("CN="+cn+",CN=Users") + "changetype: add\nobjectClass: group\nsAMAccountName: " + cn + "\n"
	for _, n := range names {
		text += "member:: " + base64.StdEncoding.EncodeToString([]byte(n+","+netbed.DomainBase)) + "\n"
	}
	return text + "\n"
}
