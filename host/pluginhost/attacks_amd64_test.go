package pluginhost

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// attacksOfArch use calls that this architecture alone has.
var attacksOfArch = []attack{
	{forbidden, "chmod it by the older call", func(_ *scene, f string) error { return call(unix.SYS_CHMOD, path(f), 0o666) }},
	{forbidden, "chown it by the older call", func(_ *scene, f string) error { return call(unix.SYS_CHOWN, path(f), ^uintptr(0), ^uintptr(0)) }},
	{forbidden, "lchown it by the older call", func(_ *scene, f string) error { return call(unix.SYS_LCHOWN, path(f), ^uintptr(0), ^uintptr(0)) }},
	{forbidden, "set its times by utime", func(_ *scene, f string) error { return call(unix.SYS_UTIME, path(f), 0) }},
	{forbidden, "set its times by utimes", func(_ *scene, f string) error { return call(unix.SYS_UTIMES, path(f), 0) }},
	{forbidden, "set its times by futimesat", func(_ *scene, f string) error { return call(unix.SYS_FUTIMESAT, uintptr(cwd), path(f), 0) }},
	{forbidden, "empty it by the older open, in the fourth mode", func(_ *scene, f string) error {
		return call(unix.SYS_OPEN, path(f), unix.O_ACCMODE|unix.O_TRUNC, 0)
	}},
	{forbidden, "create over it by creat", func(_ *scene, f string) error { return call(unix.SYS_CREAT, path(f), 0o600) }},
	{forbidden, "set its times where the low half of an address is zero", func(_ *scene, f string) error {
		const low = 1 << 36
		err := call(unix.SYS_MMAP, low, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_FIXED_NOREPLACE, ^uintptr(0), 0)
		if err != nil {
			return err
		}
		var pipe [2]int
		if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
			return err
		}
		defer unix.Close(pipe[0])
		defer unix.Close(pipe[1])
		if _, err := unix.Write(pipe[1], append([]byte(f), 0)); err != nil {
			return err
		}
		if err := call(unix.SYS_READ, uintptr(pipe[0]), low, 4096); err != nil {
			return err
		}
		return call(unix.SYS_UTIMENSAT, uintptr(cwd), low, 0, 0)
	}},
	{forbidden, "fork by the older call", func(*scene, string) error {
		pid, _, errno := syscall.RawSyscall(unix.SYS_FORK, 0, 0, 0)
		if errno != 0 {
			return errno
		}
		if pid == 0 {
			syscall.RawSyscall(syscall.SYS_EXIT, 0, 0, 0)
		}
		var status unix.WaitStatus
		_, _ = unix.Wait4(int(pid), &status, 0, nil)
		return nil
	}},
	{machine, "call in the x32 way", func(*scene, string) error { return call(unix.SYS_GETPID | 0x40000000) }},
}
