//go:build amd64 || arm64

package sandbox

import "golang.org/x/sys/unix"

// Calls that are refused whatever their arguments. Those that one architecture alone has are in a table of its own.
var (
	// byPath change a file by its path, or by a descriptor that was opened for reading alone, which Landlock does not
	// cover; or they watch what others do with it.
	byPath = []uint32{
		unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2, unix.SYS_FCHOWN, unix.SYS_FCHOWNAT,
		unix.SYS_SETXATTR, unix.SYS_LSETXATTR, unix.SYS_FSETXATTR, unix.SYS_REMOVEXATTR, unix.SYS_LREMOVEXATTR, unix.SYS_FREMOVEXATTR,
		unix.SYS_TRUNCATE, unix.SYS_UTIMENSAT, unix.SYS_INOTIFY_ADD_WATCH, unix.SYS_FANOTIFY_INIT, unix.SYS_FANOTIFY_MARK,
		unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_NAME_TO_HANDLE_AT,
	}

	// toProcesses reach other processes, or leave the group by which the host ends this one.
	toProcesses = []uint32{
		unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PROCESS_MADVISE, unix.SYS_PROCESS_MRELEASE,
		unix.SYS_KCMP, unix.SYS_MIGRATE_PAGES, unix.SYS_MOVE_PAGES, unix.SYS_GET_ROBUST_LIST,
		unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_GETFD, unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_TKILL, unix.SYS_RT_SIGQUEUEINFO,
		unix.SYS_SETPRIORITY, unix.SYS_IOPRIO_SET, unix.SYS_SCHED_SETSCHEDULER, unix.SYS_SCHED_SETPARAM, unix.SYS_SCHED_SETATTR,
		unix.SYS_SETSID, unix.SYS_SETPGID,
		unix.SYS_SHMGET, unix.SYS_SHMAT, unix.SYS_SHMCTL, unix.SYS_MSGGET, unix.SYS_MSGCTL, unix.SYS_MSGSND, unix.SYS_MSGRCV,
		unix.SYS_SEMGET, unix.SYS_SEMCTL, unix.SYS_SEMOP, unix.SYS_SEMTIMEDOP, unix.SYS_MQ_OPEN, unix.SYS_MQ_UNLINK,
	}

	// toKernel are its wide doors, and what only an administrator has use for.
	toKernel = []uint32{
		unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_UNSHARE, unix.SYS_SETNS,
		unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT, unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR,
		unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_PERSONALITY,
		unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
		unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL,
		unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD,
		unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_SYSLOG, unix.SYS_VHANGUP,
		unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME,
	}

	// uncounted make memory that no limit of a process counts: files in memory, pages kept by a pipe or a ruleset; or they
	// take of what the whole machine or all of a user's processes have together: queues of the disk, watches. They are said
	// not to exist, and programs then do without, as on an older kernel.
	uncounted = []uint32{
		unix.SYS_MEMFD_CREATE, unix.SYS_MEMFD_SECRET, unix.SYS_VMSPLICE, unix.SYS_MAP_SHADOW_STACK,
		unix.SYS_LANDLOCK_CREATE_RULESET, unix.SYS_IO_SETUP, unix.SYS_INOTIFY_INIT1,
	}

	// unseen have arguments in memory, which a filter cannot judge. They are said not to exist, and programs then use
	// the older form, which it can.
	unseen = []uint32{unix.SYS_CLONE3, unix.SYS_OPENAT2}
)

// newest is the last call that was judged when this table was written. Those that came later do not exist for modules.
const newest = unix.SYS_MSEAL

// Requests to a descriptor that no name stands for in package unix.
const (
	fioSetOwn     = 0x8901
	siocSetGroup  = 0x8902
	tioclinux     = 0x541c
	fsSetXAttr    = 0x401c5820
	newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET
	typeMask      = 0xf // of socket's second argument; the rest are flags
)

// making is a call that makes a file, and which of its arguments is the file's mode.
type making struct {
	call uint32
	mode int
}

// opening is a call that opens a file, and which of its arguments says how.
type opening struct {
	call  uint32
	flags int
}

// newFilter is the filter of a process with that id, whose binary is that descriptor. Both stay when it is executed.
func newFilter(p Plan, pid, binary uint32) filter {
	f := filter{op(load, offArch, 0, 0), op(ifEqual, auditArch, 1, 0), refuse(unix.ENOSYS), loadNumber()}
	f = append(f, op(ifLeast, newest+1, 0, 1), refuse(unix.ENOSYS)) // x32 is among these, by its high bit
	f.deny(unix.EPERM, byPath...)
	f.deny(unix.EPERM, toProcesses...)
	f.deny(unix.EPERM, toKernel...)
	f.deny(unix.EPERM, olderForms...)
	f.deny(unix.ENOSYS, unseen...)
	f.deny(unix.ENOSYS, uncounted...)
	f.judgeMemory()
	f.deny(unix.ENOSYS, olderUncounted...)
	f.judgeOpens()
	f.judgeModes()
	f.judgeSignals(pid)
	f.judgePrograms(p.Programs, binary)
	f.judgeSockets(p.Network)
	return append(f, allow())
}

// judgeMemory refuses memory that RLIMIT_DATA does not count: what is shared and of no file, and what grows like a stack.
func (f *filter) judgeMemory() {
	body := []unix.SockFilter{loadArgument(3), op(ifAnyOf, unix.MAP_GROWSDOWN, 0, 1), refuse(unix.EPERM), mask(unix.MAP_SHARED | unix.MAP_PRIVATE | unix.MAP_ANONYMOUS)}
	f.on(unix.SYS_MMAP, append(body, noneOf(unix.MAP_SHARED|unix.MAP_ANONYMOUS, unix.MAP_SHARED_VALIDATE|unix.MAP_ANONYMOUS)...)...)
}

// judgeOpens refuses to empty a file without a mode that asks for writing, which Landlock before version 3 does not
// notice, and the fourth mode, for which it asks nothing at all.
func (f *filter) judgeOpens() {
	for _, o := range opens {
		body := []unix.SockFilter{loadArgument(o.flags), mask(unix.O_TRUNC | unix.O_ACCMODE)}
		f.on(o.call, append(body, noneOf(unix.O_TRUNC|unix.O_RDONLY, unix.O_TRUNC|unix.O_ACCMODE, unix.O_ACCMODE)...)...)
	}
}

// judgeModes refuses to make files that run as their owner: who else can reach one, where the operator granted a place to
// write to, would be the daemon's user by it.
func (f *filter) judgeModes() {
	const special = unix.S_ISUID | unix.S_ISGID
	for _, o := range opens { // only who makes a file gives a mode
		f.on(o.call, loadArgument(o.flags), op(ifAnyOf, unix.O_CREAT|unix.O_TMPFILE&^unix.O_DIRECTORY, 0, 3),
			loadArgument(o.flags+1), op(ifAnyOf, special, 0, 1), refuse(unix.EPERM))
	}
	for _, m := range makes {
		f.on(m.call, loadArgument(m.mode), op(ifAnyOf, special, 0, 1), refuse(unix.EPERM))
	}
}

// judgeSignals leaves a process its own signals, limits and processors, and no way to have the kernel signal another,
// or to outlive the host.
func (f *filter) judgeSignals(pid uint32) {
	f.only(unix.SYS_KILL, 0, pid)
	f.only(unix.SYS_TGKILL, 0, pid) // by which Go interrupts its own threads
	f.only(unix.SYS_RT_TGSIGQUEUEINFO, 0, pid)
	f.only(unix.SYS_PRLIMIT64, 0, 0, pid)
	f.only(unix.SYS_SCHED_SETAFFINITY, 0, 0, pid)
	f.never(unix.SYS_FCNTL, 1, unix.F_SETOWN, unix.F_SETOWN_EX, unix.F_SETSIG, unix.F_SETLEASE, unix.F_NOTIFY)
	f.never(unix.SYS_IOCTL, 1, fioSetOwn, siocSetGroup, unix.TIOCSTI, tioclinux, unix.FS_IOC_SETFLAGS, fsSetXAttr, unix.FS_IOC_ENABLE_VERITY)
	f.never(unix.SYS_PRCTL, 0, unix.PR_SET_PDEATHSIG, unix.PR_SCHED_CORE)
}

// judgePrograms leaves a process its threads, and the one execution that is still to come; with the grant also children,
// in the same namespaces and its own.
func (f *filter) judgePrograms(granted bool, binary uint32) {
	if granted {
		f.on(unix.SYS_CLONE, loadArgument(0), op(ifAnyOf, newNamespaces|unix.CLONE_PARENT, 0, 1), refuse(unix.EPERM))
		return
	}
	f.deny(unix.EPERM, unix.SYS_EXECVE)
	f.deny(unix.EPERM, forks...)
	f.on(unix.SYS_CLONE, loadArgument(0), op(ifAnyOf, unix.CLONE_THREAD, 1, 0), refuse(unix.EPERM))
	f.only(unix.SYS_EXECVEAT, 0, binary)
}

// judgeSockets leaves a process unix sockets, and with the grant TCP and UDP: no raw packets, no netlink, nothing that
// goes around the address families that were granted.
func (f *filter) judgeSockets(network bool) {
	f.only(unix.SYS_SOCKETPAIR, 0, unix.AF_UNIX)
	if !network {
		f.only(unix.SYS_SOCKET, 0, unix.AF_UNIX)
		return
	}
	inet := oneOf(unix.AF_INET, unix.AF_INET6)
	inet = append(inet, loadArgument(1), mask(typeMask))
	inet = append(inet, oneOf(unix.SOCK_STREAM, unix.SOCK_DGRAM)...)
	inet = append(inet, loadArgument(2))
	inet = append(inet, oneOf(0, unix.IPPROTO_TCP, unix.IPPROTO_UDP)...)
	f.on(unix.SYS_SOCKET, append([]unix.SockFilter{loadArgument(0), op(ifEqual, unix.AF_UNIX, len(inet), 0)}, inet...)...)
}
