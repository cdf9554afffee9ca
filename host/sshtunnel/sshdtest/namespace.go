package sshdtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Files are put in the place of those of the machine, by path, for one server and what it starts: it runs in a mount
// namespace of its own. The machine's own files stay as they are; each path must exist there.
type Files map[string]string

// User is an account that only one server knows.
type User struct {
	Name   string
	Home   string // an existing folder; made when ""
	Shell  string // default /usr/sbin/nologin
	Shadow string // the fields of /etc/shadow after the name; default "*:20000::::::": no password, never expires
}

// UserID is that of every User.
const UserID = 4711

// With adds users to what a server finds in /etc/passwd and /etc/shadow.
func (f Files) With(t testing.TB, users ...User) Files {
	t.Helper()
	out := Files{}
	for path, text := range f {
		out[path] = text
	}
	for _, path := range []string{"/etc/passwd", "/etc/shadow"} {
		if out[path] == "" {
			text, err := os.ReadFile(path)
			check(t, err)
			out[path] = string(text)
		}
	}
	for _, u := range users {
		if u.Home == "" {
			u.Home = Home(t)
		}
		if u.Shell == "" {
			u.Shell = "/usr/sbin/nologin"
		}
		if u.Shadow == "" {
			u.Shadow = "*:20000::::::"
		}
		out["/etc/passwd"] += fmt.Sprintf("%s:x:%d:%d::%s:%s\n", u.Name, UserID, UserID, u.Home, u.Shell)
		out["/etc/shadow"] += u.Name + ":" + u.Shadow + "\n"
	}
	return out
}

// Home makes a home that belongs to UserID, with these lines in its authorized_keys.
func Home(t testing.TB, lines ...string) string {
	t.Helper()
	home, err := os.MkdirTemp("", "home")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(home) })
	check(t, os.Mkdir(filepath.Join(home, ".ssh"), 0o700))
	check(t, os.WriteFile(filepath.Join(home, ".ssh", "authorized_keys"), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	for _, path := range []string{home, filepath.Join(home, ".ssh"), filepath.Join(home, ".ssh", "authorized_keys")} {
		check(t, os.Chown(path, UserID, UserID))
	}
	return home
}

// command is the command of a server that finds f in place of the machine's files, which are copied to dir.
func (f Files) command(t testing.TB, dir, name string, args ...string) *exec.Cmd {
	t.Helper()
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if len(f) == 0 {
		cmd := exec.Command(name, args...)
		cmd.SysProcAttr = attr
		return cmd
	}
	script := []string{"mount --make-rprivate /"}
	for path, text := range f {
		own := filepath.Join(dir, strings.ReplaceAll(path, "/", "_"))
		check(t, os.WriteFile(own, []byte(text), 0o600))
		if info, err := os.Stat(path); err == nil {
			check(t, os.Chmod(own, info.Mode()))
		}
		script = append(script, "mount --bind "+own+" "+path)
	}
	slices.Sort(script[1:])
	script = append(script, `exec "$0" "$@"`)
	cmd := exec.Command("/bin/sh", append([]string{"-ec", strings.Join(script, "\n"), name}, args...)...)
	attr.Unshareflags = syscall.CLONE_NEWNS
	cmd.SysProcAttr = attr
	return cmd
}
