package sandbox

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_AARCH64

// This architecture came after the older forms of calls.
var (
	olderForms []uint32
	forks      []uint32

	olderUncounted []uint32
)

// makes are the calls that make a file without opening it.
var makes = []making{{unix.SYS_MKNODAT, 2}}

// opens are the calls that open a file.
var opens = []opening{{unix.SYS_OPENAT, 2}}
