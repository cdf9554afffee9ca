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

// olderUncounted are refused like those that came after them.
var olderUncounted = []uint32{unix.SYS_INOTIFY_INIT}

// makes are the calls that make a file without opening it, or say of no flags that they do.
var makes = []making{{unix.SYS_CREAT, 1}, {unix.SYS_MKNOD, 1}, {unix.SYS_MKNODAT, 2}}

// opens are the calls that open a file.
var opens = []opening{{unix.SYS_OPEN, 1}, {unix.SYS_OPENAT, 2}}
