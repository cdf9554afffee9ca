package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/directory"
	"github.com/culvert-pbx/culvert/plugins/adsync/internal/verify"
	"github.com/culvert-pbx/culvert/plugins/internal/slapdtest"
	"github.com/culvert-pbx/culvert/sdk/sdktest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// again gives the module the settings as they are now.
func (b *bed) again(w *sdktest.World) {
	b.t.Helper()
	doc, err := json.Marshal(b.doc)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := w.Reconfigure(string(doc)); err != nil {
		b.t.Fatal(err)
	}
	settled(b.t, w)
}

func syncs(t testing.TB, w *sdktest.World, want string) {
	t.Helper()
	if got, err := w.Act(t.Context(), "sync-now", sdktest.Ask{}); err != nil || got.Outcome != want {
		t.Fatalf("%+v, %v", got, err)
	}
}

// A user who was taken over by the mail address keeps its ID of the PBX, and that is what the PBX is told.
func TestTheAnswerNamesTheUserOfThePBX(t *testing.T) {
	b := newBed(t, slapdtest.Person("", "alice", "Alice", "Ames", "employeeNumber: 4711"))
	b.set("login.on", true)
	b.set("attributes.id", "employeeNumber")
	w := b.world(sdktest.Grant(loginGrant))
	settled(t, w)
	syncs(t, w, tunnel.ResultOK)
	b.set("attributes.id", "")
	b.again(w)
	syncs(t, w, tunnel.ResultOK)
	if code, a := ask(t, w, "alice", slapdtest.Password); code != 200 || a.ID != "4711" || a.Login != "alice" {
		t.Errorf("it is answered with %d %+v", code, a)
	}
}

// Whoever is no active user of the PBX cannot log in, right though the password be, and the log says what to do.
func TestOnlyUsersOfThePBXLogIn(t *testing.T) {
	b := newBed(t, three)
	b.set("login.on", true)
	b.set("users.most", 1)
	w := b.world(sdktest.Grant(loginGrant))
	settled(t, w)
	answer := func(user, when, reason string) {
		t.Helper()
		if code, a := ask(t, w, user, slapdtest.Password); a.Reason != reason || (code == 200) != (reason == "") {
			t.Errorf("%s %s is answered with %d %+v", user, when, code, a)
		}
	}
	answer("alice", "before the first synchronisation", "not-a-member")
	syncs(t, w, tunnel.ResultPartial)
	answer("alice", "as a user", "")
	answer("bob", "without room", "not-a-member")
	if log := w.Log(); !strings.Contains(log, dn("bob")+" is no active user of the PBX") || !strings.Contains(log, "culvert action run adsync/default sync-now") {
		t.Errorf("the log says\n%s", log)
	}
	b.servers[0].Set(dn("alice"), "employeeType", "gone")
	b.set("who.filter", "(!(employeeType=gone))")
	b.again(w)
	syncs(t, w, tunnel.ResultPartial)
	b.set("who.filter", "")
	b.again(w)
	answer("alice", "as an orphan", "not-a-member")
}

// A directory of another kind than is set answers every login like a wrong password; why that is, is in the log, once.
func TestTheLogDoubtsTheKindOfDirectory(t *testing.T) {
	b := newBed(t, three)
	b.set("login.on", true)
	b.set("directory.kind", "active-directory")
	w := b.world(sdktest.Grant(loginGrant))
	settled(t, w)
	for range 3 {
		if code, a := ask(t, w, "alice", slapdtest.Password); code != 401 || a.Reason != "wrong" {
			t.Errorf("it is answered with %d %+v", code, a)
		}
	}
	log := w.Log()
	if strings.Count(log, "is not Active Directory") != 1 || strings.Count(log, "culvert config set adsync/default directory.kind=openldap") != 1 {
		t.Errorf("the log says\n%s", log)
	}
}

// Whoever asks is told nothing of the directory: where somebody is in it stands in the log.
func TestTheAnswerTellsNothingOfTheDirectory(t *testing.T) {
	b := newBed(t, "dn: cn=odd,"+slapdtest.Base+"\nobjectClass: inetOrgPerson\ncn: odd\nsn: X\nuid:: "+base64.StdEncoding.EncodeToString([]byte("jo\tdoe"))+"\n\n")
	b.set("login.on", true)
	w := b.world(sdktest.Grant(loginGrant))
	settled(t, w)
	if code, a := ask(t, w, "jo\tdoe", slapdtest.Password); code != 401 || a.Reason != "not-a-member" || a.Message != "the user may not log in at the PBX" {
		t.Errorf("it is answered with %d %+v", code, a)
	}
	if log := w.Log(); !strings.Contains(log, "cn=odd,"+slapdtest.Base) {
		t.Errorf("the log says\n%s", log)
	}
}

// The log doubts once a minute, and of nothing but logins that nobody has.
func TestDoubtsAreLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		r := &refusals{log: hclog.New(&hclog.LoggerOptions{Output: &log}), configuration: "adsync/x"}
		unknown := &directory.Error{Code: directory.Wrong, Message: "m", Err: &directory.Error{Code: directory.NotAD, Message: "another kind"}}
		for _, c := range []struct {
			err   error
			lines int
		}{
			{&directory.Error{Code: directory.Wrong, Message: "m", Err: errors.New("code 49")}, 0}, {unknown, 1}, {unknown, 1},
		} {
			var no *verify.Refusal
			if err := r.to(c.err); !errors.As(err, &no) || no.Reason != "wrong" || no.Message != "user or password wrong" {
				t.Errorf("it becomes %v", err)
			}
			if got := strings.Count(log.String(), "another kind"); got != c.lines {
				t.Errorf("after %v there are %d lines", c.err, got)
			}
		}
		time.Sleep(doubtEvery)
		if _ = r.to(unknown); strings.Count(log.String(), "another kind") != 2 {
			t.Error("a minute later nothing is said")
		}
	})
}
