package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/plugins/internal/slapdtest"
	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/sdktest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// blocked makes the directory of the PBX's files one that cannot be, and returns it.
func (b *bed) blocked() string {
	b.t.Helper()
	file := filepath.Join(b.t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.set("pbx.dir", filepath.Join(file, "users"))
	return filepath.Join(file, "users")
}

// Where the files of the PBX cannot be opened, the login check says that it cannot tell, and whoever synchronises or tests is
// told which directory it is, and what to do. Nothing has to be started anew when it is there.
func TestLoginsAreAnsweredWithoutTheFilesOfThePBX(t *testing.T) {
	b := newBed(t, three)
	dir := b.blocked()
	b.set("login.on", true)
	w := b.world(sdktest.Grant(loginGrant))
	settled(t, w)
	if code, a := ask(t, w, "bob", slapdtest.Password); code != 503 || a.Reason != "unavailable" {
		t.Errorf("it is answered with %d %+v", code, a)
	}
	got, err := w.Act(t.Context(), "sync-now", sdktest.Ask{})
	if err != nil || got.Outcome != tunnel.ResultFailed || !strings.Contains(got.Message, dir+" cannot be opened") || got.Remedy != "see what is there: ls -ld "+dir {
		t.Errorf("a synchronisation ends with %+v, %v", got, err)
	}
	var tried bool
	for _, s := range w.Test() {
		if s.Name == "files of the PBX" {
			tried = s.Outcome == tunnel.StepFailed && strings.Contains(s.Message, dir) && s.Remedy == got.Remedy
		}
	}
	if !tried {
		t.Errorf("the test shows %+v", w.Test())
	}
	if err := os.Remove(filepath.Dir(dir)); err != nil {
		t.Fatal(err)
	}
	if got, err := w.Act(t.Context(), "sync-now", sdktest.Ask{}); err != nil || got.Outcome != tunnel.ResultOK {
		t.Errorf("when it can be, a synchronisation ends with %+v, %v", got, err)
	}
	if code, a := ask(t, w, "bob", slapdtest.Password); code != 200 {
		t.Errorf("then it is answered with %d %+v", code, a)
	}
	if log := w.Log(); !strings.Contains(log, got.Remedy) {
		t.Errorf("the log has no remedy\n%s", log)
	}
}

// Where nobody asks for logins there is nothing to run for, and it says what to do.
func TestWithoutFilesAndLoginsItSaysWhatToDo(t *testing.T) {
	b := newBed(t, three)
	dir := b.blocked()
	err := newModule().Run(t.Context(), &sdk.Instance[settings]{Settings: b.settings(), Configuration: "default", Dir: b.dir})
	if err == nil || !strings.HasSuffix(err.Error(), "; see what is there: ls -ld "+dir) {
		t.Errorf("it ends with %v", err)
	}
}

// A list of formats takes the place of the former, and what goes is named before it does.
func TestFilesThatGoAreNamed(t *testing.T) {
	b := newBed(t, three)
	b.sync()
	b.set("pbx.formats", []string{"astdb"})
	const gone = "3 removed: directory.json, groups.csv, users.csv"
	for _, c := range []struct {
		dry  bool
		want string
	}{{true, "1 files would be written, " + gone}, {false, "1 files written, " + gone}, {false, "0 files written"}} {
		if got := b.last(c.dry); got != c.want {
			t.Errorf("dry %v: it says %q", c.dry, got)
		}
	}
	b.set("pbx.formats", []string{"csv"})
	r, err := b.try(true, false)
	if rows := r.shown().Rows; err != nil || strings.Join(rows[len(rows)-1], " ") != " file removed astdb.txt: it is not asked for any more" {
		t.Errorf("it shows %q, %v", rows, err)
	}
}
