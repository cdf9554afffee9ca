package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/netbed"
)

func TestADomainBecomesTheUsersOfThePBX(t *testing.T) {
	t.Parallel()
	d := newDomain(t)
	anna, bob := "anna Anna Müller 101 +497215000101 yes active", "bob Bob Bell 102 +497215000102 active"
	door, lift := "door Door Station 150 +497215000150 active", "lift Lift North 151 +497215000151 active"

	d.set("who.nested=false")
	d.keeps(d.syncs("AD-1, AD-11: people become users; AD-3: not those of groups in the group, nor disabled ones",
		"3 created, 0 updated, 0 reactivated, 0 marked", anna, door, lift))
	d.set("who.nested=true")
	d.keeps(d.syncs("AD-3: and with nesting those of groups in the group", "1 created, 0 updated, 0 reactivated, 0 marked", anna, bob, door, lift))
	d.keeps(d.syncs("AD-10: a second run changes nothing", "0 created, 0 updated, 0 reactivated, 0 marked", anna, bob, door, lift))

	d.do(d.dc.Change("rename: CN=Bob,CN=Users," + netbed.DomainBase + " -> CN=Robert,OU=Büro," + netbed.DomainBase + "\n\n" +
		dn("CN=Robert,OU=Büro") + "changetype: modify\nreplace: sAMAccountName\nsAMAccountName: robert\n-\nreplace: sn\nsn: Baker\n"))
	d.keeps(d.syncs("AD-5: renamed, moved, with another login: the same user", "0 created, 1 updated, 0 reactivated, 0 marked",
		anna, door, lift, "robert Bob Baker 102 +497215000102 active"))

	// Of those that the operator protects one goes, one changes, and one of the PBX's own is now in the directory, too.
	robert, chief := "robert Bob Baker 102 orphaned", "chief 100 yes active"
	d.protects("login,display_name,extension,mail,admin\nchief,The Chief,100,chief@corp.example,yes\n")
	d.set(`users.alone=["door","lift"]`)
	d.do(d.dc.Change(dn("CN=Robert,OU=Büro") + "changetype: delete\n\n" + dn("CN=Door,CN=Users") + "changetype: delete\n\n" +
		dn("CN=Lift,CN=Users") + "changetype: modify\nreplace: sn\nsn: South\n-\nreplace: telephoneNumber\ntelephoneNumber: 0721 5000-152\n\n" +
		account("CN=Chief,CN=Users", "boss", "Charles", "Chief", 512, "telephoneNumber: 0721 5000-153", "mail: chief@corp.example") +
		dn("CN=PBX,CN=Users") + "changetype: modify\nadd: member\nmember: CN=Chief,CN=Users," + netbed.DomainBase + "\n"))
	left := []string{anna, chief, door, lift, robert}
	d.keeps(d.syncs("AD-6: who has gone is marked and keeps the internal number alone; who is protected stays as it is",
		"0 created, 0 updated, 0 reactivated, 1 marked", left...))

	d.do(d.dc.Change(dn("CN=PBX,CN=Users") + "changetype: modify\nreplace: member\n"))
	d.keeps(d.stops("AD-7: an empty group stops the run, though there are administrators",
		func(r runJSON) bool { return strings.Contains(r.Error, "CN=PBX,CN=Users") }, left...))
	d.do(d.dc.Change(dn("CN=PBX Admins,CN=Users") + "changetype: modify\nreplace: member\n"))
	d.keeps(d.stops("AD-7: an empty group stops the run", func(r runJSON) bool { return r.Server != "" }, left...))
}

// protects writes the file of users that are the PBX's own.
func (d *domain) protects(text string) {
	d.t.Helper()
	d.do(os.WriteFile(filepath.Join(d.state, "modules", "adsync", "default", "files", "local-users.csv"), []byte(text), 0o644)) //nolint:gosec // modules run as others
}

func TestTheWayToADomain(t *testing.T) {
	t.Parallel()
	d := newDomain(t)
	users := []string{"anna Anna Müller 101 +497215000101 yes active", "bob Bob Bell 102 +497215000102 active",
		"door Door Station 150 +497215000150 active", "lift Lift North 151 +497215000151 active"}

	d.set(`directory.pins=["` + strings.Repeat("00", 32) + `"]`)
	d.keeps(d.stops("AD-2: another pin is refused, and the right one told", func(r runJSON) bool { return strings.Contains(r.Error, d.dc.Pin) }))
	d.set("directory.security=none", `directory.pins=[]`)
	d.keeps(d.stops("AD-2: without encryption nobody gets in", func(r runJSON) bool { return strings.Contains(strings.ToLower(r.Error), "encr") }))
	d.set("directory.security=starttls", `directory.pins=["`+d.dc.Pin+`"]`)
	d.keeps(d.syncs("AD-2: StartTLS with the pin", "4 created, 0 updated, 0 reactivated, 0 marked", users...))
	d.set("directory.security=ldaps")
	d.keeps(d.syncs("AD-2: LDAPS with the pin", "0 created, 0 updated, 0 reactivated, 0 marked", users...))

	_, err := d.dc.Second(netbed.LANAddr2)
	d.do(err)
	d.dc.Stop()
	d.keeps(promise{"AD-9: the second controller takes over", func(w way) error {
		r, err := w.run()
		if err == nil && (r.Outcome == "failed" || r.Server != "dc2-ldaps" || r.Counts.Unchanged != 4) {
			err = fmt.Errorf("it says %+v", r)
		}
		return err
	}})
	d.do(d.dc.Start())
	d.logins()
}

// logins are AD-8.
func (d *domain) logins() {
	d.t.Helper()
	d.do(d.dc.Change(dn("CN=Bob,CN=Users") + "changetype: modify\nreplace: accountExpires\naccountExpires: 131000000000000000\n"))
	d.must("module", "grant", "adsync", "serve", "7389")
	d.set("login.on=true")
	eventually(d.t, 30*time.Second, "the login check to answer", func() error {
		_, _, err := d.verify("anna", "")
		return err
	})
	right := d.answers("anna", domainPassword, 200, "")
	d.keeps(
		right, d.answers("ANNA", domainPassword, 200, ""), d.answers("anna", "wrong", 401, "wrong"),
		both("an empty password is refused where the right one is not", right, d.answers("anna", "", 401, "empty-password")),
		d.answers("nobody", domainPassword, 401, "wrong"), d.answers("carl", domainPassword, 401, "disabled"), d.answers("bob", domainPassword, 401, "expired"),
		d.answers("dora", domainPassword, 401, "not-a-member"), d.answers("*", domainPassword, 401, "wrong"),
		d.answers("anna)(sAMAccountName=*", domainPassword, 401, "wrong"), d.answers("anna)(|(sAMAccountName=*", domainPassword, 401, "wrong"),
	)
}

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
	d.keeps(promise{"AD-4: all come of a directory that gives 50 at a time, unless it is asked page by page", func(w way) error {
		r, err := w.run()
		if n := len(w.users()); err == nil && (r.Outcome != "ok" || r.Counts.Created != 1200 || n != 1200) {
			err = fmt.Errorf("it says %+v, and the PBX has %d users", r, n)
		}
		return err
	}})
}
