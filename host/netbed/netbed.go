// Package netbed is a small internet for tests and long runs: a PBX, a router and a site in network namespaces of their
// own, with a stranger beside them, and every fault that a path between them can have. Tests of the real programs use it
// and cmd/soak; it needs no testing package.
//
//	pbx 10.99.1.1 ---- wan (router, iptables) ---- srv 10.99.2.1
//	                    |
//	                   evil 10.99.3.1
//
// It promises to reach nothing outside: no namespace has a way out. Namespaces have no names in the file system, so beds
// run side by side and nothing is left of one: its processes die with the threads that started them, also when the
// process that made the bed is killed, and the kernel removes a namespace with its last user.
package netbed

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// The addresses in every bed.
const (
	PBXAddr  = "10.99.1.1"
	SrvAddr  = "10.99.2.1"
	EvilAddr = "10.99.3.1"
)

// Bed is one small internet. Its methods are safe for concurrent use.
type Bed struct {
	PBX, Wan, Srv, Evil *Namespace

	dir string

	mu     sync.Mutex
	rules  map[int][]rule // in force, by the port of the flow they break; 0 for those of all flows
	nat    []rule         // the one that masquerades now
	ports  int            // how often that one was exchanged
	closer []func()       // last first
}

// Missing says why no bed can be made here, nil where one can.
func Missing() error {
	if os.Getuid() != 0 {
		return errors.New("network namespaces can be made only by root")
	}
	for _, tool := range []string{"ip", "iptables", "ss", sshd} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s is not installed (packages iproute2, iptables, openssh-server)", tool)
		}
	}
	if _, err := os.Stat(tunDevice); err != nil {
		return fmt.Errorf("the kernel offers no %s", tunDevice)
	}
	n, err := newNamespace("none")
	if err != nil {
		return fmt.Errorf("network namespaces cannot be made here: %w", err)
	}
	n.close()
	return nil
}

// New makes a bed in which everything reaches everything. Who calls it calls Close.
func New() (bed *Bed, err error) {
	if err := Missing(); err != nil {
		return nil, err
	}
	sweep()
	b := &Bed{rules: map[int][]rule{}}
	defer func() {
		if err != nil {
			b.Close()
		}
	}()
	if b.dir, err = os.MkdirTemp("", fmt.Sprintf("%s%d-", dirPrefix, os.Getpid())); err != nil {
		return nil, err
	}
	b.onClose(func() { os.RemoveAll(b.dir) })
	if err := os.Chmod(b.dir, 0o755); err != nil { // sshd reads authorized_keys as the user who logs in
		return nil, err
	}
	for _, n := range []struct {
		at   **Namespace
		name string
	}{{&b.Wan, "wan"}, {&b.PBX, "pbx"}, {&b.Srv, "srv"}, {&b.Evil, "evil"}} {
		if *n.at, err = newNamespace(n.name); err != nil {
			return nil, fmt.Errorf("namespace %s: %w", n.name, err)
		}
		b.onClose((*n.at).close)
	}
	return b, b.wire()
}

// wire joins the namespaces with the router.
func (b *Bed) wire() error {
	for i, n := range []*Namespace{b.PBX, b.Srv, b.Evil} {
		w, net := fmt.Sprintf("w%d", i+1), fmt.Sprintf("10.99.%d.", i+1)
		for _, step := range []struct {
			in   *Namespace
			args string
		}{
			{b.Wan, fmt.Sprintf("link add %s type veth peer name e0 netns %d", w, n.tid)},
			{b.Wan, "addr add " + net + "254/24 dev " + w},
			{b.Wan, "link set " + w + " up"},
			{n, "addr add " + net + "1/24 dev e0"},
			{n, "link set e0 up"},
			{n, "route add default via " + net + "254"},
		} {
			if _, err := step.in.Run("ip", strings.Fields(step.args)...); err != nil {
				return err
			}
		}
	}
	return b.Wan.sysctl("net/ipv4/ip_forward", "1")
}

// Close ends every process of the bed and removes it.
func (b *Bed) Close() {
	b.mu.Lock()
	all := b.closer
	b.closer = nil
	b.mu.Unlock()
	for i := len(all) - 1; i >= 0; i-- {
		all[i]()
	}
}

func (b *Bed) onClose(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closer = append(b.closer, f)
}

const dirPrefix = "culvert-bed-"

// sweep removes the directories of beds whose makers are gone without having closed them.
func sweep() {
	all, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	for _, dir := range all {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), dirPrefix), "-")
		n, err := strconv.Atoi(pid)
		if err == nil && errors.Is(syscall.Kill(n, 0), syscall.ESRCH) {
			os.RemoveAll(dir)
		}
	}
}
