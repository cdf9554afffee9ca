//go:build amd64 || arm64

package sandbox

import (
	"testing"

	"golang.org/x/sys/unix"
)

// data is what the kernel shows a filter of one call.
type data struct {
	arch, number uint32
	args         [6]uint64
}

// word is the half of data at that offset; this package runs on little-endian machines alone.
func (d data) word(offset uint32) uint32 {
	switch {
	case offset == offNumber:
		return d.number
	case offset == offArch:
		return d.arch
	case offset >= offArgs:
		return uint32(d.args[(offset-offArgs)/8] >> (offset % 8 * 8))
	}
	return 0
}

// run is the kernel's machine for filters, as far as ours use it.
func (f filter) run(t *testing.T, d data) uint32 {
	t.Helper()
	var acc uint32
	for at := 0; at < len(f); at++ {
		i := f[at]
		jump := func(yes bool) {
			if yes {
				at += int(i.Jt)
			} else {
				at += int(i.Jf)
			}
		}
		switch i.Code {
		case load:
			acc = d.word(i.K)
		case and:
			acc &= i.K
		case ifEqual:
			jump(acc == i.K)
		case ifLeast:
			jump(acc >= i.K)
		case ifAnyOf:
			jump(acc&i.K != 0)
		case end:
			return i.K
		default:
			t.Fatalf("instruction %d: code %#x", at, i.Code)
		}
	}
	t.Fatal("the filter has no end")
	return 0
}

const (
	ownPid    = 4711
	ownBinary = 1024
)

// The verdicts that the list of attacks cannot show, since the calls would harm who makes them or this machine has no
// use for them; and each rule's other side.
func TestFilterJudgesCalls(t *testing.T) {
	t.Parallel()
	const (
		yes      = unix.SECCOMP_RET_ALLOW
		no       = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
		noSuch   = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
		high     = 1 << 32
		foreign  = unix.AUDIT_ARCH_I386
		neverWas = 0xffffffff
	)
	bare, programs, network := Plan{}, Plan{Programs: true}, Plan{Network: true}
	for _, c := range []struct {
		name   string
		plan   Plan
		number uint32
		args   [6]uint64
		want   uint32
	}{
		{"read", bare, unix.SYS_READ, [6]uint64{}, yes},
		{"futex", bare, unix.SYS_FUTEX, [6]uint64{}, yes},
		{"the newest call", bare, newest, [6]uint64{}, yes},
		{"one that came later", bare, newest + 1, [6]uint64{}, noSuch},
		{"x32", bare, unix.SYS_READ | 0x40000000, [6]uint64{}, noSuch},
		{"no call at all", bare, neverWas, [6]uint64{}, noSuch},
		{"clone3", programs, unix.SYS_CLONE3, [6]uint64{}, noSuch},
		{"openat2", bare, unix.SYS_OPENAT2, [6]uint64{}, noSuch},

		{"open to read", bare, unix.SYS_OPENAT, [6]uint64{0, 0, unix.O_RDONLY}, yes},
		{"open to write, emptied", bare, unix.SYS_OPENAT, [6]uint64{0, 0, unix.O_WRONLY | unix.O_TRUNC | unix.O_CREAT}, yes},
		{"open to read and write, emptied", bare, unix.SYS_OPENAT, [6]uint64{0, 0, unix.O_RDWR | unix.O_TRUNC}, yes},
		{"open to read, emptied", bare, unix.SYS_OPENAT, [6]uint64{0, 0, unix.O_RDONLY | unix.O_TRUNC | unix.O_CLOEXEC}, no},
		{"open in the fourth mode, emptied", bare, unix.SYS_OPENAT, [6]uint64{0, 0, 3 | unix.O_TRUNC}, no},
		{"open in the fourth mode", bare, unix.SYS_OPENAT, [6]uint64{0, 0, 3 | unix.O_NONBLOCK}, no},

		{"memory", bare, unix.SYS_MMAP, [6]uint64{0, 4096, 3, unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_STACK}, yes},
		{"memory that may be dropped", bare, unix.SYS_MMAP, [6]uint64{0, 4096, 3, unix.MAP_DROPPABLE | unix.MAP_ANONYMOUS}, yes},
		{"a file, shared", bare, unix.SYS_MMAP, [6]uint64{0, 4096, 3, unix.MAP_SHARED}, yes},
		{"memory, shared", bare, unix.SYS_MMAP, [6]uint64{0, 4096, 3, unix.MAP_SHARED | unix.MAP_ANONYMOUS | unix.MAP_NORESERVE}, no},
		{"memory, shared, validated", bare, unix.SYS_MMAP, [6]uint64{0, 4096, 3, unix.MAP_SHARED_VALIDATE | unix.MAP_ANONYMOUS}, no},
		{"memory, shared, high half set", bare, unix.SYS_MMAP, [6]uint64{0, 4096, 3, high | unix.MAP_SHARED | unix.MAP_ANONYMOUS}, no},
		{"memory that grows like a stack", bare, unix.SYS_MMAP, [6]uint64{0, 4096, 3, unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_GROWSDOWN}, no},
		{"memory in a file", programs, unix.SYS_MEMFD_CREATE, [6]uint64{}, noSuch},

		{"make a file", bare, unix.SYS_OPENAT, [6]uint64{0, 0, unix.O_WRONLY | unix.O_CREAT, 0o755}, yes},
		{"make a file that runs as its owner", bare, unix.SYS_OPENAT, [6]uint64{0, 0, unix.O_WRONLY | unix.O_CREAT, 0o4755}, no},
		{"make a file that runs as its group", bare, unix.SYS_OPENAT, [6]uint64{0, 0, unix.O_RDWR | unix.O_CREAT, 0o2755}, no},
		{"make a file without a name that does", bare, unix.SYS_OPENAT, [6]uint64{0, 0, unix.O_RDWR | unix.O_TMPFILE, 0o4755}, no},
		{"open a directory, whatever the mode", bare, unix.SYS_OPENAT, [6]uint64{0, 0, unix.O_RDONLY | unix.O_DIRECTORY, 0o4755}, yes},
		{"open a file, whatever the mode", bare, unix.SYS_OPENAT, [6]uint64{0, 0, unix.O_RDWR, 0o6000}, yes},
		{"make a node that runs as its owner", bare, unix.SYS_MKNODAT, [6]uint64{0, 0, unix.S_IFREG | 0o4755}, no},
		{"make a node", bare, unix.SYS_MKNODAT, [6]uint64{0, 0, unix.S_IFREG | 0o755}, yes},
		{"share a core with another", bare, unix.SYS_PRCTL, [6]uint64{unix.PR_SCHED_CORE}, no},

		{"signal oneself", bare, unix.SYS_KILL, [6]uint64{ownPid}, yes},
		{"signal another", bare, unix.SYS_KILL, [6]uint64{1}, no},
		{"signal the own group", bare, unix.SYS_KILL, [6]uint64{0}, no},
		{"signal all", bare, unix.SYS_KILL, [6]uint64{^uint64(0)}, no},
		{"limit oneself", bare, unix.SYS_PRLIMIT64, [6]uint64{0}, yes},
		{"limit oneself by name", bare, unix.SYS_PRLIMIT64, [6]uint64{ownPid}, yes},
		{"limit another", bare, unix.SYS_PRLIMIT64, [6]uint64{ownPid + 1}, no},
		{"own a descriptor", bare, unix.SYS_FCNTL, [6]uint64{3, unix.F_SETOWN, 1}, no},
		{"own a descriptor, high half set", bare, unix.SYS_FCNTL, [6]uint64{3, high | unix.F_SETOWN, 1}, no},
		{"mark a descriptor", bare, unix.SYS_FCNTL, [6]uint64{3, unix.F_SETFD, 1}, yes},
		{"type into a terminal", bare, unix.SYS_IOCTL, [6]uint64{0, unix.TIOCSTI}, no},
		{"ask a terminal", bare, unix.SYS_IOCTL, [6]uint64{0, unix.TCGETS}, yes},
		{"outlive the host", bare, unix.SYS_PRCTL, [6]uint64{unix.PR_SET_PDEATHSIG}, no},
		{"name a thread", bare, unix.SYS_PRCTL, [6]uint64{unix.PR_SET_NAME}, yes},

		{"a thread", bare, unix.SYS_CLONE, [6]uint64{unix.CLONE_THREAD | unix.CLONE_VM | unix.CLONE_SIGHAND}, yes},
		{"a child", bare, unix.SYS_CLONE, [6]uint64{uint64(unix.SIGCHLD)}, no},
		{"a child that shares memory", bare, unix.SYS_CLONE, [6]uint64{unix.CLONE_VM | unix.CLONE_VFORK | uint64(unix.SIGCHLD)}, no},
		{"the binary", bare, unix.SYS_EXECVEAT, [6]uint64{ownBinary}, yes},
		{"another descriptor", bare, unix.SYS_EXECVEAT, [6]uint64{3}, no},
		{"a path", bare, unix.SYS_EXECVE, [6]uint64{}, no},
		{"a child, granted", programs, unix.SYS_CLONE, [6]uint64{unix.CLONE_VM | unix.CLONE_VFORK | uint64(unix.SIGCHLD)}, yes},
		{"a path, granted", programs, unix.SYS_EXECVE, [6]uint64{}, yes},
		{"another descriptor, granted", programs, unix.SYS_EXECVEAT, [6]uint64{3}, yes},
		{"a child elsewhere, granted", programs, unix.SYS_CLONE, [6]uint64{unix.CLONE_NEWUSER | uint64(unix.SIGCHLD)}, no},
		{"a child of the host, granted", programs, unix.SYS_CLONE, [6]uint64{unix.CLONE_PARENT | uint64(unix.SIGCHLD)}, no},
		{"a session, granted", programs, unix.SYS_SETSID, [6]uint64{}, no},

		{"a unix socket", bare, unix.SYS_SOCKET, [6]uint64{unix.AF_UNIX, unix.SOCK_STREAM | unix.SOCK_CLOEXEC}, yes},
		{"TCP", bare, unix.SYS_SOCKET, [6]uint64{unix.AF_INET, unix.SOCK_STREAM}, no},
		{"a pair", bare, unix.SYS_SOCKETPAIR, [6]uint64{unix.AF_UNIX}, yes},
		{"a pair of others", bare, unix.SYS_SOCKETPAIR, [6]uint64{unix.AF_TIPC}, no},
		{"a unix socket, granted", network, unix.SYS_SOCKET, [6]uint64{unix.AF_UNIX, unix.SOCK_SEQPACKET}, yes},
		{"TCP, granted", network, unix.SYS_SOCKET, [6]uint64{unix.AF_INET, unix.SOCK_STREAM | unix.SOCK_NONBLOCK, unix.IPPROTO_TCP}, yes},
		{"TCP over IPv6, granted", network, unix.SYS_SOCKET, [6]uint64{unix.AF_INET6, unix.SOCK_STREAM, 0}, yes},
		{"UDP, granted", network, unix.SYS_SOCKET, [6]uint64{unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDP}, yes},
		{"ping, granted", network, unix.SYS_SOCKET, [6]uint64{unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP}, no},
		{"multipath, granted", network, unix.SYS_SOCKET, [6]uint64{unix.AF_INET, unix.SOCK_STREAM, 262}, no},
		{"raw, granted", network, unix.SYS_SOCKET, [6]uint64{unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_TCP}, no},
		{"netlink, granted", network, unix.SYS_SOCKET, [6]uint64{unix.AF_NETLINK, unix.SOCK_RAW}, no},
	} {
		f := newFilter(c.plan, ownPid, ownBinary)
		if got := f.run(t, data{auditArch, c.number, c.args}); got != c.want {
			t.Errorf("%s: %#x, want %#x", c.name, got, c.want)
		}
		if got := f.run(t, data{foreign, c.number, c.args}); got != noSuch {
			t.Errorf("%s in a foreign architecture: %#x", c.name, got)
		}
	}
}

// Every call of the tables is refused, with every grant.
func TestFilterHoldsItsTables(t *testing.T) {
	t.Parallel()
	f := newFilter(Plan{Programs: true, Network: true}, ownPid, ownBinary)
	for _, table := range [][]uint32{byPath, toProcesses, toKernel, olderForms, unseen, uncounted, olderUncounted} {
		for _, call := range table {
			if f.run(t, data{auditArch, call, [6]uint64{}}) == unix.SECCOMP_RET_ALLOW {
				t.Errorf("call %d is allowed", call)
			}
		}
	}
	if n := len(f); n > unix.BPF_MAXINSNS {
		t.Errorf("%d instructions are more than the kernel takes", n)
	}
}
