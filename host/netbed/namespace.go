package netbed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Namespace is one machine of the bed as far as its network goes: its interfaces, ports, routes and rules. Files and
// processes are those of the machine that everything runs on. Its methods are safe for concurrent use.
type Namespace struct {
	Name string

	tid  int      // of the thread that lives in it
	file *os.File // the namespace
	work chan func()
	quit chan struct{}
	gone chan struct{}
}

func newNamespace(name string) (*Namespace, error) {
	n := &Namespace{Name: name, work: make(chan func()), quit: make(chan struct{}), gone: make(chan struct{})}
	made := make(chan error)
	go n.live(made)
	if err := <-made; err != nil {
		return nil, err
	}
	if _, err := n.Run("ip", "link", "set", "lo", "up"); err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// live is the thread of the namespace. What it starts is in the namespace and dies with the thread, which ends with this
// function because it is never unlocked.
func (n *Namespace) live(made chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == os.Getpid() { // the process's first thread would not end
		go n.live(made) // on another one, since this one is taken until that one is done
		<-n.gone
		runtime.UnlockOSThread()
		return
	}
	defer close(n.gone)
	n.tid = unix.Gettid()
	err := unix.Unshare(unix.CLONE_NEWNET)
	if err == nil {
		n.file, err = os.Open("/proc/thread-self/ns/net")
	}
	made <- err
	if err != nil {
		return
	}
	defer n.file.Close()
	for {
		select {
		case f := <-n.work:
			f()
		case <-n.quit:
			return
		}
	}
}

func (n *Namespace) close() {
	close(n.quit)
	<-n.gone
}

// Start starts cmd in the namespace. It is killed when the bed is closed or its maker dies; the caller waits for it.
func (n *Namespace) Start(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	cmd.SysProcAttr.Setpgid = true // an interrupt at the terminal is for us alone
	done := make(chan error, 1)
	select {
	case n.work <- func() { done <- cmd.Start() }:
		return <-done
	case <-n.quit:
		return errors.New("the bed is closed")
	}
}

// StartTree is Start for a program with children: it is the first of a process namespace of its own, so that all its
// descendants are killed with it.
func (n *Namespace) StartTree(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWPID
	return n.Start(cmd)
}

// Run runs a program in the namespace, for at most 20 s, and returns what it said.
func (n *Namespace) Run(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	err := n.Start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return "", fmt.Errorf("%s: %s %s: %w: %s", n.Name, name, strings.Join(args, " "), err, strings.TrimSpace(out.String()))
	}
	return out.String(), nil
}

// In calls f on a thread that is in the namespace: sockets that f itself makes are the namespace's, for ever. What f
// starts by `go` is not there.
func (n *Namespace) In(f func() error) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer home.Close()
	if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	err = f()
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		return back // the thread stays locked, and so ends with its goroutine
	}
	runtime.UnlockOSThread()
	return err
}

// Dial connects from the namespace to an address and port in digits.
func (n *Namespace) Dial(ctx context.Context, addr string) (c net.Conn, err error) {
	err = n.In(func() error {
		c, err = new(net.Dialer).DialContext(ctx, "tcp", addr)
		return err
	})
	return c, err
}

// Listen listens in the namespace at an address and port in digits; port 0 is a free one.
func (n *Namespace) Listen(addr string) (l net.Listener, err error) {
	err = n.In(func() error {
		l, err = net.Listen("tcp", addr)
		return err
	})
	return l, err
}

// Listeners are the addresses at which somebody in the namespace listens, as ss shows them: 127.0.0.1:22, [::]:22, *:22.
func (n *Namespace) Listeners() ([]string, error) {
	out, err := n.Run("ss", "-Hltn")
	var all []string
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 3 {
			all = append(all, f[3])
		}
	}
	return all, err
}

// sysctl sets a value that each namespace has of its own.
func (n *Namespace) sysctl(name, value string) error {
	return n.In(func() error { return os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0) })
}
