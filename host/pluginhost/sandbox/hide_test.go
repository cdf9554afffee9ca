package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// service is a directory in hidden, as one of the machine's services has, with what the test needs in it: a name that ends
// in / is a directory's, all else are files that hold their names.
func service(t *testing.T, names ...string) string {
	t.Helper()
	if !mountsWork() {
		t.Skip("a process can have no mounts of its own here")
	}
	dir, err := os.MkdirTemp(hidden, "hide")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, name := range names {
		path := filepath.Join(dir, name)
		if name[len(name)-1] == '/' {
			err = os.MkdirAll(path, 0o755)
		} else {
			err = os.WriteFile(path, []byte(name), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// grantRead opens paths as grants of reading are opened.
func grantRead(t *testing.T, paths ...string) (p Plan) {
	t.Helper()
	for _, path := range paths {
		fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		p.Read, p.Granted = append(p.Read, fd), append(p.Granted, path)
	}
	return p
}

// within has a thread hide what p does not mean, and look then. The thread ends with it, and so does its view.
func within(t *testing.T, p Plan, look func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := hide(p)
		if err == nil && look != nil {
			err = look()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// seen is all that lies in dir: directories as NAME/, links as NAME -> TARGET and files as NAME: CONTENT.
func seen(dir string) (all []string, err error) {
	err = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name := path[len(dir)+1:]
		switch {
		case e.IsDir():
			all = append(all, name+"/")
		case e.Type() == os.ModeSymlink:
			to, _ := os.Readlink(path)
			all = append(all, name+" -> "+to)
		default:
			b, _ := os.ReadFile(path)
			all = append(all, name+": "+string(b))
		}
		return nil
	})
	return all, err
}

func wantSeen(dir string, want ...string) error {
	if all, err := seen(dir); err != nil || !slices.Equal(all, want) {
		return errors.Join(err, errors.New("seen: "+quote(all)+", wanted: "+quote(want)))
	}
	return nil
}

func quote(all []string) (s string) {
	for _, one := range all {
		s += "[" + one + "] "
	}
	return s
}

// TestHidingTouchesNothingOfTheMachine: whatever was granted, and in whatever order its names sort, all of it is seen once,
// and outside all is as it was.
func TestHidingTouchesNothingOfTheMachine(t *testing.T) {
	dir := service(t, "a/", "a/c", "a/d/", "a/d/e", "a-b/", "a.file", "other")
	if err := os.Symlink("d", dir+"/a/link"); err != nil {
		t.Fatal(err)
	}
	before, err := seen(dir)
	if err != nil {
		t.Fatal(err)
	}
	p := grantRead(t, dir+"/a.file", dir+"/a/d/e", dir+"/a", dir+"/a-b", dir+"/a/c", dir+"/a/link/e")
	p.Own = []string{dir + "/a/d", dir + "/not-there"}
	within(t, p, func() error {
		return wantSeen(dir, slices.DeleteFunc(slices.Clone(before), func(s string) bool { return s == "other: other" })...)
	})
	if err := wantSeen(dir, before...); err != nil {
		t.Errorf("outside: %v", err)
	}
}

// TestNothingIsAddedToWhatIsHidden: neither within, where all is read only, nor outside, where the machine shares its mounts
// as systemd has it.
func TestNothingIsAddedToWhatIsHidden(t *testing.T) {
	dir := service(t, "shared/")
	shared := dir + "/shared"
	if err := errors.Join(unix.Mount("culvert", shared, "tmpfs", 0, "size=1m"), unix.Mount("", shared, "", unix.MS_SHARED, "")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(shared, unix.MNT_DETACH) })
	if err := os.Mkdir(shared+"/below", 0o755); err != nil {
		t.Fatal(err)
	}
	within(t, grantRead(t, shared), func() error {
		if err := os.Mkdir(dir+"/more", 0o755); !errors.Is(err, unix.EROFS) {
			return errors.Join(errors.New("a directory is made"), err)
		}
		err := unix.Mount("culvert", shared+"/below", "tmpfs", 0, "size=1m")
		return errors.Join(err, os.WriteFile(shared+"/below/within", nil, 0o600))
	})
	if err := wantSeen(dir, "shared/", "shared/below/"); err != nil {
		t.Error(err)
	}
}

// TestAGrantIsSeenByItsName though that leads through links, within what is hidden and out of it.
func TestAGrantIsSeenByItsName(t *testing.T) {
	dir, out := service(t, "real/", "real/file", "other"), t.TempDir()
	if err := errors.Join(os.Symlink("real", dir+"/link"), os.Symlink(out, dir+"/out"), os.Symlink("other", dir+"/unused")); err != nil {
		t.Fatal(err)
	}
	within(t, grantRead(t, dir+"/link", dir+"/out"), func() error {
		return wantSeen(dir, "link -> real", "out -> "+out, "real/", "real/file: real/file")
	})
	within(t, grantRead(t, dir+"/link/file"), func() error {
		return wantSeen(dir, "link -> real", "real/", "real/file: real/file")
	})
}

// TestWhatIsShownIsWhatWasGranted: not what lies in its place by then, be it a link to something else.
func TestWhatIsShownIsWhatWasGranted(t *testing.T) {
	dir := service(t, "granted/", "granted/mine", "alone", "gone/", "secret/", "secret/sock")
	p := grantRead(t, dir+"/granted", dir+"/alone", dir+"/gone")
	if err := errors.Join(os.Rename(dir+"/granted", dir+"/moved"), os.Symlink("secret", dir+"/granted"), os.Remove(dir+"/alone"), os.Symlink("secret/sock", dir+"/alone"), os.Remove(dir+"/gone")); err != nil {
		t.Fatal(err)
	}
	within(t, p, func() error {
		return wantSeen(dir, "alone -> secret/sock", "granted -> secret", "moved/", "moved/mine: granted/mine")
	})
	within(t, Plan{Sockets: []string{dir + "/granted"}}, func() error { // a path of the host's own is followed as ever
		return wantSeen(dir, "granted -> secret", "secret/", "secret/sock: secret/sock")
	})
}

// TestALinkIsNotTaken where one took the place of what a path led to.
func TestALinkIsNotTaken(t *testing.T) {
	dir := service(t, "secret/", "secret/sock")
	if err := os.Symlink("secret", dir+"/own"); err != nil {
		t.Fatal(err)
	}
	if s, err := clone(dir+"/own", 0, false); !errors.Is(err, unix.ELOOP) {
		t.Errorf("%+v, %v", s, err)
	}
}
