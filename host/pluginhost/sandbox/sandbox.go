// Package sandbox confines a process to its module's own directories and to what the operator granted it.
//
// The launcher of package pluginhost calls [Enter] as its last step before it becomes a module; the host asks [Detect]
// what this machine can do, and says so.
//
// It promises: whatever the module's code does, it opens no file outside its plan, talks to no network without the
// grant, starts no program without the grant, and reaches no other process of its user: not by signals, tracing, limits,
// shared memory or a descriptor's owner. Files are held by Landlock, all else by a seccomp filter; both go on to
// every thread and child and are never lifted. The rights are the same on every kernel that has Landlock, so that a
// module that works on one works on all; a kernel's newer means only close what the older ones had to leave open.
//
// It does not promise: that the module cannot see whether a path exists, how big and how old it is; that it cannot
// connect to a unix socket by path, where the socket's own mode lets the daemon's user do so; or that it cannot fill the
// disk. But where it can, which takes root, it hides what services have in /run, their sockets among it.
package sandbox

import (
	"fmt"
	"os"
)

// Plan is what one process may use beyond memory and time. Paths are absolute; one that does not exist is left out. What
// was granted comes as descriptors of the process that calls Enter: what somebody judged is what is opened, whatever its
// name leads to by now.
type Plan struct {
	Own       []string // directories that are its own: all but executing what lies there
	Wire      []string // directories it makes sockets in, and plain files while it does
	Listeners []string // directories it makes sockets in alone
	Sockets   []string // directories in which the host makes sockets for it
	Read      []int    // granted files and directories, opened with O_PATH
	Write     []int    // granted files and directories, read included
	Granted   []string // what those were called when they were granted: they are seen by that name, too, and nothing else is
	Network   bool     // granted: TCP and UDP sockets
	Programs  bool     // granted: starting the programs of the machine, in this same sandbox
}

// Enter confines the calling thread for ever, by all that s has. The caller has locked the thread, has given up new
// privileges (PR_SET_NO_NEW_PRIVS), has its final process id, and executes binary next, by descriptor: without
// p.Programs nothing else can be executed any more, and only binary and its loaders may be opened for that.
//
// Where it fails the process is confined in part, and must end.
func Enter(s Support, p Plan, binary int) error {
	if s.Mounts {
		if err := hide(p); err != nil {
			return fmt.Errorf("hide the sockets of services: %w", err)
		}
	}
	if err := dropPrivileges(); err != nil {
		return fmt.Errorf("give up privileges: %w", err)
	}
	if s.Landlock > 0 {
		if err := restrictFiles(s.Landlock, p, binary); err != nil {
			return fmt.Errorf("restrict files: %w", err)
		}
	}
	if s.Seccomp {
		if err := restrictCalls(p, os.Getpid(), binary); err != nil {
			return fmt.Errorf("restrict system calls: %w", err)
		}
	}
	return nil
}
