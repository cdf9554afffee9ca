package pluginhost

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// nest makes directories in each other, so deep that no path names the last, with a file in each.
func nest(t *testing.T, path string, depth int) {
	t.Helper()
	must(t, os.MkdirAll(path, 0o700))
	at, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	for range depth {
		must(t, unix.Mkdirat(at, "d", 0o700))
		must(t, unix.Mknodat(at, "file", unix.S_IFREG|0o600, 0))
		next, err := unix.Openat(at, "d", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		must(t, err)
		unix.Close(at)
		at = next
	}
	unix.Close(at)
}

// TestNothingThatAModuleLeavesKeepsTheHostFromStarting: its directory may be deeper than the host has descriptors, wide,
// closed to its owner, or a link to elsewhere.
func TestNothingThatAModuleLeavesKeepsTheHostFromStarting(t *testing.T) {
	t.Parallel()
	dir, sockets := t.TempDir(), shortDir(t)
	tmp := func(module string) string { return filepath.Join(dir, "state", "modules", module, ".tmp") }
	nest(t, tmp("deep"), 400)
	nest(t, filepath.Join(dir, "state", "modules", ".describe", "x"), 400)
	nest(t, filepath.Join(dir, "state", "modules", ".trash", "0"), 300)
	for i := range 300 {
		must(t, os.MkdirAll(filepath.Join(tmp("wide"), fmt.Sprint(i), "a", "b"), 0o700))
	}
	must(t, os.MkdirAll(filepath.Join(tmp("closed"), "a", "b"), 0o700))
	for _, d := range []string{"a/b", "a", ""} {
		must(t, os.Chmod(filepath.Join(tmp("closed"), d), 0))
	}
	keep := filepath.Join(dir, "keep")
	must(t, os.MkdirAll(filepath.Join(keep, "sub"), 0o755))
	must(t, os.MkdirAll(filepath.Dir(tmp("link")), 0o700))
	link(t, keep, tmp("link"))
	must(t, os.MkdirAll(tmp("inner"), 0o700))
	link(t, keep, filepath.Join(tmp("inner"), "link"))

	if os.Geteuid() == 0 { // who is root is kept out by no mode
		out, err := exec.Command("chown", "-hR", "65534:65534", dir).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for d := dir; d != "/tmp" && d != "/"; d = filepath.Dir(d) {
			must(t, os.Chmod(d, 0o755))
		}
		must(t, os.Chown(sockets, 65534, 65534))
	}
	self := filepath.Join(shortDir(t), "host")
	b, err := os.ReadFile("/proc/self/exe")
	must(t, err)
	write(t, self, string(b), 0o755)
	must(t, os.Chmod(filepath.Dir(self), 0o755))
	host := exec.Command(self)
	host.Env = append(os.Environ(), prepareEnv+"="+dir+","+sockets)
	if os.Geteuid() == 0 {
		host.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	if out, err := host.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, gone := range []string{tmp("deep"), tmp("wide"), tmp("closed"), tmp("link"), tmp("inner"), filepath.Join(dir, "state/modules/.describe")} {
		if _, err := os.Lstat(gone); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", gone, err)
		}
	}
	if left, err := os.ReadDir(filepath.Join(dir, "state", "modules", ".trash")); err != nil || len(left) > 0 {
		t.Errorf("left in the trash: %v, %v", left, err)
	}
	if st, err := os.Stat(filepath.Join(keep, "sub")); err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("what a link led to: %v, %v", st, err)
	}
}

// prepareEnv makes the test binary a host with few descriptors, that clears away what others left and ends.
const prepareEnv = "CULVERT_TEST_PREPARE"

func prepareOnly(dir, sockets string) error {
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 100, Max: 100}); err != nil {
		return err
	}
	return newRigIn(printer{}, dir, sockets).prepare()
}
