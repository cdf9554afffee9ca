package sandbox

import (
	"errors"

	"golang.org/x/sys/unix"
)

// kept are the capabilities that a daemon of root's leaves its modules: they open files that Landlock allows, whoever
// owns them, as such a daemon does. Everything else, raising its limits and tracing among it, is no module's.
const kept = 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH

// dropPrivileges has the next execution leave the process no capability but those kept; those that a service manager
// gave the daemon, for its ports, are not passed on.
func dropPrivileges() error {
	err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	if err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	if err := dropBounds(); err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var have [2]unix.CapUserData
	if err := unix.Capget(&header, &have[0]); err != nil {
		return err
	}
	next := [2]unix.CapUserData{{Permitted: have[0].Permitted & kept, Effective: have[0].Effective & kept}}
	return unix.Capset(&header, &next[0])
}

// dropBounds takes the other capabilities out of what an execution can give. A process that may not do this has none to
// give: its user is not root, or root without that power over itself, whose modules have what it has.
func dropBounds() error {
	for c := 0; ; c++ {
		in, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0)
		if errors.Is(err, unix.EINVAL) {
			return nil // there are no more
		}
		if err != nil {
			return err
		}
		if in == 0 || kept&(1<<c) != 0 {
			continue
		}
		err = unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0)
		if errors.Is(err, unix.EPERM) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
