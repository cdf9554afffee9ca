package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/directory"
	"github.com/culvert-pbx/culvert/plugins/internal/slapdtest"
	"github.com/culvert-pbx/culvert/sdk/sdktest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestConformance(t *testing.T) {
	const site = `"site":{"server":"tunnel@site.example"},"directory":{"user":"reader@corp.example","password":"secret"}`
	sdktest.Conformance(t, newModule(), sdktest.Settings(`{`+site+`,"login":{"on":true}}`, `{`+site+`,"schedule":"off"}`, `{}`), sdktest.Grant(loginGrant))
}

// world runs the module against the bed's server, over a tunnel that the test can break.
func (b *bed) world(opts ...sdktest.Option) *sdktest.World {
	b.t.Helper()
	b.set("site.server", "tunnel@site.example")
	b.set("schedule", "off")
	doc, err := json.Marshal(b.doc)
	if err != nil {
		b.t.Fatal(err)
	}
	w := sdktest.Run(b.t, newModule(), string(doc), opts...)
	w.Serve("site/dc1-ldaps", relay(b.servers[0].Secure))
	return w
}

// relay is what the far end of a mapping does.
func relay(port int) func(net.Conn) {
	return func(c net.Conn) {
		target, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return
		}
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = io.Copy(target, c); target.Close() })
		_, _ = io.Copy(c, target)
		c.Close()
		wg.Wait()
	}
}

// ask asks as the PBX does.
func ask(t *testing.T, w *sdktest.World, user, password string) (code int, a struct{ Reason, Message, ID, Login string }) {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return w.ConnectLocal(loginPort) },
	}}
	body, err := json.Marshal(map[string]string{"user": user, "password": password, "source": "192.0.2.7"})
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Post("http://127.0.0.1:7389/v1/auth/verify", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, a
}

// AD-8: login: right, wrong, disabled, empty password, injection attempt in the user name: expected mapped results. An
// expired account is one of Active Directory's.
func TestAD8ChecksPasswords(t *testing.T) {
	b := newBed(t, three+slapdtest.Person("", "dora", "Dora", "Dahl", "pwdAccountLockedTime: 000001010000Z"))
	b.set("login.on", true)
	b.set("who.groups", []string{cn("pbx"), cn("admins")})
	b.servers[0].Set(cn("admins"), "member", dn("alice"), dn("dora"))
	w := b.world(sdktest.Grant(loginGrant))
	settled(t, w)
	syncs(t, w, tunnel.ResultOK)
	for _, c := range []struct {
		user, password string
		code           int
		reason         string
	}{
		{"alice", slapdtest.Password, 200, ""}, {"bob", slapdtest.Password, 200, ""}, {"alice", "wrong", 401, "wrong"},
		{"carl", slapdtest.Password, 401, "not-a-member"}, {"dora", slapdtest.Password, 401, "disabled"}, {"nobody", "x", 401, "wrong"},
		{"alice", "", 401, "empty-password"}, {"*", slapdtest.Password, 401, "wrong"}, {")(", slapdtest.Password, 401, "wrong"},
		{"alice)(uid=*", slapdtest.Password, 401, "wrong"}, {"alice\x00", slapdtest.Password, 401, "wrong"},
	} {
		code, a := ask(t, w, c.user, c.password)
		if code != c.code || a.Reason != c.reason || code == 200 && (a.Login != c.user || len(a.ID) != 36) {
			t.Errorf("%q %q is answered with %d %+v", c.user, c.password, code, a)
		}
	}
	w.Fault("site", sdktest.Cut)
	w.Serve("site/dc1-ldaps", func(net.Conn) {})
	if code, a := ask(t, w, "bob", slapdtest.Password); code != 503 || a.Reason != "unavailable" {
		t.Errorf("without the tunnel it is answered with %d %+v", code, a)
	}
	if log := w.Log(); strings.Contains(log, slapdtest.Password) || strings.Contains(log, "alice") {
		t.Errorf("the log tells\n%s", log)
	}
}

// A login that several people have is that of the one whom the PBX has, and one who is passed over cannot log in.
func TestALoginOfSeveralIsThatOfTheUser(t *testing.T) {
	b := newBed(t, three+"dn: ou=b,"+slapdtest.Base+"\nobjectClass: organizationalUnit\nou: b\n\n"+slapdtest.Person("ou=b,", "alice", "Alice", "Other"))
	b.set("login.on", true)
	w := b.world(sdktest.Grant(loginGrant))
	settled(t, w)
	if code, a := ask(t, w, "alice", slapdtest.Password); code != 401 || a.Reason != "wrong" {
		t.Errorf("as long as neither is a user: %d %+v", code, a)
	}
	b.set("who.filter", "(!(sn=Other))")
	b.again(w)
	syncs(t, w, tunnel.ResultOK)
	b.set("who.filter", "")
	b.again(w)
	others, err := directory.Verify(t.Context(), b.settings().config(), b.ends(b.settings()), directory.Selection{},
		func(_ context.Context, people []directory.Person) (directory.Person, error) {
			return people[slices.IndexFunc(people, func(p directory.Person) bool { return p.Surname == "Other" })], nil
		}, "alice", slapdtest.Password)
	if err != nil {
		t.Fatal(err)
	}
	if code, a := ask(t, w, "alice", slapdtest.Password); code != 200 || a.Login != "alice" || a.ID == others.ID {
		t.Errorf("once one is a user: %d %+v", code, a)
	}
	b.set("who.ignore", []string{"Alice"})
	b.again(w)
	if code, a := ask(t, w, "alice", slapdtest.Password); code != 401 || a.Reason != "not-a-member" {
		t.Errorf("passed over: %d %+v", code, a)
	}
}

func outcomes(steps tunnel.TestSteps) string {
	var all []string
	for _, s := range steps {
		all = append(all, s.Name+" "+string(s.Outcome))
	}
	return strings.Join(all, ", ")
}

// settled waits for the module's tunnel.
func settled(t testing.TB, w *sdktest.World) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		v, err := w.As(tunnel.Operator).Get(t.Context(), tunnel.Ref{Owner: "adsync", Name: "default.site"})
		if err == nil && v.Status.State == tunnel.Up {
			return
		}
	}
	t.Fatal("the tunnel does not come up")
}

func TestTheTestShowsWhatDoesNotWork(t *testing.T) {
	b := newBed(t, three)
	w := b.world()
	settled(t, w)
	const up = "rules ok, files of the PBX ok, tunnel ok, slot dc1-ldaps ok, slot dc2-ldaps skipped, "
	for _, c := range []struct {
		key  string
		v    any
		want string
		says string
	}{
		{"who.groups", []string{cn("pbx")}, up + "connect ok, people ok, users of the PBX ok", "2 created"},
		{"who.groups", []string{cn("gone")}, up + "connect ok, people failed, users of the PBX skipped", "cn=gone"},
		{"directory.kind", "active-directory", up + "connect warning, people failed, users of the PBX skipped", "culvert config set adsync/default directory.kind=openldap"},
		{"directory.pins", []string{}, up + "connect warning, people failed, users of the PBX skipped", "directory.pins[]=" + b.servers[0].Pin},
		{"directory.password", "wrong", up + "connect failed, people skipped, users of the PBX skipped", "user or password wrong"},
	} {
		b.set("directory.kind", "openldap")
		b.set(c.key, c.v)
		doc, err := json.Marshal(b.doc)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Reconfigure(string(doc)); err != nil {
			t.Fatal(err)
		}
		settled(t, w)
		steps := w.Test()
		if got := outcomes(steps); got != c.want {
			t.Errorf("with %s=%v the test shows %s", c.key, c.v, got)
		}
		for _, step := range steps {
			if bad := step.Outcome == tunnel.StepFailed || step.Outcome == tunnel.StepWarning; bad && !strings.Contains(step.Remedy, "adsync/default") {
				t.Errorf("with %s=%v, step %s has the remedy %q", c.key, c.v, step.Name, step.Remedy)
			}
		}
		all, err := json.Marshal(steps)
		if err != nil || !strings.Contains(string(all), c.says) {
			t.Errorf("with %s=%v it does not say %q: %s", c.key, c.v, c.says, all)
		}
	}
}

// The actions are the synchronisation over the tunnel, and what it would do.
func TestActionsSynchronise(t *testing.T) {
	b := newBed(t, three)
	w := b.world()
	settled(t, w)
	if got, err := w.Act(t.Context(), "dry-run", sdktest.Ask{}); err != nil || got.Outcome != tunnel.ResultOK || len(got.Rows) != 3 {
		t.Errorf("a dry run ends with %+v, %v", got, err)
	}
	got, err := w.Act(t.Context(), "sync-now", sdktest.Ask{})
	if err != nil || got.Outcome != tunnel.ResultOK || got.Counts[1] != (tunnel.Count{Name: "created", N: 3}) {
		t.Errorf("it ends with %+v, %v", got, err)
	}
	b.servers[0].Delete(dn("carl"))
	doc := b.stopAt(t, 1)
	if err := w.Reconfigure(doc); err != nil {
		t.Fatal(err)
	}
	settled(t, w)
	if got, err := w.RunJob(t.Context(), "sync", sdktest.Ask{}); err != nil || got.Outcome != tunnel.ResultFailed || !strings.Contains(got.Remedy, "culvert action run adsync/default sync-now accept=true") {
		t.Errorf("more than the limits allow: %+v, %v", got, err)
	}
	if got, err := w.Act(t.Context(), "sync-now", sdktest.Ask{Arguments: `{"accept":true}`}); err != nil || got.Outcome != tunnel.ResultOK || got.Counts[4].N != 1 {
		t.Errorf("accepted: %+v, %v", got, err)
	}
	b.set("directory.kind", "active-directory")
	if err := w.Reconfigure(b.stopAt(t, 1)); err != nil {
		t.Fatal(err)
	}
	settled(t, w)
	if got, err := w.Act(t.Context(), "sync-now", sdktest.Ask{}); err != nil || got.Outcome != tunnel.ResultFailed || got.Remedy != "culvert config set adsync/default directory.kind=openldap" {
		t.Errorf("of another kind: %+v, %v", got, err)
	}
	b.servers[0].Stop()
	if got, err := w.Act(t.Context(), "sync-now", sdktest.Ask{}); err != nil || got.Outcome != tunnel.ResultFailed {
		t.Errorf("with the directory down: %+v, %v", got, err)
	}
}

// stopAt has a run stop where more than one in a hundred users would change, and returns the settings.
func (b *bed) stopAt(t *testing.T, percent int) string {
	t.Helper()
	b.set("safety.percent", percent)
	b.set("safety.always", 0)
	doc, err := json.Marshal(b.doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}
