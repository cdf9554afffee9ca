package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// people is how many the directory has whose synchronisations are killed: enough that one takes a while.
const killedPeople = 100

// killedSync is a daemon with module adsync, to be killed in the middle, a directory whose people get other names, and
// connections through a tunnel that is somebody else's.
type killedSync struct {
	*killed
	daemon *control.Client // a program started for each question would be most of the work
	rnd    *rand.Rand
	secure int      // the directory's port for TLS
	names  []string // the surnames in the directory, by number of the person
}

func newKilledSync(t *testing.T) *killedSync {
	t.Helper()
	r := newRig(t, "adsync")
	sshd := sshdtest.Start(t, sshdtest.Options{AuthorizedKeys: []string{r.publicKey()}})
	f := newFarSide(t)
	_, secure := f.directory("dc1.corp.example", killedPeople)
	echo, reach, expose := startEcho(t), freePort(t), freePort(t)
	address := strings.TrimPrefix(server(sshd), "site.server=")
	r.must("tunnel", "add", "operator/x", "--server", address, "--key", "host",
		"--reach", fmt.Sprintf("%d:127.0.0.1:%d", reach, echo), "--expose", fmt.Sprintf("%d:%d", echo, expose))
	doc, err := json.Marshal(map[string]any{
		"site":      map[string]any{"server": address, "slots": map[string]any{"dc1-ldaps": map[string]any{"spec": fmt.Sprintf(":127.0.0.1:%d", secure)}}},
		"directory": map[string]any{"kind": "openldap", "server_name": "dc1.corp.example", "ca": f.ca.pem, "user": "cn=admin,dc=corp,dc=example", "password": password},
		"schedule":  "off", "safety": map[string]any{"percent": 0},
	})
	if err != nil {
		t.Fatal(err)
	}
	if code, _, errs := r.cli(string(doc), "config", "add", "adsync/default", "--file", "-"); code != 0 {
		t.Fatal(errs)
	}
	r.waitState("operator/x", "up", 20*time.Second)
	r.waitState("adsync/default.site", "up", 30*time.Second)
	k := &killedSync{killed: &killed{rig: r, lives: keepAlive(t, reach, expose)}, daemon: control.NewClient(r.socket), secure: secure}
	t.Cleanup(k.daemon.Close)
	for i := range killedPeople {
		k.names = append(k.names, fmt.Sprint(i))
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	k.rnd = rand.New(rand.NewPCG(seed, 0))
	return k
}

// rename gives a tenth of the people another name, so that a run has something to do.
func (k *killedSync) rename(n int) {
	k.t.Helper()
	c, err := ldap.DialURL(fmt.Sprintf("ldaps://127.0.0.1:%d", k.secure), ldap.DialWithTLSConfig(&tls.Config{InsecureSkipVerify: true})) //nolint:gosec // it is ours
	if err == nil {
		defer c.Close()
		err = c.Bind("cn=admin,dc=corp,dc=example", password)
	}
	for i := 0; i < killedPeople/10 && err == nil; i++ {
		who := k.rnd.IntN(killedPeople)
		k.names[who] = fmt.Sprintf("%d of %d", who, n)
		m := ldap.NewModifyRequest(fmt.Sprintf("uid=u%d,dc=corp,dc=example", who), nil)
		m.Replace("sn", []string{k.names[who]})
		err = c.Modify(m)
	}
	if err != nil {
		k.t.Fatal(err)
	}
}

// watch reads what programs of the PBX read, again and again until stop is called, which returns how often it did and what
// it found wrong.
func (k *killedSync) watch() (stop func() (int64, error)) {
	var wrong error
	var looks atomic.Int64
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for wrong == nil {
			select {
			case <-end:
				return
			case <-time.After(20 * time.Millisecond):
				wrong = k.whole()
				looks.Add(1)
			}
		}
	}()
	return func() (int64, error) { close(end); <-done; return looks.Load(), wrong }
}

// whole says what is not whole of the files, or who is not there exactly once.
func (k *killedSync) whole() error {
	titles, rows, err := k.userTable()
	if err != nil {
		return err
	}
	ids, logins := map[string]bool{}, map[string]bool{}
	for _, row := range rows {
		ids[row[slices.Index(titles, "id")]], logins[row[slices.Index(titles, "login")]] = true, true
	}
	if len(rows) != killedPeople || len(ids) != killedPeople || len(logins) != killedPeople {
		return fmt.Errorf("a reader finds %d lines with %d users and %d logins", len(rows), len(ids), len(logins))
	}
	for _, name := range []string{"files/directory.json", "report.json"} {
		text, err := os.ReadFile(filepath.Join(k.state, "modules", "adsync", "default", name))
		if err != nil || !json.Valid(text) {
			return fmt.Errorf("half of %s: %d bytes, %v", name, len(text), err)
		}
	}
	return nil
}

// surnames are those that the PBX has.
func (k *killedSync) surnames() []string {
	k.t.Helper()
	titles, rows, err := k.userTable()
	if err != nil {
		k.t.Fatal(err)
	}
	all := make([]string, killedPeople)
	for _, row := range rows {
		var who int
		if _, err := fmt.Sscanf(row[slices.Index(titles, "login")], "u%d", &who); err != nil {
			k.t.Fatal(err)
		}
		all[who] = row[slices.Index(titles, "surname")]
	}
	return all
}

// begin has a run begin, as soon as the configuration can, and returns the report of the one before, and the process.
func (k *killedSync) begin() (before runJSON, pid int) {
	k.t.Helper()
	before, err := k.report()
	if err != nil {
		k.t.Fatal(err)
	}
	of := tunnel.ConfigurationRef{Module: "adsync", Name: "default"}
	eventually(k.t, 30*time.Second, "a run to begin", func() error {
		_, err := k.daemon.RunJob(k.t.Context(), of, "sync", control.JobInput{Detached: true, WaitSeconds: 20}, control.Live{})
		return err
	})
	all, err := k.daemon.Modules(k.t.Context())
	if err != nil || len(all) != 1 || all[0].PID == 0 {
		k.t.Fatalf("a run has begun, and the modules are %+v, %v", all, err)
	}
	return before, all[0].PID
}

// reported is whether there is a report of a later run than that one.
func (k *killedSync) reported(before runJSON) bool {
	k.t.Helper()
	now, err := k.report()
	if err != nil {
		k.t.Fatal(err)
	}
	return now.Started.After(before.Started)
}

// kill has a run begin and ends the module's process at a moment in the time that one takes. It says whether the run had not
// ended before, and if so, whether the files were those after it already; of a run that had, the process goes on.
func (k *killedSync) kill(whole time.Duration) (within, late bool) {
	k.t.Helper()
	before, pid := k.begin()
	had := k.surnames()
	time.Sleep(time.Duration(k.rnd.Int64N(int64(whole)))) // the moment is what is random
	if k.reported(before) {
		return false, false
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		k.t.Fatal(err)
	}
	within, late = !k.reported(before), !slices.Equal(k.surnames(), had)
	if err := k.daemon.RestartModule(k.t.Context(), "adsync"); err != nil { // it starts at once, however often it has died
		k.t.Fatal(err)
	}
	return within, within && late
}

// undisturbed is how long a run takes that is not killed: the median of some.
func (k *killedSync) undisturbed() time.Duration {
	k.t.Helper()
	var took []time.Duration
	for n := range 5 {
		k.rename(n)
		last, _ := k.begin()
		began := time.Now()
		for !k.reported(last) {
			if time.Since(began) > 30*time.Second {
				k.t.Fatal("a run that is not killed does not end")
			}
			time.Sleep(time.Millisecond)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// The module's process is killed at random moments of its synchronisations, and started again by the daemon. Nobody is lost
// or there twice, nobody ever reads half a file, no tunnel loses a connection or changes its state, and in the end the
// users are those of the directory.
func TestKilledSynchronisationsLoseNobody(t *testing.T) {
	t.Parallel()
	k := newKilledSync(t)
	k.must("job", "run", "adsync/default", "sync", "--wait")
	if err := k.whole(); err != nil {
		t.Fatal(err)
	}
	before := k.changes()
	took := k.undisturbed()

	stop := k.watch()
	kills, late, runs := 0, 0, 0
	for ; kills < long(500, 50); runs++ {
		if runs > 10*long(500, 50) {
			t.Fatalf("of %d runs only %d could be killed", runs, kills)
		}
		k.rename(runs + 5)
		within, written := k.kill(took)
		if within {
			kills++
		}
		if written {
			late++
		}
		for _, l := range k.lives {
			if err := l.fine(); err != nil {
				t.Fatalf("after %d kills: %v", kills, err)
			}
		}
	}
	looks, err := stop()
	if err != nil {
		t.Errorf("after %d kills: %v", kills, err)
	}
	t.Logf("%d of %d runs, of %v each, were killed before their end, %d of these with the files written; %d looks found everything whole", kills, runs, took, late, looks)
	k.settles()
	if after := k.changes(); after != before {
		t.Errorf("tunnels changed their state %d times", after-before)
	}
	k.same(map[string]bool{"operator/x": true, "adsync/default.site": true})
}

// settles sees that a run that is not killed leaves what is in the directory, and nothing half written beside it.
func (k *killedSync) settles() {
	k.t.Helper()
	k.must("job", "run", "adsync/default", "sync", "--wait")
	if got := k.surnames(); !slices.Equal(got, k.names) {
		k.t.Errorf("in the end the PBX has %q", got)
	}
	k.must("job", "run", "adsync/default", "sync", "--wait")
	if r, err := k.report(); err != nil || r.Counts.Unchanged != killedPeople {
		k.t.Errorf("a second run says %+v, %v", r, err)
	}
	entries, err := os.ReadDir(filepath.Join(k.state, "modules", "adsync", "default", "files"))
	if err != nil {
		k.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{".culvert.lock", "directory.json", "groups.csv", "users.csv"}; !slices.Equal(names, want) {
		k.t.Errorf("beside the files there are %q", names)
	}
}
