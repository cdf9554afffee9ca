package sandbox

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Level says how well modules are confined on a machine.
type Level string

// The levels, by what they hold.
const (
	Full    Level = "full"    // files, other processes and the network
	Partial Level = "partial" // files alone: another process of the daemon's user can be harmed
	None    Level = "none"    // not even files: the registry and its key lie open
)

// Support is what this machine can confine a process with.
type Support struct {
	Landlock int  // the version of the kernel's interface, 0 where there is none
	Seccomp  bool // and this package has a filter for the architecture
	Mounts   bool // and a process may have mounts of its own, so that /run can be hidden; every kernel with Landlock has them

	why string // there is no Landlock
}

// Detect asks the kernel.
func Detect() Support {
	abi, why := landlockVersion()
	return Support{Landlock: abi, Seccomp: hasFilter && seccompWorks(), Mounts: abi > 0 && mountsWork(), why: why}
}

// Level is how well a module is confined by that.
func (s Support) Level() Level {
	switch {
	case s.Landlock == 0:
		return None
	case !s.Seccomp:
		return Partial
	}
	return Full
}

// Lack says in one sentence what a module can do because of what is missing, "" at level full, and what to do about it.
func (s Support) Lack() (why, remedy string) {
	switch s.Level() {
	case Full:
		return "", ""
	case Partial:
		return "this machine cannot filter system calls, so a module can harm other processes of the daemon's user, empty their files and use the network",
			"use a kernel with CONFIG_SECCOMP_FILTER, on x86-64 or arm64"
	}
	why = s.why
	if why == "" {
		why = "it has no Landlock"
	}
	return "this machine cannot confine files (" + why + "), so a module can read and change the registry and its key like the daemon itself",
		"use Linux 5.13 or later with landlock among the kernel's lsm= modules, and let the daemon's container allow it"
}

// landlockVersion is the version of the kernel's Landlock interface, or 0 and why there is none.
func landlockVersion() (abi int, why string) {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch {
	case errno == 0:
		return int(v), ""
	case errors.Is(errno, unix.EOPNOTSUPP):
		return 0, "Landlock is switched off at boot"
	case errors.Is(errno, unix.ENOSYS):
		return 0, "its kernel has no Landlock"
	}
	return 0, "Landlock is refused: " + errno.Error()
}

// seccompWorks reports whether the kernel takes filters that refuse calls with an error.
func seccompWorks() bool {
	action := uint32(unix.SECCOMP_RET_ERRNO)
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
	return errno == 0
}
