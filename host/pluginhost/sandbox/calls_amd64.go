package sandbox

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_X86_64

// olderForms are refused like the calls that came after them.
var olderForms = []uint32{
	unix.SYS_CHMOD, unix.SYS_CHOWN, unix.SYS_LCHOWN, unix.SYS_UTIME, unix.SYS_UTIMES, unix.SYS_FUTIMESAT,
	unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_MODIFY_LDT, unix.SYS_USELIB, unix.SYS_USTAT, unix.SYS_SYSFS,
}

// forks make a child without saying how.
var forks = []uint32{unix.SYS_FORK, unix.SYS_VFORK}

// opens are the calls that open a file.
var opens = []opening{{unix.SYS_OPEN, 1}, {unix.SYS_OPENAT, 2}}
