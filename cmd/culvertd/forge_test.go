package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
)

const victim = "monitoring/default.site"

// forgery is one attempt of the forger, as it reports it.
type forgery struct {
	Method, Field string
	ReadOnly      bool
	Error         string
}

// A hostile module, which speaks the wire itself, names another module's tunnel in every field of every call and in
// the metadata. Nothing changes, and every attempt stands in the events with the module's real name.
func TestOwnershipCannotBeForged(t *testing.T) {
	t.Parallel()
	r := newRig(t, "monitoring", "forger")
	site, err := sshtest.Start(sshtest.Options{AuthorizedKeys: []string{r.publicKey()}})
	if err != nil {
		t.Fatal(err)
	}
	defer site.Close()
	r.must("config", "add", "monitoring/default", "--set", "site.server=pbx@"+site.Addr())
	r.waitState(victim, "up", 20*time.Second)
	before := record(t, r)

	r.must("config", "add", "forger/default", "--set", "victim="+victim)
	all := report(t, r)
	if len(all) < 15 {
		t.Fatalf("only %d attempts were made: %+v", len(all), all)
	}
	changing := map[string]bool{}
	for _, a := range all {
		if a.ReadOnly {
			continue
		}
		if a.Error == "" {
			t.Errorf("%s with the foreign name in %s was answered", a.Method, a.Field)
			continue
		}
		if !strings.Contains(a.Error, "not the owner: "+victim+" belongs to monitoring") {
			t.Errorf("%s with the foreign name in %s: %s", a.Method, a.Field, a.Error)
		}
		changing[a.Method] = true
	}
	if !changing["Declare"] {
		t.Error("Declare was not tried")
	}
	if after := record(t, r); after != before {
		t.Errorf("the tunnel changed:\n%s\n%s", before, after)
	}
	refused := map[string]int{}
	for _, e := range r.eventList() {
		if e.Type == "refused" {
			if e.Actor != "module:forger" || e.Subject != victim {
				t.Errorf("an event names %s and %s", e.Actor, e.Subject)
			}
			refused[e.Fields["call"]]++
		}
	}
	for _, a := range all {
		if !a.ReadOnly {
			refused[a.Method]--
		}
	}
	for method, n := range refused {
		if n != 0 {
			t.Errorf("%s: attempts and refused events differ by %d", method, n)
		}
	}
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

func report(t *testing.T, r *rig) []forgery {
	t.Helper()
	var all []forgery
	eventually(t, 90*time.Second, "the forger's report", func() error {
		text, err := os.ReadFile(filepath.Join(r.state, "modules", "forger", "default", "report.json"))
		if errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return errors.Join(err, json.Unmarshal(text, &all))
	})
	return all
}
