package files_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/files"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/pbxtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestHandEditsAndLossesAreRepaired(t *testing.T) {
	dir, reloads := t.TempDir(), 0
	a := open(t, dir, twoFiles(func(context.Context) error { reloads++; return nil }))
	apply(t, a, generation(1))
	users, groups := filepath.Join(dir, "pbx", "users.json"), filepath.Join(dir, "pbx", "groups.json")
	want := content(t, users)
	if err := errors.Join(os.WriteFile(users, []byte("by hand"), 0o600), os.Remove(groups)); err != nil {
		t.Fatal(err)
	}
	r := apply(t, a, generation(1))
	if len(r.Files) != 2 || r.Updated+r.Created > 0 || content(t, users) != want || content(t, groups) == "" {
		t.Errorf("%+v, and %.20q", r, content(t, users))
	}
	if r = apply(t, a, generation(1)); r.Changed() || reloads != 1 {
		t.Errorf("%+v after %d reloads", r, reloads)
	}
}

func TestAReloadThatFailedIsRepeated(t *testing.T) {
	dir, reloads, fails := t.TempDir(), 0, true
	system := twoFiles(func(context.Context) error {
		reloads++
		if fails {
			return errors.New("nobody answers")
		}
		return nil
	})
	a := open(t, dir, system)
	r, err := a.Apply(t.Context(), pbx.Diff(pbx.State{}, generation(1)))
	if !errors.Is(err, pbx.ErrReload) || r.Created != crowd || r.Reloaded || !strings.Contains(err.Error(), "nobody answers") {
		t.Fatalf("%+v, %v", r, err)
	}
	a.Close()
	fails = false
	a = open(t, dir, system)
	if r := apply(t, a, generation(1)); !r.Reloaded || r.Changed() || reloads != 2 {
		t.Errorf("%+v after %d reloads", r, reloads)
	}
}

func TestFilesThatAreNotWantedAnyMoreGo(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, twoFiles(nil))
	apply(t, a, generation(1))
	a.Close()
	theirs := filepath.Join(dir, "pbx", "theirs.conf")
	if err := os.WriteFile(theirs, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	one := twoFiles(nil)
	both := one.Render
	one.Render = func(s pbx.State) ([]files.File, []pbx.Refusal) {
		fs, _ := both(s)
		return fs[:1], nil
	}
	a = open(t, dir, one)
	gone := []string{"groups.json"}
	if r, err := a.Preview(t.Context(), pbx.Plan{}); err != nil || !slices.Equal(r.Removed, gone) || content(t, filepath.Join(dir, "pbx", gone[0])) == "" {
		t.Errorf("a preview says %+v, %v", r, err)
	}
	if r := apply(t, a, generation(1)); !slices.Equal(r.Removed, gone) || !r.Changed() {
		t.Errorf("it says %+v", r)
	}
	if r := apply(t, a, generation(1)); len(r.Removed) > 0 {
		t.Errorf("the second time it says %+v", r)
	}
	if _, err := os.Stat(filepath.Join(dir, "pbx", "groups.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file that is not rendered any more: %v", err)
	}
	if _, err := os.Stat(theirs); err != nil {
		t.Errorf("a file of somebody else's: %v", err)
	}
}

func TestADamagedRecordChangesNothing(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"one letter": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"cut":        func(b []byte) []byte { return b[:len(b)-10] },
		"empty":      func([]byte) []byte { return nil },
		"newer":      func([]byte) []byte { return []byte(`{"format":99}` + "\n{}\n") },
	} {
		dir := t.TempDir()
		a := open(t, dir, twoFiles(nil))
		apply(t, a, generation(1))
		record := filepath.Join(dir, "own", "users.record")
		if err := os.WriteFile(record, damage([]byte(content(t, record))), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Read(t.Context()); !errors.Is(err, pbx.ErrDamaged) {
			t.Errorf("%s: Read: %v", name, err)
		}
		if _, err := a.Apply(t.Context(), pbx.Diff(pbx.State{}, generation(2))); !errors.Is(err, pbx.ErrDamaged) {
			t.Errorf("%s: Apply: %v", name, err)
		}
		if _, err := files.Open(config(dir), twoFiles(nil)); !errors.Is(err, pbx.ErrDamaged) {
			t.Errorf("%s: Open: %v", name, err)
		}
		if got := seen(t, filepath.Join(dir, "pbx", "users.json")); got != 1 {
			t.Errorf("%s: readers have generation %d", name, got)
		}
	}
}

func TestADirectoryHasOneOwner(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, twoFiles(nil))
	apply(t, a, generation(1))
	other := config(dir)
	other.Record = filepath.Join(dir, "other")
	if _, err := files.Open(other, twoFiles(nil)); !errors.Is(err, pbx.ErrBusy) || !strings.Contains(err.Error(), filepath.Join(dir, "own")) {
		t.Errorf("another record in the same directory: %v", err)
	}
	look := open(t, dir, twoFiles(nil)) // the same, opened to look while the first is open
	if s, err := look.Read(t.Context()); err != nil || generationOf(s) != 1 {
		t.Errorf("a second look: %v", err)
	}
}

func TestApplyWaitsForOthersAsLongAsItMay(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, twoFiles(nil))
	lock, err := os.Open(filepath.Join(dir, "pbx", ".culvert.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Apply(ctx, pbx.Diff(pbx.State{}, generation(1))); !errors.Is(err, pbx.ErrBusy) {
		t.Errorf("while somebody writes: %v", err)
	}
}

// A link that somebody put into the directory leads nowhere.
func TestLinksAreReplacedNotFollowed(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	a := open(t, dir, twoFiles(nil))
	err := errors.Join(os.Remove(filepath.Join(dir, "pbx", "users.json")), os.WriteFile(victim, []byte("untouched"), 0o600), os.Symlink(victim, filepath.Join(dir, "pbx", "users.json")),
		os.Symlink(victim, filepath.Join(dir, "pbx", ".users.json.new")))
	if err != nil {
		t.Fatal(err)
	}
	apply(t, a, generation(1))
	if content(t, victim) != "untouched" || seen(t, filepath.Join(dir, "pbx", "users.json")) != 1 {
		t.Error("a link was followed")
	}
}

func TestAFullDiskChangesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skip("a small file system cannot be mounted: ", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	a := open(t, dir, twoFiles(nil))
	defer a.Close()
	apply(t, a, generation(1))
	if err := os.WriteFile(filepath.Join(dir, "pbx", "filler"), make([]byte, 1<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	_, err := a.Apply(t.Context(), pbx.Diff(read(t, a), generation(2)))
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("a full disk: %v", err)
	}
	if g := generationOf(survey(t, dir)); g != 1 {
		t.Errorf("generation %d is there", g)
	}
	if err := os.Remove(filepath.Join(dir, "pbx", "filler")); err != nil {
		t.Fatal(err)
	}
	apply(t, a, generation(2))
	survey(t, dir)
}

func TestUsersOfThePBXsOwn(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, twoFiles(nil))
	local := filepath.Join(dir, "pbx", files.LocalName)
	text := "\ufefflogin,display_name,extension,mail,admin\nroot,\"Who, else\",11,root@example.com,yes\nlift,Lift,12,,\n"
	if err := os.WriteFile(local, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	have := read(t, a)
	if len(have.Users) != 2 || !have.Users[0].Protected || !have.Users[1].Protected {
		t.Fatalf("%+v", have.Users)
	}
	want := have.Clone()
	want.PutUser(pbx.User{ID: "anna", Login: "anna", Extension: "11", Status: pbx.Active})
	var fs tunnel.Findings
	if _, err := a.Apply(t.Context(), pbx.Diff(have, want)); !errors.As(err, &fs) || fs[0].Code != tunnel.Exists {
		t.Errorf("their extension for somebody else: %v", err)
	}
	want = have.Clone()
	want.Users[0].Extension = "13"
	if _, err := a.Apply(t.Context(), pbx.Diff(have, want)); !errors.Is(err, pbx.ErrProtected) {
		t.Errorf("another extension for them: %v", err)
	}
	want = have.Clone()
	want.PutUser(pbx.User{ID: "anna", Login: "anna", Extension: "14", Status: pbx.Active})
	apply(t, a, want)
	if err := os.Remove(local); err != nil {
		t.Fatal(err)
	}
	if have := read(t, a); len(have.Users) != 1 || have.Users[0].ID != "anna" {
		t.Errorf("without their file there are %+v", have.Users)
	}
}

func TestUsersOfThePBXsOwnThatAreWritingErrors(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, twoFiles(nil))
	for text, want := range map[string]string{
		"login,color\nx,red\n":       `there is no column "color"`,
		"login,extension\nx,12;13\n": "row 2: extension",
		"extension\n12\n":            "row 2: id",
		"login\n\"x\n":               files.LocalName,
	} {
		if err := os.WriteFile(filepath.Join(dir, "pbx", files.LocalName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Read(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A directory that cannot be written is named, by Try before anything is to be written, and by Apply.
func TestADirectoryThatCannotBeWrittenIsNamed(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, twoFiles(nil))
	if err := errors.Join(a.Try(t.Context()), os.RemoveAll(filepath.Join(dir, "pbx"))); err != nil {
		t.Fatal(err)
	}
	_, applied := a.Apply(t.Context(), pbx.Diff(pbx.State{}, generation(1)))
	for what, err := range map[string]error{"Try": a.Try(t.Context()), "Apply": applied} {
		var e *files.Error
		if !errors.As(err, &e) || e.Dir != filepath.Join(dir, "pbx") || !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", what, err)
		}
	}
	blocked := config(dir)
	blocked.Dir = filepath.Join(dir, "file", "users")
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := files.Open(blocked, twoFiles(nil)); err == nil || !strings.Contains(err.Error(), blocked.Dir+" cannot be opened") {
		t.Errorf("Open: %v", err)
	}
}

// Try leaves nothing, and fails where only new files cannot be made.
func TestTryWritesForTheTryAlone(t *testing.T) {
	dir := t.TempDir()
	small := filepath.Join(dir, "pbx")
	if err := os.Mkdir(small, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=256k"); err != nil {
		t.Skip("a small file system cannot be mounted: ", err)
	}
	defer unix.Unmount(small, unix.MNT_DETACH)
	a := open(t, dir, twoFiles(nil))
	defer a.Close()
	before, _ := os.ReadDir(small)
	if err := a.Try(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found, err := os.ReadDir(small); err != nil || len(found) != len(before) {
		t.Errorf("where %v was, it leaves %v, %v", before, found, err)
	}
	if err := os.WriteFile(filepath.Join(small, "filler"), make([]byte, 1<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	var e *files.Error
	if err := a.Try(t.Context()); !errors.As(err, &e) || e.Dir != small || !errors.Is(err, unix.ENOSPC) {
		t.Errorf("on a full disk: %v", err)
	}
}

// A directory that is the group's, with the bit that hands that on, makes files that the group reads.
func TestFilesAreOfTheDirectorysGroup(t *testing.T) {
	dir, group := t.TempDir(), 4242
	shared := filepath.Join(dir, "shared")
	if err := os.Mkdir(shared, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(shared, -1, group); err != nil {
		t.Skip("only root gives a directory to another group: ", err)
	}
	if err := os.Chmod(shared, 0o750|os.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	c := config(dir)
	c.Dir = filepath.Join(shared, "users")
	a, err := files.Open(c, twoFiles(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	apply(t, a, pbxtest.Sample())
	for name, want := range map[string]os.FileMode{"": os.ModeDir | os.ModeSetgid | 0o750, "users.json": 0o640} {
		var st unix.Stat_t
		path := filepath.Join(c.Dir, name)
		i, err := os.Stat(path)
		if err = errors.Join(err, unix.Stat(path, &st)); err != nil || int(st.Gid) != group || i.Mode() != want {
			t.Errorf("%s: group %d, %v, %v", path, st.Gid, i.Mode(), err)
		}
	}
}

func TestReadersOfTheGroupMayRead(t *testing.T) {
	dir := t.TempDir()
	apply(t, open(t, dir, twoFiles(nil)), pbxtest.Sample())
	i, err := os.Stat(filepath.Join(dir, "pbx", "users.json"))
	if err != nil || i.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", i.Mode(), err)
	}
}

func open(t *testing.T, dir string, s files.System) *files.Adapter {
	t.Helper()
	a, err := files.Open(config(dir), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func read(t *testing.T, a pbx.Adapter) pbx.State {
	t.Helper()
	s, err := a.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func apply(t *testing.T, a pbx.Adapter, want pbx.State) pbx.Result {
	t.Helper()
	r, err := a.Apply(t.Context(), pbx.Diff(read(t, a), want))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func content(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
