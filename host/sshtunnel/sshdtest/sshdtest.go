// Package sshdtest starts OpenSSH's own sshd, or a Dropbear, for a test, with a configuration and accounts of its own, on a
// loopback port. It needs root and /usr/sbin/sshd; without them the test is skipped and says so. Everything it starts ends
// with the test, and no file of the machine is touched.
package sshdtest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/porttest"
)

const sshd = "/usr/sbin/sshd"

// Options say how the sshd is; the zero Options takes no key.
type Options struct {
	Addr           string   // address to listen on, default 127.0.0.1
	Port           int      // default: a free one
	AuthorizedKeys []string // lines for every user
	KeyType        string   // of the host key, as ssh-keygen -t takes it; default ed25519
	Config         []string // further lines of sshd_config; the first that sets a keyword counts
	Files          Files    // that it finds in place of the machine's
}

// Server is a running sshd.
type Server struct {
	Host string
	Port int

	dir   string
	files Files
	log   *log
	mu    sync.Mutex
	proc  *exec.Cmd
	wait  func() // for the end of proc
}

// log collects what sshd writes.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// Need skips the test where no sshd can be started.
func Need(t testing.TB) {
	t.Helper()
	if _, err := os.Stat(sshd); err != nil {
		t.Skip("skipped: needs " + sshd + " (package openssh-server)")
	}
	if os.Getuid() != 0 {
		t.Skip("skipped: sshd must be started by root to let users in")
	}
}

// Start starts an sshd and waits until it listens.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	Need(t)
	if o.Addr == "" {
		o.Addr = "127.0.0.1"
	}
	if o.Port == 0 {
		o.Port = porttest.Free(t)
	}
	dir, err := os.MkdirTemp("", "sshd")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	check(t, os.Chmod(dir, 0o755)) // authorized_keys is read as the user who logs in
	s := &Server{Host: o.Addr, Port: o.Port, dir: dir, files: o.Files, log: &log{}}
	s.NewHostKey(t, o.KeyType)
	s.write(t, o)
	s.Start(t)
	t.Cleanup(s.Stop)
	return s
}

func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *Server) write(t testing.TB, o Options) {
	t.Helper()
	check(t, os.WriteFile(s.path("authorized_keys"), []byte(strings.Join(o.AuthorizedKeys, "\n")+"\n"), 0o644))
	lines := slices.Concat(o.Config, []string{
		"ListenAddress " + net.JoinHostPort(o.Addr, strconv.Itoa(o.Port)),
		"HostKey " + s.path("host_key"),
		"AuthorizedKeysFile " + s.path("authorized_keys"),
		"PidFile none", "StrictModes no", "UsePAM no", "LogLevel VERBOSE", "PermitRootLogin yes",
	})
	if !slices.ContainsFunc(o.Config, func(l string) bool { return strings.HasPrefix(l, "MaxStartups") }) { // there the last counts
		lines = append(lines, "MaxStartups 100:30:200")
	}
	check(t, os.WriteFile(s.path("sshd_config"), []byte(strings.Join(lines, "\n")+"\n"), 0o644))
}

// NewHostKey makes a new host key; a running sshd shows it after Stop and Start, or Reload, and the old one after back and the
// same.
func (s *Server) NewHostKey(t testing.TB, kind string) (back func()) {
	t.Helper()
	if kind == "" {
		kind = "ed25519"
	}
	old, key := s.path("old_host_key"), s.path("host_key")
	_ = os.Rename(key, old) // there is none at first
	run(t, "ssh-keygen", "-q", "-t", kind, "-N", "", "-f", key)
	return func() { check(t, os.Rename(old, key)) }
}

// Fingerprint is the host key's, by "sha256" or "md5", as ssh-keygen prints it.
func (s *Server) Fingerprint(t testing.TB, hash string) string {
	t.Helper()
	return strings.Fields(run(t, "ssh-keygen", "-E", hash, "-lf", s.path("host_key.pub")))[1]
}

// Start starts the sshd again after Stop.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	check(t, os.MkdirAll("/run/sshd", 0o755)) // sshd insists on it
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proc = s.files.command(t, s.dir, sshd, "-D", "-e", "-f", s.path("sshd_config"))
	s.proc.Stderr = s.log
	s.proc.WaitDelay = time.Second // sessions hold its standard error
	var err error
	s.wait, err = spawn(s.proc)
	check(t, err)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if strings.Contains(s.Log(), "Server listening on") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("sshd does not listen: %s", s.Log())
		}
	}
}

// Stop ends the sshd and all its sessions.
func (s *Server) Stop() {
	s.Cut()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return
	}
	_ = s.proc.Process.Kill()
	s.wait()
	s.proc = nil
	s.log.mu.Lock()
	s.log.b.Reset()
	s.log.mu.Unlock()
}

// Reload has the sshd read its files again; its sessions go on.
func (s *Server) Reload(t testing.TB) {
	t.Helper()
	const listens = "Server listening on"
	before := strings.Count(s.Log(), listens)
	s.mu.Lock()
	check(t, s.proc.Process.Signal(syscall.SIGHUP))
	s.mu.Unlock()
	for deadline := time.Now().Add(10 * time.Second); strings.Count(s.Log(), listens) == before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("sshd does not listen again: %s", s.Log())
		}
	}
}

// Cut kills the sessions, as a crash of sshd's child does; the sshd goes on.
func (s *Server) Cut() { s.signal(syscall.SIGKILL) }

// Freeze stops the sessions as they are: their connections stand, and nobody reads them or answers.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw has them go on.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	for _, pid := range s.Sessions() {
		_ = syscall.Kill(pid, sig)
	}
}

// Sessions are the pids of the sshd's children: one per connection.
func (s *Server) Sessions() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return nil
	}
	return children(s.proc.Process.Pid)
}

// children are the processes that pid has started.
func children(pid int) []int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	var all []int
	for _, f := range strings.Fields(string(text)) {
		if n, err := strconv.Atoi(f); err == nil {
			all = append(all, n)
		}
	}
	return all
}

func kill(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }

// Log is all that the sshd has written since it started.
func (s *Server) Log() string {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.log.b.String()
}

// Bound returns the addresses on which somebody on this machine listens at port, sorted, as ss shows them.
func Bound(t testing.TB, port int) []string {
	t.Helper()
	var all []string
	for _, line := range strings.Split(run(t, "ss", "-Hltn", fmt.Sprintf("sport = :%d", port)), "\n") {
		if f := strings.Fields(line); len(f) > 3 {
			all = append(all, strings.TrimSuffix(f[3], ":"+strconv.Itoa(port)))
		}
	}
	slices.Sort(all)
	return all
}

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
	return string(out)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
