package pluginhost

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// scene is what an attacker knows of the machine: all that a hostile module could find out, and more.
type scene struct {
	Host, Victim   int    // processes of the same user: the daemon, and another module's
	State, Sockets string // the daemon's directories
	Own            string // the attacker's own directory
	VictimOwn      string // the other module's
	Plugins        string // the plugin directory
	Wire           string // the other module's socket to the host
	Unix           string // a socket elsewhere, of the same user
	Abstract, TCP  string // addresses at which the daemon's user listens
}

// file is one in the daemon's directory that an attack has for itself, like the registry: the same user may do all with it.
func (s *scene) file(name string) string { return filepath.Join(s.State, "secrets", name) }

// kind says where an attack must fail and where it must not.
type kind string

const (
	forbidden kind = "forbidden" // works without a sandbox, never in it
	machine   kind = "machine"   // never in it; whether without depends on the machine, its kernel and who runs it
	scoped    kind = "scoped"    // works before Landlock 6 only
	known     kind = "known"     // works everywhere, and the documentation says so
	honest    kind = "honest"    // is no attack, and must work everywhere
)

// attack is one thing that a module tries; nil means that it worked.
type attack struct {
	kind kind
	name string
	try  func(s *scene, file string) error
}

// attacks are made in this order: those that change the attacker come last.
func attacks() []attack {
	var all []attack
	for _, group := range [][]attack{fileAttacks, pathAttacks, programAttacks, processAttacks, kernelAttacks, networkAttacks, attacksOfArch, honestWork, attacksOnItself} {
		all = append(all, group...)
	}
	return all
}

// opens tries to open a file in that way.
func opens(flags int) func(*scene, string) error {
	return func(_ *scene, file string) error { return canOpen(file, flags) }
}

func canOpen(path string, flags int) error {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0o600)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

func canRead(path string) error {
	_, err := os.ReadFile(path)
	return err
}

// call is a system call that package unix has no function for.
func call(number uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	_, _, errno := unix.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5])
	if errno != 0 {
		return errno
	}
	return nil
}

// path is a string for call.
func path(s string) uintptr {
	p, err := unix.BytePtrFromString(s)
	if err != nil {
		panic(err)
	}
	kept = append(kept, p)
	return uintptr(unsafe.Pointer(p))
}

var (
	kept    []*byte // what calls were given, for the collector
	cwd     = -100  // AT_FDCWD, a variable so that it can be made a uintptr
	scratch [512]byte
)

func buffer() uintptr { clear(scratch[:]); return uintptr(unsafe.Pointer(&scratch[0])) }

// reaches takes these errors for a sign that the call was let through.
func reaches(err error, signs ...syscall.Errno) error {
	for _, sign := range signs {
		if errors.Is(err, sign) {
			return nil
		}
	}
	return err
}

var fileAttacks = []attack{
	{forbidden, "read it", opens(unix.O_RDONLY)},
	{forbidden, "write it", opens(unix.O_WRONLY)},
	{forbidden, "read and write it", opens(unix.O_RDWR)},
	{forbidden, "append to it", opens(unix.O_WRONLY | unix.O_APPEND)},
	{forbidden, "empty it", opens(unix.O_WRONLY | unix.O_TRUNC)},
	{forbidden, "empty it by opening it to read", opens(unix.O_RDONLY | unix.O_TRUNC)},
	{forbidden, "open it in the fourth mode", opens(unix.O_ACCMODE)},
	{forbidden, "empty it in the fourth mode", opens(unix.O_ACCMODE | unix.O_TRUNC)},
	{forbidden, "create over it", opens(unix.O_WRONLY | unix.O_CREAT | unix.O_TRUNC)},
	{forbidden, "empty it by truncate", func(_ *scene, f string) error { return unix.Truncate(f, 0) }},
	{forbidden, "unlink it", func(_ *scene, f string) error { return unix.Unlink(f) }},
	{forbidden, "move it into the own directory", func(s *scene, f string) error { return os.Rename(f, filepath.Join(s.Own, "moved")) }},
	{forbidden, "move a file over it", func(s *scene, f string) error {
		mine := filepath.Join(s.Own, "mine")
		if err := os.WriteFile(mine, []byte("x"), 0o600); err != nil {
			return fmt.Errorf("own file: %v", err)
		}
		return os.Rename(mine, f)
	}},
	{forbidden, "exchange it with a file", func(s *scene, f string) error {
		mine := filepath.Join(s.Own, "exchanged")
		if err := os.WriteFile(mine, []byte("x"), 0o600); err != nil {
			return fmt.Errorf("own file: %v", err)
		}
		return unix.Renameat2(cwd, mine, cwd, f, unix.RENAME_EXCHANGE)
	}},
	{forbidden, "link it into the own directory", func(s *scene, f string) error { return os.Link(f, filepath.Join(s.Own, "linked")) }},
	{forbidden, "read it through a symbolic link", func(s *scene, f string) error {
		link := filepath.Join(s.Own, "symlinked")
		if err := os.Symlink(f, link); err != nil {
			return fmt.Errorf("own link: %v", err)
		}
		return canRead(link)
	}},
	{forbidden, "read it from the own directory upwards", func(s *scene, f string) error {
		up, err := filepath.Rel(s.Own, f)
		if err != nil {
			return err
		}
		fd, err := unix.Open(s.Own, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			return fmt.Errorf("own directory: %v", err)
		}
		defer unix.Close(fd)
		got, err := unix.Openat(fd, up, unix.O_RDONLY, 0)
		if err == nil {
			unix.Close(got)
		}
		return err
	}},
	{forbidden, "read it through a descriptor of its path", func(_ *scene, f string) error {
		fd, err := unix.Open(f, unix.O_PATH, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return canRead(fmt.Sprintf("/proc/self/fd/%d", fd))
	}},
	{forbidden, "read it by openat2", func(_ *scene, f string) error {
		fd, err := unix.Openat2(cwd, f, &unix.OpenHow{Flags: unix.O_RDONLY})
		if err == nil {
			unix.Close(fd)
		}
		return err
	}},
	{forbidden, "chmod it", func(_ *scene, f string) error { return os.Chmod(f, 0o666) }},
	{forbidden, "fchmodat2 it", func(_ *scene, f string) error { return call(unix.SYS_FCHMODAT2, uintptr(cwd), path(f), 0o666, 0) }},
	{forbidden, "chown it", func(_ *scene, f string) error { return os.Chown(f, os.Getuid(), os.Getgid()) }},
	{forbidden, "set its times", func(_ *scene, f string) error { return os.Chtimes(f, time.Now(), time.Unix(1, 0)) }},
	{forbidden, "set its times through a path's descriptor", func(_ *scene, f string) error {
		fd, err := unix.Open(f, unix.O_PATH, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.UtimesNanoAt(fd, "", []unix.Timespec{{Sec: 1}, {Sec: 1}}, unix.AT_EMPTY_PATH)
	}},
	{machine, "set an attribute", func(_ *scene, f string) error { return unix.Setxattr(f, "user.x", []byte("1"), 0) }},
	{machine, "set an attribute by setxattrat", func(_ *scene, f string) error {
		args := struct {
			value       uint64
			size, flags uint32
		}{uint64(path("1")), 1, 0}
		return call(unix.SYS_SETXATTRAT, uintptr(cwd), path(f), 0, path("user.x"), uintptr(unsafe.Pointer(&args)), unsafe.Sizeof(args))
	}},
	{machine, "remove an attribute", func(_ *scene, f string) error { return reaches(unix.Removexattr(f, "user.y"), unix.ENODATA) }},
	{machine, "set its flags by file_setattr", func(_ *scene, f string) error {
		return reaches(call(unix.SYS_FILE_SETATTR, uintptr(cwd), path(f), buffer(), 24, 0), unix.EINVAL, unix.EOPNOTSUPP)
	}},
	{forbidden, "watch it", func(_ *scene, f string) error {
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		_, err = unix.InotifyAddWatch(fd, f, unix.IN_MODIFY)
		return err
	}},
	{machine, "name it by a handle", func(_ *scene, f string) error {
		_, _, err := unix.NameToHandleAt(cwd, f, 0)
		return err
	}},
	{known, "see that it exists, its size and times", func(_ *scene, f string) error { _, err := os.Stat(f); return err }},
}

// in is an attack on a path that the scene knows.
func in(where func(*scene) string, do func(string) error) func(*scene, string) error {
	return func(s *scene, _ string) error { return do(where(s)) }
}

func state(name string) func(*scene) string {
	return func(s *scene) string { return filepath.Join(s.State, name) }
}

func victims(name string) func(*scene) string {
	return func(s *scene) string { return filepath.Join(s.VictimOwn, name) }
}

func fixed(name string) func(*scene) string { return func(*scene) string { return name } }

func ofProcess(name string) func(*scene) string {
	return func(s *scene) string { return fmt.Sprintf("/proc/%d/%s", s.Host, name) }
}

func canList(dir string) error { _, err := os.ReadDir(dir); return err }

func canCreate(file string) error {
	err := os.WriteFile(file, []byte("x"), 0o600)
	if err == nil {
		os.Remove(file)
	}
	return err
}

func canMake(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if err == nil {
		os.Remove(dir)
	}
	return err
}

func canListen(path string) error {
	l, err := net.Listen("unix", path)
	if err == nil {
		l.Close()
	}
	return err
}

var pathAttacks = []attack{
	{forbidden, "list the daemon's directory", in(state(""), canList)},
	{forbidden, "create a file beside the registry", in(state("new"), canCreate)},
	{forbidden, "make a directory beside the registry", in(state("newdir"), canMake)},
	{forbidden, "make a pipe beside the registry", in(state("fifo"), func(f string) error { return unix.Mkfifo(f, 0o600) })},
	{forbidden, "link symbolically beside the registry", in(state("link"), func(f string) error { return os.Symlink("/etc/passwd", f) })},
	{forbidden, "listen beside the registry", in(state("socket"), canListen)},
	{forbidden, "read the registry", in(state("registry.db"), canRead)},
	{forbidden, "read the key", in(state("key"), canRead)},
	{forbidden, "read the operators' token", in(func(s *scene) string { return filepath.Join(s.Sockets, "culvert.sock.token") }, canRead)},
	{forbidden, "remove the control socket", in(func(s *scene) string { return filepath.Join(s.Sockets, "culvert.sock") }, unix.Unlink)},
	{forbidden, "list the sockets of all modules", in(func(s *scene) string { return filepath.Join(s.Sockets, "m") }, canList)},
	{forbidden, "listen among the host's sockets of the own module", in(func(s *scene) string { return filepath.Join(s.Sockets, "m/attacker/false.sock") }, canListen)},
	{forbidden, "listen among another module's", in(func(s *scene) string { return filepath.Join(s.Sockets, "m/victim/own/false.sock") }, canListen)},
	{forbidden, "keep a file among the own sockets", in(func(s *scene) string { return filepath.Join(s.Sockets, "m/attacker/own/file") }, canCreate)},
	{forbidden, "list another module's directory", in(victims(""), canList)},
	{forbidden, "read another module's file", in(victims("default/started"), canRead)},
	{forbidden, "write into another module's directory", in(victims("default/false"), canCreate)},
	{forbidden, "read another module's log", in(func(s *scene) string { return s.VictimOwn + ".log" }, canRead)},
	{forbidden, "write the own log", in(func(s *scene) string { return filepath.Join(s.State, "modules/attacker.log") }, func(f string) error { return canOpen(f, unix.O_WRONLY) })},
	{forbidden, "put a module into the plugin directory", in(func(s *scene) string { return filepath.Join(s.Plugins, "newmodule") }, canCreate)},
	{forbidden, "replace the own binary", in(func(s *scene) string { return filepath.Join(s.Plugins, "attacker") }, replaceBySame)},
	{forbidden, "change the mode of the own binary", func(*scene, string) error { return changeMode("/proc/self/exe") }},
	{forbidden, "read /etc/passwd", in(fixed("/etc/passwd"), canRead)},
	{forbidden, "list /etc", in(fixed("/etc"), canList)},
	{forbidden, "list /", in(fixed("/"), canList)},
	{forbidden, "create a file in /tmp", in(fixed(fmt.Sprintf("/tmp/culvert-attack-%d", os.Getpid())), canCreate)},
	{machine, "create a file in /dev/shm", in(fixed(fmt.Sprintf("/dev/shm/culvert-attack-%d", os.Getpid())), canCreate)},
	{forbidden, "list the processes", in(fixed("/proc"), canList)},
	{forbidden, "read what the own process is", in(fixed("/proc/self/status"), canRead)},
	{forbidden, "read the host's command line", in(ofProcess("cmdline"), canRead)},
	{machine, "read the host's environment", in(ofProcess("environ"), canRead)},
	{machine, "open the host's memory", in(ofProcess("mem"), canRead)},
	{machine, "list the host's descriptors", in(ofProcess("fd"), canList)},
	{machine, "change the host's out-of-memory score", in(ofProcess("oom_score_adj"), func(f string) error { return canOpen(f, unix.O_WRONLY) })},
}

// replaceBySame puts the same file in a file's place, so that nobody notices.
func replaceBySame(file string) error {
	next := file + ".new"
	if err := os.Link(file, next); err != nil {
		return err
	}
	return errors.Join(os.Rename(next, file), os.Remove(next))
}

// changeMode changes the mode of a file through a descriptor that may only read.
func changeMode(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("to read: %v", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	return f.Chmod(st.Mode().Perm())
}

// canExecute has the kernel open a program to execute it and then fail for its arguments: it never comes to an execution.
func canExecute(dir int, name string, flags uintptr) error {
	return reaches(call(unix.SYS_EXECVEAT, uintptr(dir), path(name), 1, 0, flags), unix.EFAULT)
}

// dropped is a program that the attacker wrote into its own directory: its own binary.
func dropped(s *scene) (string, error) {
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return "", fmt.Errorf("own binary: %v", err)
	}
	file := filepath.Join(s.Own, "program")
	if err := os.WriteFile(file, b, 0o700); err != nil {
		return "", fmt.Errorf("own file: %v", err)
	}
	return file, nil
}

// inMemory is a program in a file that only its descriptor names.
func inMemory() (fd int, err error) {
	if fd, err = unix.MemfdCreate("program", 0); err == nil {
		_, err = unix.Write(fd, []byte("#!/bin/true\n"))
	}
	return fd, err
}

var programAttacks = []attack{
	{forbidden, "run a program of the machine", func(*scene, string) error { return exec.Command("/bin/true").Run() }},
	{forbidden, "become a program of the machine", func(*scene, string) error { return canExecute(cwd, "/bin/true", 0) }},
	{forbidden, "become one by execve", func(*scene, string) error {
		return reaches(call(unix.SYS_EXECVE, path("/bin/true"), 1, 0), unix.EFAULT)
	}},
	{forbidden, "become one by the launcher's descriptor and a whole path", func(*scene, string) error {
		return canExecute(int(pluginLimits.Files), "/bin/true", unix.AT_EMPTY_PATH)
	}},
	{forbidden, "become a program that was dropped", func(s *scene, _ string) error {
		file, err := dropped(s)
		if err != nil {
			return err
		}
		return canExecute(cwd, file, 0)
	}},
	{forbidden, "become a program that was dropped, by the launcher's descriptor", func(s *scene, _ string) error {
		file, err := dropped(s)
		if err != nil {
			return err
		}
		return canExecute(int(pluginLimits.Files), file, unix.AT_EMPTY_PATH)
	}},
	{forbidden, "become a program in memory", func(*scene, string) error {
		fd, err := inMemory()
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return canExecute(fd, "", unix.AT_EMPTY_PATH)
	}},
	{machine, "become one in memory under the launcher's number", func(*scene, string) error {
		fd, err := inMemory()
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.Dup3(fd, int(pluginLimits.Files), 0); err != nil {
			return err
		}
		return canExecute(int(pluginLimits.Files), "", unix.AT_EMPTY_PATH)
	}},
	{machine, "raise the limit of descriptors", func(*scene, string) error {
		n := pluginLimits.Files + 1
		return unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: n})
	}},
	{forbidden, "fork", func(*scene, string) error { return forkOnce(uintptr(syscall.SIGCHLD)) }},
	{forbidden, "fork by clone3", func(*scene, string) error {
		args := [8]uint64{0xdead << 40} // flags that mean nothing, which the kernel refuses once it has read them
		return reaches(call(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&args)), unsafe.Sizeof(args)), unix.EINVAL)
	}},
}

// forkOnce makes a child that ends at once.
func forkOnce(flags uintptr) error {
	pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, flags, 0, 0, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	if pid == 0 {
		syscall.RawSyscall(syscall.SYS_EXIT, 0, 0, 0)
	}
	var status unix.WaitStatus
	_, _ = unix.Wait4(int(pid), &status, 0, nil)
	return nil
}

// watched is the signal that attackers send: the host counts it, and ignores it.
const watched = unix.SIGWINCH

// queued is the information of a signal that a process queues.
func queued() uintptr {
	b := buffer()
	*(*[3]int32)(unsafe.Pointer(&scratch[0])) = [3]int32{int32(watched), 0, -1}
	return b
}

// onHost is an attack on the host's process.
func onHost(do func(pid int) error) func(*scene, string) error {
	return func(s *scene, _ string) error { return do(s.Host) }
}

func onVictim(do func(pid int) error) func(*scene, string) error {
	return func(s *scene, _ string) error { return do(s.Victim) }
}

func canSetLimits(pid int) error {
	var have unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &have); err != nil {
		return err
	}
	return unix.Prlimit(pid, unix.RLIMIT_NOFILE, &have, nil)
}

func canSetAffinity(pid int) error {
	var have unix.CPUSet
	if err := unix.SchedGetaffinity(pid, &have); err != nil {
		return err
	}
	return unix.SchedSetaffinity(pid, &have)
}

// pidfdOfPeer is a descriptor of the host's process that no call to open one was needed for.
func pidfdOfPeer(s *scene) (int, error) {
	c, err := net.Dial("unix", s.Unix)
	if err != nil {
		return 0, fmt.Errorf("dial: %v", err)
	}
	defer c.Close()
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	const peerPidfd = 77 // SO_PEERPIDFD
	fd := 0
	var failed error
	if err := raw.Control(func(c uintptr) { fd, failed = unix.GetsockoptInt(int(c), unix.SOL_SOCKET, peerPidfd) }); err != nil {
		return 0, err
	}
	return fd, failed
}

// signalByPipe has the kernel signal the host for the attacker: as the owner of a descriptor that becomes readable.
func signalByPipe(own func(fd int) error) error {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		return err
	}
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])
	if err := own(fds[0]); err != nil {
		return err
	}
	if _, err := unix.FcntlInt(uintptr(fds[0]), unix.F_SETSIG, int(watched)); err != nil {
		return err
	}
	if _, err := unix.FcntlInt(uintptr(fds[0]), unix.F_SETFL, unix.O_ASYNC|unix.O_NONBLOCK); err != nil {
		return err
	}
	_, err := unix.Write(fds[1], []byte("x"))
	return err
}

// ownByRequest makes the host the owner of a socket's signals.
func ownByRequest(pid int, request uint) error {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])
	return unix.IoctlSetPointerInt(fds[0], request, pid)
}

var processAttacks = []attack{
	{forbidden, "ask whether the host lives", onHost(func(pid int) error { return unix.Kill(pid, 0) })},
	{forbidden, "signal the host", onHost(func(pid int) error { return unix.Kill(pid, watched) })},
	{forbidden, "signal another module", onVictim(func(pid int) error { return unix.Kill(pid, watched) })},
	{forbidden, "signal another module's group", onVictim(func(pid int) error { return unix.Kill(-pid, watched) })},
	{forbidden, "signal everything of the user", onHost(func(int) error { return unix.Kill(-1, 0) })},
	{forbidden, "signal the host's thread", onHost(func(pid int) error { return call(unix.SYS_TKILL, uintptr(pid), uintptr(watched)) })},
	{forbidden, "signal the host's thread by tgkill", onHost(func(pid int) error { return unix.Tgkill(pid, pid, watched) })},
	{forbidden, "queue the host a signal", onHost(func(pid int) error { return call(unix.SYS_RT_SIGQUEUEINFO, uintptr(pid), uintptr(watched), queued()) })},
	{forbidden, "queue the host's thread a signal", onHost(func(pid int) error {
		return call(unix.SYS_RT_TGSIGQUEUEINFO, uintptr(pid), uintptr(pid), uintptr(watched), queued())
	})},
	{forbidden, "signal the host by a descriptor of it", onHost(func(pid int) error {
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.PidfdSendSignal(fd, watched, nil, 0)
	})},
	{machine, "signal the host by a descriptor that a socket gave", func(s *scene, _ string) error {
		fd, err := pidfdOfPeer(s)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.PidfdSendSignal(fd, watched, nil, 0)
	}},
	{machine, "take a descriptor of the host's", func(s *scene, _ string) error {
		fd, err := pidfdOfPeer(s)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		got, err := unix.PidfdGetfd(fd, 0, 0)
		if err == nil {
			unix.Close(got)
		}
		return err
	}},
	{forbidden, "have the host signalled by a pipe", onHost(func(pid int) error {
		return signalByPipe(func(fd int) error { _, err := unix.FcntlInt(uintptr(fd), unix.F_SETOWN, pid); return err })
	})},
	{forbidden, "have the host signalled by a pipe, the long way", onHost(func(pid int) error {
		return signalByPipe(func(fd int) error {
			owner := [2]int32{1, int32(pid)} // F_OWNER_PID
			return call(unix.SYS_FCNTL, uintptr(fd), unix.F_SETOWN_EX, uintptr(unsafe.Pointer(&owner)))
		})
	})},
	{forbidden, "have the host signalled by a socket", onHost(func(pid int) error { return ownByRequest(pid, 0x8901) })},
	{forbidden, "have the host signalled by a socket, the other way", onHost(func(pid int) error { return ownByRequest(pid, 0x8902) })},
	{machine, "trace the host", onHost(func(pid int) error {
		err := unix.PtraceSeize(pid)
		if err == nil {
			_ = unix.PtraceDetach(pid)
		}
		return err
	})},
	{machine, "read the host's memory", onHost(func(pid int) error {
		local := unix.Iovec{Base: &scratch[0]}
		local.SetLen(8)
		_, err := unix.ProcessVMReadv(pid, []unix.Iovec{local}, []unix.RemoteIovec{{Base: 0x400000, Len: 8}}, 0)
		return reaches(err, unix.EFAULT)
	})},
	{machine, "write the host's memory", onHost(func(pid int) error {
		local := unix.Iovec{Base: &scratch[0]}
		local.SetLen(8)
		_, err := unix.ProcessVMWritev(pid, []unix.Iovec{local}, []unix.RemoteIovec{{Base: 8, Len: 8}}, 0)
		return reaches(err, unix.EFAULT)
	})},
	{machine, "compare the host's descriptors", onHost(func(pid int) error {
		return reaches(call(unix.SYS_KCMP, uintptr(pid), uintptr(pid), 0, 0, 0), unix.EBADF)
	})},
	{forbidden, "read the host's limits and set them", onHost(canSetLimits)},
	{forbidden, "set another module's limits", onVictim(canSetLimits)},
	{forbidden, "set the host's priority", onHost(func(pid int) error { return unix.Setpriority(unix.PRIO_PROCESS, pid, 0) })},
	{forbidden, "set the host's processors", onHost(canSetAffinity)},
	{forbidden, "set the host's scheduler", onHost(func(pid int) error { return call(unix.SYS_SCHED_SETSCHEDULER, uintptr(pid), 0, buffer()) })},
	{forbidden, "set the host's priority at the disk", onHost(func(pid int) error { return call(unix.SYS_IOPRIO_SET, 1, uintptr(pid), 2<<13|4) })},
	{machine, "ask where the host's memory lies", onHost(func(pid int) error { return call(unix.SYS_MOVE_PAGES, uintptr(pid), 0, 0, 0, 0, 0) })},
	{machine, "find the host's list of locks", onHost(func(pid int) error {
		return call(unix.SYS_GET_ROBUST_LIST, uintptr(pid), buffer(), buffer()+8)
	})},
	{forbidden, "make shared memory", onHost(func(int) error {
		id, err := unix.SysvShmGet(unix.IPC_PRIVATE, 4096, unix.IPC_CREAT|0o600)
		if err == nil {
			_, err = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
		}
		return err
	})},
	{forbidden, "make a message queue", onHost(func(int) error {
		id, _, errno := unix.Syscall(unix.SYS_MSGGET, unix.IPC_PRIVATE, unix.IPC_CREAT|0o600, 0)
		if errno != 0 {
			return errno
		}
		return call(unix.SYS_MSGCTL, id, unix.IPC_RMID, 0)
	})},
	{forbidden, "make a semaphore", onHost(func(int) error {
		id, _, errno := unix.Syscall(unix.SYS_SEMGET, unix.IPC_PRIVATE, 1, unix.IPC_CREAT|0o600)
		if errno != 0 {
			return errno
		}
		return call(unix.SYS_SEMCTL, id, 0, unix.IPC_RMID)
	})},
	{machine, "open a message queue by name", onHost(func(int) error {
		return reaches(call(unix.SYS_MQ_OPEN, path("culvert-attack"), unix.O_RDONLY, 0, 0), unix.ENOENT)
	})},
}

var kernelAttacks = []attack{
	{machine, "make a user namespace", func(*scene, string) error { return unix.Unshare(unix.CLONE_NEWUSER) }},
	{machine, "fork into a user namespace", func(*scene, string) error { return forkOnce(uintptr(syscall.SIGCHLD) | unix.CLONE_NEWUSER) }},
	{machine, "mount", func(s *scene, _ string) error { return reaches(unix.Mount("x", s.Own, "tmpfs", 0, ""), unix.EFAULT) }},
	{machine, "make a file system", func(*scene, string) error { _, err := unix.Fsopen("tmpfs", 0); return err }},
	{machine, "change the root", func(s *scene, _ string) error { return unix.Chroot(s.Own) }},
	{machine, "set up an io_uring", func(*scene, string) error {
		fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, buffer(), 0)
		if errno != 0 {
			return errno
		}
		return unix.Close(int(fd))
	}},
	{machine, "open the keyring", func(*scene, string) error {
		_, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_USER_KEYRING, true)
		return err
	}},
	{machine, "load a kernel program", func(*scene, string) error {
		return reaches(call(unix.SYS_BPF, 0, buffer(), 0), unix.EINVAL, unix.E2BIG)
	}},
	{machine, "count events", func(*scene, string) error {
		fd, err := unix.PerfEventOpen(&unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Size: unix.PERF_ATTR_SIZE_VER0, Bits: 1 << 5}, 0, -1, -1, 0)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}},
	{machine, "handle page faults", func(*scene, string) error {
		fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, 1, 0, 0)
		if errno != 0 {
			return errno
		}
		return unix.Close(int(fd))
	}},
	{forbidden, "keep memory in a file without a name", func(*scene, string) error {
		fd, err := inMemory()
		if err == nil {
			unix.Close(fd)
		}
		return err
	}},
	{forbidden, "take of the machine's queues of the disk", func(*scene, string) error {
		*(*uintptr)(unsafe.Pointer(&scratch[0])) = 0
		if err := call(unix.SYS_IO_SETUP, 1, buffer()); err != nil {
			return err
		}
		return call(unix.SYS_IO_DESTROY, *(*uintptr)(unsafe.Pointer(&scratch[0])))
	}},
	{forbidden, "take of the user's watches", func(*scene, string) error {
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}},
	{forbidden, "make a file that runs as its owner", func(s *scene, _ string) error {
		name := filepath.Join(s.Own, "suid")
		fd, err := unix.Open(name, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, unix.S_ISUID|0o755)
		if err == nil {
			unix.Close(fd)
			err = unix.Unlink(name)
		}
		return err
	}},
	{forbidden, "make a node that runs as its owner", func(s *scene, _ string) error {
		name := filepath.Join(s.Own, "suid")
		return errors.Join(unix.Mknod(name, unix.S_IFREG|unix.S_ISUID|0o755, 0), unix.Unlink(name))
	}},
	{machine, "have a larger stack than other memory", func(*scene, string) error {
		var have unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_STACK, &have); err != nil {
			return err
		}
		if have.Max <= 8<<20 {
			return unix.EPERM
		}
		return nil
	}},
	{machine, "keep memory in a secret file", func(*scene, string) error {
		fd, err := unix.MemfdSecret(0)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}},
	{forbidden, "share memory with nobody", canMap(unix.MAP_SHARED | unix.MAP_ANONYMOUS)},
	{forbidden, "have memory that grows like a stack", canMap(unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_GROWSDOWN)},
	{machine, "have memory for a stack of return addresses", func(*scene, string) error {
		return reaches(call(unix.SYS_MAP_SHADOW_STACK, 0, 4096, 0), unix.EOPNOTSUPP)
	}},
	{forbidden, "have a pipe keep its memory", func(*scene, string) error {
		var fds [2]int
		if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
			return err
		}
		defer unix.Close(fds[0])
		defer unix.Close(fds[1])
		part := unix.Iovec{Base: &scratch[0]}
		part.SetLen(len(scratch))
		_, err := unix.Vmsplice(fds[1], []unix.Iovec{part}, 0)
		return err
	}},
	{forbidden, "have the kernel keep rules", func(*scene, string) error {
		rules := [3]uint64{unix.LANDLOCK_ACCESS_FS_EXECUTE}
		fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&rules)), 8, 0)
		if errno != 0 {
			return errno
		}
		return unix.Close(int(fd))
	}},
	{forbidden, "change the personality", func(*scene, string) error { return call(unix.SYS_PERSONALITY, 0) }},
	{machine, "use a call that came later", func(*scene, string) error { return reaches(call(unix.SYS_LISTNS), unix.EINVAL, unix.EFAULT) }},
	{known, "have memory that is written and executed", func(*scene, string) error {
		b, err := unix.Mmap(-1, 0, 4096, unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err == nil {
			err = unix.Munmap(b)
		}
		return err
	}},
}

func canMap(flags int) func(*scene, string) error {
	return func(*scene, string) error {
		b, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, flags)
		if err == nil {
			err = unix.Munmap(b)
		}
		return err
	}
}

func canDial(network string, where func(*scene) string) func(*scene, string) error {
	return func(s *scene, _ string) error {
		c, err := net.DialTimeout(network, where(s), 2*time.Second)
		if err == nil {
			c.Close()
		}
		return err
	}
}

func canMakeSocket(family, kind, protocol int) func(*scene, string) error {
	return func(*scene, string) error {
		fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}
}

var networkAttacks = []attack{
	{forbidden, "dial TCP", canDial("tcp", func(s *scene) string { return s.TCP })},
	{forbidden, "listen on TCP", func(*scene, string) error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err == nil {
			l.Close()
		}
		return err
	}},
	{forbidden, "make a UDP socket", canMakeSocket(unix.AF_INET, unix.SOCK_DGRAM, 0)},
	{machine, "make an IPv6 socket", canMakeSocket(unix.AF_INET6, unix.SOCK_STREAM, 0)},
	{machine, "make a multipath socket", canMakeSocket(unix.AF_INET, unix.SOCK_STREAM, 262)},
	{machine, "make a ping socket", canMakeSocket(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP)},
	{machine, "make a raw socket", canMakeSocket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_TCP)},
	{machine, "make a packet socket", canMakeSocket(unix.AF_PACKET, unix.SOCK_RAW, 0)},
	{forbidden, "ask the kernel for its network", canMakeSocket(unix.AF_NETLINK, unix.SOCK_RAW, 0)},
	{machine, "make a socket to other machines of the host", canMakeSocket(unix.AF_VSOCK, unix.SOCK_STREAM, 0)},
	{machine, "use the kernel's ciphers", canMakeSocket(unix.AF_ALG, unix.SOCK_SEQPACKET, 0)},
	{known, "connect to a unix socket by its path", canDial("unix", func(s *scene) string { return s.Unix })},
	{known, "connect to another module's socket, whose TLS then refuses", canDial("unix", func(s *scene) string { return s.Wire })},
	{scoped, "connect to an abstract unix socket", canDial("unix", func(s *scene) string { return s.Abstract })},
}

// attacksOnItself change what the attacker is. The first is undone; the last leaves a dead child to the host, in the
// attacker's group.
var attacksOnItself = []attack{
	{forbidden, "go into another module's process group", func(s *scene, _ string) error {
		err := unix.Setpgid(0, s.Victim)
		if err == nil {
			err = unix.Setpgid(0, 0)
		}
		return err
	}},
	{forbidden, "outlive the host", func(*scene, string) error { return unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0) }},
	{forbidden, "become the leader of a session", func(s *scene, _ string) error {
		_ = unix.Setpgid(0, s.Victim) // the leader of a group cannot
		_, err := unix.Setsid()
		return err
	}},
	{forbidden, "fork beside oneself, as the host's child", func(*scene, string) error {
		return forkOnce(uintptr(syscall.SIGCHLD) | unix.CLONE_PARENT)
	}},
}
