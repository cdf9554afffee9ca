package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/culvert-pbx/culvert/host/netbed"
)

// domain is a PBX with the module adsync, and a site whose network has a domain controller: the PBX has no way to that but
// the module's tunnel. Every promise is tried with the tunnel, and then without, where it must not hold.
type domain struct {
	*path
	dc *netbed.DC
}

const domainTunnel = "adsync/default.site"

// people are Anna, who is an administrator, and Bob, who is in a group in the group; Carl, whose account is disabled; and
// Dora, who is in no group.
var people = strings.Join([]string{
	unit("Büro"),
	account("CN=Anna Müller,OU=Büro", "anna", "Anna", "Müller", 512, "telephoneNumber: 0721 5000-101", "mail: anna@corp.example"),
	account("CN=Bob,CN=Users", "bob", "Bob", "Bell", 512, "telephoneNumber: +49 721 5000 102", "mail: bob@corp.example"),
	account("CN=Carl,CN=Users", "carl", "Carl", "Cole", 514, "telephoneNumber: 0721 5000-103"),
	account("CN=Dora,CN=Users", "dora", "Dora", "Dell", 512),
	members("PBX Inner", "CN=Bob,CN=Users"), members("PBX", "CN=Anna Müller,OU=Büro", "CN=Carl,CN=Users", "CN=PBX Inner,CN=Users"),
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

// without does f while the tunnel is disabled.
func (d *domain) without(f func()) {
	d.t.Helper()
	d.must("tunnel", "disable", domainTunnel)
	f()
	d.must("tunnel", "enable", domainTunnel)
	d.waitLink()
}

// run synchronises, and returns what the module says of it.
func (d *domain) run() (r runJSON) {
	d.t.Helper()
	began := time.Now()
	d.cli("", "job", "run", "adsync/default", "sync", "--wait")
	if took := time.Since(began); took > 60*time.Second {
		d.t.Errorf("a run takes %v", took)
	}
	text, err := os.ReadFile(filepath.Join(d.state, "modules", "adsync", "default", "report.json"))
	d.do(err)
	d.do(json.Unmarshal(text, &r))
	if r.Started.Before(began.Add(-time.Second)) {
		d.t.Fatalf("there was no run: the last one is of %v", r.Started)
	}
	return r
}

// runJSON is what the tests read of the module's report.
type runJSON struct {
	Started                time.Time
	Outcome, Error, Server string
	Counts                 struct{ Created, Updated, Reactivated, Marked, Unchanged, Skipped int }
}

// syncs synchronises: first without the tunnel, which must fail and change nothing, then with it, which must go well.
func (d *domain) syncs(want string, users ...string) {
	d.t.Helper()
	before := d.users()
	d.without(func() {
		if r := d.run(); r.Outcome != "failed" || r.Server != "" {
			d.t.Errorf("without the tunnel a run ends %+v", r)
		}
		if after := d.users(); !slices.Equal(after, before) {
			d.t.Errorf("without the tunnel it changes\n%s\nto\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
		}
	})
	r := d.run()
	c := r.Counts
	if got := fmt.Sprintf("%d created, %d updated, %d reactivated, %d marked", c.Created, c.Updated, c.Reactivated, c.Marked); r.Outcome == "failed" || got != want {
		d.t.Errorf("%s: %+v", got, r)
	}
	d.hasUsers(users...)
}

func (d *domain) hasUsers(want ...string) {
	d.t.Helper()
	if got := d.users(); !slices.Equal(got, want) {
		d.t.Errorf("the PBX has\n%s", strings.Join(got, "\n"))
	}
}

// users are those that programs of the PBX find in users.csv, sorted.
func (d *domain) users() (all []string) {
	d.t.Helper()
	text, err := os.ReadFile(filepath.Join(d.state, "modules", "adsync", "default", "files", "users.csv"))
	if os.IsNotExist(err) {
		return nil
	}
	d.do(err)
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	d.do(err)
	col := func(row []string, name string) string { return row[slices.Index(rows[0], name)] }
	for _, row := range rows[1:] {
		line := strings.Join([]string{col(row, "login"), col(row, "given_name"), col(row, "surname"), col(row, "extension"), col(row, "phone"), col(row, "admin"), col(row, "status")}, " ")
		all = append(all, strings.Join(strings.Fields(line), " "))
	}
	slices.Sort(all)
	return all
}

func TestADomainBecomesTheUsersOfThePBX(t *testing.T) {
	t.Parallel()
	d := newDomain(t)
	anna, bob := "anna Anna Müller 101 +497215000101 yes active", "bob Bob Bell 102 +497215000102 active"

	// AD-3: Bob, only in a sub-group, is there with nesting alone; disabled Carl never.
	d.must("config", "set", "adsync/default", "who.nested=false")
	d.waitLink()
	d.syncs("1 created, 0 updated, 0 reactivated, 0 marked", anna) // AD-1, and AD-11: umlauts in DN and names
	d.must("config", "set", "adsync/default", "who.nested=true")
	d.waitLink()
	d.syncs("1 created, 0 updated, 0 reactivated, 0 marked", anna, bob)
	d.syncs("0 created, 0 updated, 0 reactivated, 0 marked", anna, bob) // AD-10

	// AD-5: renamed, moved and with another login: the same user.
	d.do(d.dc.Change("rename: CN=Bob,CN=Users," + netbed.DomainBase + " -> CN=Robert,OU=Büro," + netbed.DomainBase + "\n\n" +
		dn("CN=Robert,OU=Büro") + "changetype: modify\nreplace: sAMAccountName\nsAMAccountName: robert\n-\nreplace: sn\nsn: Baker\n"))
	robert := "robert Bob Baker 102 +497215000102 active"
	d.syncs("0 created, 1 updated, 0 reactivated, 0 marked", anna, robert)

	// AD-6: gone: marked, and its numbers released but for the internal one.
	d.do(d.dc.Change(dn("CN=Robert,OU=Büro") + "changetype: delete\n"))
	d.syncs("0 created, 0 updated, 0 reactivated, 1 marked", anna, "robert Bob Baker 102 orphaned")

	// AD-7: where the groups are empty nothing is changed.
	d.do(d.dc.Change(dn("CN=PBX,CN=Users") + "changetype: modify\nreplace: member\n\n" +
		dn("CN=PBX Admins,CN=Users") + "changetype: modify\nreplace: member\n"))
	if r := d.run(); r.Outcome != "failed" || r.Server == "" {
		t.Errorf("with empty groups: %+v", r)
	}
	d.hasUsers(anna, "robert Bob Baker 102 orphaned")
}

func TestTheWayToADomain(t *testing.T) {
	t.Parallel()
	d := newDomain(t)
	users := []string{"anna Anna Müller 101 +497215000101 yes active", "bob Bob Bell 102 +497215000102 active"}
	set := func(pairs ...string) {
		t.Helper()
		d.must(append([]string{"config", "set", "adsync/default"}, pairs...)...)
		d.waitLink()
	}

	// AD-2: LDAPS and StartTLS with the pin; another pin, and no encryption, are refused.
	set(`directory.pins=["` + strings.Repeat("00", 32) + `"]`)
	if r := d.run(); r.Outcome != "failed" || !strings.Contains(r.Error, d.dc.Pin) {
		t.Errorf("a wrong pin: %+v", r)
	}
	set("directory.security=none", `directory.pins=[]`)
	if r := d.run(); r.Outcome != "failed" || !strings.Contains(strings.ToLower(r.Error), "encr") {
		t.Errorf("without encryption: %+v", r)
	}
	d.hasUsers()
	set("directory.security=starttls", `directory.pins=["`+d.dc.Pin+`"]`)
	d.syncs("2 created, 0 updated, 0 reactivated, 0 marked", users...)
	set("directory.security=ldaps")
	d.syncs("0 created, 0 updated, 0 reactivated, 0 marked", users...)

	// AD-9: the second controller takes over.
	_, err := d.dc.Second(netbed.LANAddr2)
	d.do(err)
	d.dc.Stop()
	d.without(func() {
		if r := d.run(); r.Outcome != "failed" {
			t.Errorf("with the second controller, without the tunnel: %+v", r)
		}
	})
	if r := d.run(); r.Outcome == "failed" || r.Server != "dc2-ldaps" || r.Counts.Unchanged != 2 {
		t.Errorf("with the second controller alone: %+v", r)
	}
	d.do(d.dc.Start())
	d.logins(set)
}

// AD-4: all people of a directory that gives 50 at a time, unless it is asked page by page.
func TestALargeDirectoryBecomesTheUsersOfThePBX(t *testing.T) {
	t.Parallel()
	f := newFarSide(t)
	slapd, conf := f.entries("dc1.corp.example", 1200)
	d := &domain{path: preparePath(t)}
	lan, err := d.bed.LAN()
	d.do(err)
	server := exec.Command(slapd, "-d", "0", "-f", conf, "-h", "ldaps://"+netbed.LANAddr)
	d.do(lan.Start(server))
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() }) // before its network goes
	d.configure(map[string]any{
		"site":      map[string]any{"slots": map[string]any{"dc1-ldaps": map[string]any{"on": true, "spec": ":" + netbed.LANAddr + ":636"}}},
		"directory": map[string]any{"kind": "openldap", "server_name": "dc1.corp.example", "ca": f.ca.pem, "user": "cn=admin,dc=corp,dc=example", "password": password},
	})
	d.without(func() {
		if r := d.run(); r.Outcome != "failed" || len(d.users()) > 0 {
			t.Errorf("without the tunnel: %+v", r)
		}
	})
	if r := d.run(); r.Outcome != "ok" || r.Counts.Created != 1200 || len(d.users()) != 1200 {
		t.Errorf("%+v", r)
	}
}

// logins are AD-8.
func (d *domain) logins(set func(...string)) {
	d.t.Helper()
	d.do(d.dc.Change(dn("CN=Bob,CN=Users") + "changetype: modify\nreplace: accountExpires\naccountExpires: 131000000000000000\n"))
	d.must("module", "grant", "adsync", "serve", "7389")
	set("login.on=true")
	eventually(d.t, 30*time.Second, "the login check to answer", func() error {
		_, _, err := d.login("anna", "")
		return err
	})
	for _, c := range []struct {
		user, password string
		code           int
		reason         string
	}{
		{"anna", domainPassword, 200, ""}, {"ANNA", domainPassword, 200, ""}, {"anna", "wrong", 401, "wrong"}, {"anna", "", 401, "empty-password"},
		{"nobody", domainPassword, 401, "wrong"}, {"carl", domainPassword, 401, "disabled"}, {"bob", domainPassword, 401, "expired"},
		{"dora", domainPassword, 401, "not-a-member"}, {"*", domainPassword, 401, "wrong"}, {"anna)(sAMAccountName=*", domainPassword, 401, "wrong"},
	} {
		if code, reason, err := d.login(c.user, c.password); err != nil || code != c.code || reason != c.reason {
			d.t.Errorf("%q with %q: %d %q, %v; want %d %q", c.user, c.password, code, reason, err, c.code, c.reason)
		}
	}
	d.without(func() {
		if code, reason, err := d.login("anna", domainPassword); err != nil || code != 503 {
			d.t.Errorf("without the tunnel: %d %q, %v", code, reason, err)
		}
	})
}

// login asks, as a program on the PBX does, whether a password is right.
func (d *domain) login(user, password string) (code int, reason string, err error) {
	body, err := json.Marshal(map[string]string{"user": user, "password": password})
	d.do(err)
	c := http.Client{Timeout: 40 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) { return d.bed.PBX.Dial(ctx, addr) }}}
	answer, err := c.Post("http://127.0.0.1:7389/v1/auth/verify", "application/json", bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, "", err
	}
	var got struct{ Reason string }
	return answer.StatusCode, got.Reason, json.Unmarshal(text, &got)
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
