package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
)

const victim = "monitoring/default.site"

// forgery is one attempt of the forger, as it reports it.
type forgery struct {
	Way, Method, Field string
	ReadOnly           bool
	Error              string
}

// forgeries are those of one round, and what the forger could read.
type forgeries struct {
	Round    int
	Attempts []forgery
	Read     string
}

// forged is a daemon with a module that has a tunnel, and one that wants it.
type forged struct {
	*rig
	round int
	seen  int // events before the round
}

const sitePassword = "a-password-of-the-site"

// A hostile module tries to change another module's tunnel in every way and by every call that there is: naming it in
// every field and in the metadata, the same again, under names that look like the owner's, over the owner's own
// connection, and as the operator at the control socket. Each is refused and stands in the events with the module's real
// name, also after a restart of the host, while another binary waits under the owner's name, and after the owner is gone.
// It may read everything but secrets.
func TestOwnershipCannotBeForged(t *testing.T) {
	t.Parallel()
	f := newForged(t)
	for _, stage := range []struct {
		when string
		set  func()
	}{
		{"at first", func() {}},
		{"after a restart of the host", func() { f.stop(); f.start(); f.waitState(victim, "up", 30*time.Second) }},
		{"while another binary waits under the owner's name", f.impostor},
		{"after the owner is gone", f.remove},
	} {
		stage.set()
		before := record(t, f.rig)
		got := f.attack()
		f.judge(stage.when, got)
		if after := record(t, f.rig); after != before {
			t.Errorf("%s the tunnel changed:\n%s\n%s", stage.when, before, after)
		}
		if !strings.Contains(got.Read, victim) || !strings.Contains(got.Read, "operator/locked") {
			t.Errorf("%s not everything can be read: %s", stage.when, got.Read)
		}
		if strings.Contains(got.Read, sitePassword) {
			t.Errorf("%s a secret can be read", stage.when)
		}
	}
	if n := f.askedAsOperator(); n < 2 {
		t.Errorf("%d events say that the forger called as the operator, in two lives of the host", n)
	}
	if _, err := os.Stat(filepath.Join(f.state, "modules", "monitoring", "default", "report.json")); err == nil {
		t.Error("the impostor ran")
	}
}

func newForged(t *testing.T) *forged {
	t.Helper()
	f := &forged{rig: newRig(t, "monitoring", "forger")}
	site, err := sshtest.Start(sshtest.Options{AuthorizedKeys: []string{f.publicKey()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { site.Close() })
	f.must("config", "add", "monitoring/default", "--set", "site.server=pbx@"+site.Addr(), "--set", page(freePort(t)))
	f.waitState(victim, "up", 20*time.Second)
	if code, _, errs := f.cli(sitePassword, "tunnel", "add", "operator/locked", "--server", "pbx@127.0.0.1:1", "--password-stdin", "--disabled"); code != 0 {
		t.Fatal(errs)
	}
	f.must("config", "add", "forger/default", "--disabled", "--set", `orders={}`)
	return f
}

// impostor puts the forger where the owner's binary was, and waits until that is seen; the owner runs on.
func (f *forged) impostor() {
	f.t.Helper()
	owner := f.modules()["monitoring"].PID
	f.install("forger", "monitoring")
	eventually(f.t, 20*time.Second, "the impostor to wait for acceptance", func() error {
		if m := f.modules()["monitoring"]; m.Reason != "needs-acceptance" || m.PID != owner {
			return fmt.Errorf("%+v, it was process %d", m, owner)
		}
		return nil
	})
}

func (f *forged) remove() {
	f.t.Helper()
	if err := os.Remove(filepath.Join(f.plugins, "monitoring")); err != nil {
		f.t.Fatal(err)
	}
	f.waitState(victim, "inactive", 20*time.Second)
}

// attack has the forger go every way once and returns its report.
func (f *forged) attack() (got forgeries) {
	f.t.Helper()
	f.seen = len(f.eventList())
	f.round++
	sockets, err := filepath.Glob(filepath.Join(f.dir, "m", ".w", "*", "*"))
	if err != nil || f.round == 1 && len(sockets) == 0 {
		f.t.Fatalf("no connection of the owner is found: %v", err)
	}
	token, err := os.ReadFile(f.socket + ".token")
	if err != nil {
		f.t.Fatal(err)
	}
	orders, err := json.Marshal(map[string]any{
		"Round": f.round, "Victim": victim, "Sockets": sockets, "Control": f.socket, "Token": strings.TrimSpace(string(token)), "Routes": changingRoutes(f.t),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.must("config", "set", "forger/default", "--set", "orders="+string(orders))
	f.must("config", "enable", "forger/default")
	eventually(f.t, 90*time.Second, "the forger's report", func() error {
		text, err := os.ReadFile(filepath.Join(f.state, "modules", "forger", "default", "report.json"))
		if err == nil {
			err = json.Unmarshal(text, &got)
		}
		if err == nil && got.Round != f.round {
			err = fmt.Errorf("it is of round %d", got.Round)
		}
		return err
	})
	f.must("config", "disable", "forger/default")
	return got
}

// changingRoutes are the changes that the control API knows, read where they stand: one that is added is tried as well.
func changingRoutes(t *testing.T) (all []string) {
	t.Helper()
	source, err := os.ReadFile("../../host/control/routes.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\{"([A-Z]+ /[^"]*)", changing,`).FindAllStringSubmatch(string(source), -1) {
		all = append(all, m[1])
	}
	if len(all) < 15 {
		t.Fatalf("only %d changes are found: %q", len(all), all)
	}
	return all
}

// judge sees that every way was gone by every call, that what may change something was refused as it should be, and that
// the events say so.
func (f *forged) judge(when string, got forgeries) {
	f.t.Helper()
	cells, audited := map[string]int{}, map[string]int{}
	for _, a := range got.Attempts {
		cells[a.Way]++
		if (a.Error == "") != (a.Way == "owner" || a.ReadOnly && a.Error == "") {
			f.t.Errorf("%s, %s: %s with %s was answered %q", when, a.Way, a.Method, a.Field, a.Error)
		}
		says := ""
		switch {
		case a.ReadOnly || a.Way == "owner":
			continue
		case a.Way == "other owner", a.Way == "replay":
			says = "not the owner: " + victim + " belongs to monitoring"
			audited[a.Method]++
		case a.Way == "as the operator":
			says = "403 "
		}
		if !strings.Contains(a.Error, says) {
			f.t.Errorf("%s, %s: %s with %s: %s", when, a.Way, a.Method, a.Field, a.Error)
		}
	}
	f.t.Logf("%s: %v", when, cells)
	for _, way := range []string{"owner", "other owner", "replay", "foreign names", "as the operator"} {
		if cells[way] == 0 {
			f.t.Errorf("%s nothing was tried as %s", when, way)
		}
	}
	f.audited(when, audited)
}

// audited sees that the events since the round began name the forger, each refused call once and more of those that
// named several tunnels.
func (f *forged) audited(when string, want map[string]int) {
	f.t.Helper()
	for _, e := range f.eventList()[f.seen:] {
		if e.Type != "refused" {
			continue
		}
		if e.Actor != "module:forger" {
			f.t.Errorf("%s an event names %s", when, e.Actor)
		}
		if e.Subject == victim {
			want[e.Fields["call"]]--
		}
	}
	for _, method := range slices.Sorted(maps.Keys(want)) {
		if n := want[method]; n > 0 || n < 0 && method != "Declare" {
			f.t.Errorf("%s attempts of %s and refused events differ by %d", when, method, n)
		}
	}
}

// askedAsOperator counts the events that say that the forger called as the operator: the first call of a while has one.
func (f *forged) askedAsOperator() (n int) {
	f.t.Helper()
	for _, e := range f.eventList() {
		if e.Type == "refused" && e.Actor == "module:forger" && e.Fields["request"] != "" {
			n++
		}
	}
	return n
}

// record is what shall be of the victim, without what moves by itself.
func record(t *testing.T, r *rig) string {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(r.must("tunnel", "show", victim, "-o", "json")), &v); err != nil {
		t.Fatal(err)
	}
	delete(v, "link")
	for _, m := range v["mappings"].([]any) {
		for _, moving := range []string{
			"proved_at", "target_proved_at", "listener", "target", "connections", "connections_total", "callers", "bytes_in", "bytes_out",
		} {
			delete(m.(map[string]any), moving)
		}
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
