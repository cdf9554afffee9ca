package netbed

import (
	"bytes"
	"errors"
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
	"time"
)

const sshd = "/usr/sbin/sshd"

// SSHDOptions say how an sshd is.
type SSHDOptions struct {
	Port    int      // required
	Keys    []string // lines of authorized_keys, for every user
	KeyType string   // of the host key, as it follows ssh-keygen -t: "ecdsa", "rsa -b 3072"; default ed25519
	Config  []string // further lines of sshd_config; the first that sets a keyword counts
}

// SSHD is OpenSSH's own sshd in a namespace. Its methods are safe for concurrent use.
type SSHD struct {
	Addr string // address:port

	in  *Namespace
	dir string

	mu   sync.Mutex
	proc *exec.Cmd
	log  *buffer
}

// SSHD starts an sshd at the namespace's address and waits until it listens.
func (b *Bed) SSHD(in *Namespace, o SSHDOptions) (*SSHD, error) {
	host := map[*Namespace]string{b.PBX: PBXAddr, b.Srv: SrvAddr, b.Evil: EvilAddr}[in]
	s := &SSHD{Addr: net.JoinHostPort(host, strconv.Itoa(o.Port)), in: in, log: &buffer{}}
	var err error
	if s.dir, err = os.MkdirTemp(b.dir, fmt.Sprintf("sshd-%s-%d-", in.Name, o.Port)); err != nil {
		return nil, err
	}
	if err := os.Chmod(s.dir, 0o755); err != nil {
		return nil, err
	}
	if err := s.NewHostKey(o.KeyType); err != nil {
		return nil, err
	}
	if err := s.write(o); err != nil {
		return nil, err
	}
	b.onClose(s.Stop)
	return s, s.Start()
}

func (s *SSHD) path(name string) string { return filepath.Join(s.dir, name) }

func (s *SSHD) write(o SSHDOptions) error {
	lines := slices.Concat(o.Config, []string{
		"ListenAddress " + s.Addr, "HostKey " + s.path("host_key"), "AuthorizedKeysFile " + s.path("authorized_keys"),
		"PidFile none", "StrictModes no", "UsePAM no", "LogLevel VERBOSE", "PermitRootLogin yes",
	})
	return errors.Join(os.WriteFile(s.path("sshd_config"), []byte(strings.Join(lines, "\n")+"\n"), 0o644), s.Authorize(o.Keys...))
}

// Authorize replaces the keys that may log in.
func (s *SSHD) Authorize(keys ...string) error {
	return os.WriteFile(s.path("authorized_keys"), []byte(strings.Join(keys, "\n")+"\n"), 0o644)
}

// NewHostKey makes a new host key, which a running sshd shows after Stop and Start.
func (s *SSHD) NewHostKey(kind string) error {
	if kind == "" {
		kind = "ed25519"
	}
	os.Remove(s.path("host_key"))
	args := append([]string{"-q", "-N", "", "-f", s.path("host_key"), "-t"}, strings.Fields(kind)...)
	out, err := exec.Command("ssh-keygen", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ssh-keygen: %w: %s", err, out)
	}
	return nil
}

// Fingerprint is the host key's SHA-256, as ssh-keygen prints it.
func (s *SSHD) Fingerprint() (string, error) {
	out, err := exec.Command("ssh-keygen", "-lf", s.path("host_key.pub")).Output()
	if f := strings.Fields(string(out)); err == nil && len(f) > 1 {
		return f[1], nil
	}
	return "", fmt.Errorf("ssh-keygen: %w: %s", err, out)
}

// Start starts the sshd again after Stop.
func (s *SSHD) Start() error {
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // sshd insists on it
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log.reset()
	s.proc = exec.Command(sshd, "-D", "-e", "-f", s.path("sshd_config"))
	s.proc.Stderr = s.log
	s.proc.WaitDelay = time.Second // sessions hold its standard error
	if err := s.in.StartTree(s.proc); err != nil {
		s.proc = nil
		return err
	}
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(s.log.String(), "Server listening on"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("sshd at %s does not listen: %s", s.Addr, s.log)
		}
	}
	return nil
}

// Stop ends the sshd with all its sessions; the kernel closes their connections.
func (s *SSHD) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return
	}
	_ = s.proc.Process.Kill()
	_ = s.proc.Wait()
	s.proc = nil
}

// Sessions are the pids of the sshd's children, one for each connection.
func (s *SSHD) Sessions() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return nil
	}
	pid := s.proc.Process.Pid
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	var all []int
	for _, f := range strings.Fields(string(text)) {
		if n, err := strconv.Atoi(f); err == nil {
			all = append(all, n)
		}
	}
	return all
}

// KillSessions kills the sessions, as a crash of sshd's child does; the sshd goes on. It reports how many there were.
func (s *SSHD) KillSessions() int { return s.signal(syscall.SIGKILL) }

// Freeze stops the sessions as they are: the kernel acknowledges for them, and nobody answers.
func (s *SSHD) Freeze() int { return s.signal(syscall.SIGSTOP) }

// Thaw has them go on.
func (s *SSHD) Thaw() int { return s.signal(syscall.SIGCONT) }

// FreezeListener stops the sshd itself beside its sessions: it accepts nothing until ThawListener.
func (s *SSHD) FreezeListener() { s.signalSelf(syscall.SIGSTOP) }

// ThawListener has the sshd go on.
func (s *SSHD) ThawListener() { s.signalSelf(syscall.SIGCONT) }

func (s *SSHD) signal(sig syscall.Signal) int {
	all := s.Sessions()
	for _, pid := range all {
		_ = syscall.Kill(pid, sig)
	}
	return len(all)
}

func (s *SSHD) signalSelf(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil {
		_ = s.proc.Process.Signal(sig)
	}
}

// Log is all that the sshd has written since it was last started.
func (s *SSHD) Log() string { return s.log.String() }

// buffer collects what a process writes, the last 4 MiB of it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *buffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.b.Len() > 4<<20 {
		l.b.Next(1 << 20)
	}
	return l.b.Write(p)
}

func (l *buffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *buffer) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}
