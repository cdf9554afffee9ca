package sandbox

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Rights to files, by their Landlock names. A directory's hold for everything below it.
const (
	execute   = unix.LANDLOCK_ACCESS_FS_EXECUTE
	writeFile = unix.LANDLOCK_ACCESS_FS_WRITE_FILE
	readFile  = unix.LANDLOCK_ACCESS_FS_READ_FILE
	list      = unix.LANDLOCK_ACCESS_FS_READ_DIR
	remove    = unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE
	makeDir   = unix.LANDLOCK_ACCESS_FS_MAKE_DIR
	makeFile  = unix.LANDLOCK_ACCESS_FS_MAKE_REG
	makeSock  = unix.LANDLOCK_ACCESS_FS_MAKE_SOCK
	makeLink  = unix.LANDLOCK_ACCESS_FS_MAKE_SYM
	refer     = unix.LANDLOCK_ACCESS_FS_REFER // move between directories

	// handled are the rights that a process has only where a rule gives them: those of version 2 on every kernel. Later
	// ones would let a module fail on a newer kernel that works on an older; what they hold, the filter of calls holds.
	handled = 1<<14 - 1

	// toFile are the rights that a rule on a file may name.
	toFile = execute | writeFile | readFile
)

// scoped keeps signals and abstract unix sockets within the sandbox, from version 6 on.
const (
	scoped      = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	scopedSince = 6
)

// restrictFiles leaves the thread the rights to files that p gives. It is one domain for files and scope: each further
// one would refuse to move files between directories, whether it handles that right or not.
func restrictFiles(abi int, p Plan, binary int) error {
	attr := unix.LandlockRulesetAttr{Handled_access_fs: handled}
	if abi < 2 { // there moving between directories is always refused
		attr.Handled_access_fs &^= refer
	}
	if abi >= scopedSince {
		attr.Scoped = scoped
	}
	rules, err := newRuleset(attr)
	if err != nil {
		return err
	}
	defer rules.close()
	for _, a := range allowances(p) {
		if err := rules.allowPath(a.rights&attr.Handled_access_fs, a.path); err != nil {
			return fmt.Errorf("allow %s: %w", a.path, err)
		}
	}
	for _, o := range granted(p) {
		if err := rules.allow(o.rights&attr.Handled_access_fs, o.fd); err != nil {
			return fmt.Errorf("allow what was granted: %w", err)
		}
	}
	for _, path := range loaders(descriptor(binary)) {
		if err := rules.allowLoader(path); err != nil {
			return fmt.Errorf("what starts it, %q: %w", path, err)
		}
	}
	if err := rules.allow(execute|readFile, binary); err != nil {
		return fmt.Errorf("allow the binary: %w", err)
	}
	return rules.enter()
}

// ruleset is a Landlock ruleset's descriptor.
type ruleset int

func newRuleset(attr unix.LandlockRulesetAttr) (ruleset, error) {
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return 0, os.NewSyscallError("landlock_create_ruleset", errno)
	}
	return ruleset(fd), nil
}

// allowPath gives rights to what lies at path now, and below. A file that is replaced later loses them.
func (r ruleset) allowPath(rights uint64, path string) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return nil // not on this machine
	case err != nil:
		return err
	}
	defer unix.Close(fd)
	return r.allow(rights, fd)
}

// allowLoader lets the program at path be executed. The path is the plugin's own word, so it opens nothing but a program of
// the machine: a file where those are, which only root can have put there.
func (r ruleset) allowLoader(path string) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return nil // the execution fails for it
	case err != nil:
		return err
	}
	defer unix.Close(fd)
	if err := isProgram(fd); err != nil {
		return err
	}
	return r.allow(execute|readFile, fd)
}

func (r ruleset) allow(rights uint64, fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= toFile
	}
	attr := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(r), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&attr)), 0, 0, 0)
	if errno != 0 {
		return os.NewSyscallError("landlock_add_rule", errno)
	}
	return nil
}

// enter confines the thread to the rules.
func (r ruleset) enter() error {
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(r), 0, 0); errno != 0 {
		return os.NewSyscallError("landlock_restrict_self", errno)
	}
	return nil
}

func (r ruleset) close() { _ = unix.Close(int(r)) }
