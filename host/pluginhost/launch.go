package pluginhost

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/host/pluginhost/sandbox"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// launchWord is the argument that makes the daemon's binary the launcher of one plugin.
const launchWord = "__launch"

// The launcher's descriptors beside the standard ones.
const (
	planFD    = 3 // the plan, as JSON
	binaryFD  = 4 // the plugin's binary, opened and hashed by the host
	reportFD  = 5 // why the launch failed; closed without a word once the plugin runs
	grantedFD = 6 // the first of those that the plan's sandbox names
)

// plan is what the host tells the launcher.
type plan struct {
	Name    string   // what the process calls itself
	Env     []string // the whole environment of the plugin
	Limit   limits
	Host    int             // the process that the plugin dies with
	Support sandbox.Support // what the machine confines it by
	Sandbox sandbox.Plan    // to what
}

// limits bound what one process may take.
type limits struct {
	Files    uint64 // open descriptors
	FileSize uint64 // bytes of one file
	Data     uint64 // bytes of memory
}

// LaunchIfAsked becomes a plugin when this process was started to be its launcher, or the host's heir, and else returns at once. Every
// program that hosts plugins calls it before anything else: the host starts its own binary again, and what must happen
// between fork and the plugin (limits, descriptors, and whatever else confines it) happens in that second start, where
// no other thread of the host is about.
func LaunchIfAsked() {
	confineIfAsked(os.Args)
	if len(os.Args) == 3 && os.Args[1] == heirWord {
		inherit(roll(os.Args[2]))
		os.Exit(0)
	}
	if len(os.Args) != 2 || os.Args[1] != launchWord {
		return
	}
	runtime.LockOSThread() // prctl, sandbox and exec must happen on one and the same thread
	err := launch()        // returns only on failure
	_ = json.NewEncoder(os.NewFile(reportFD, "report")).Encode(err)
	os.Exit(127)
}

// launchError says why a launcher did not become its plugin. It is how the launcher reports to the host.
type launchError struct {
	Message string
	Errno   unix.Errno // of the execution itself; 0 where it did not come to that, and the machine is at fault
}

func (e *launchError) Error() string { return e.Message }

// lastsNot are what an execution fails with when another one may succeed.
var lastsNot = []unix.Errno{unix.ETXTBSY, unix.EAGAIN, unix.ENOMEM, unix.EMFILE, unix.ENFILE, unix.EIO}

// unusable tells a broken binary from a lack of the machine's.
func (e *launchError) unusable() *unusable {
	if e.Errno == 0 || slices.Contains(lastsNot, e.Errno) {
		return &unusable{message: "it cannot be started: " + e.Message, remedy: triedAgain}
	}
	why := e.Message
	if e.Errno == unix.ENOENT {
		why = "its interpreter or loader is not on this machine"
	}
	return &unusable{tunnel.BinaryBroken, "it cannot be executed: " + why, "put a binary for this machine there, or install what it needs and restart the module"}
}

// launch restricts this process and becomes the plugin.
func launch() *launchError {
	p, err := readPlan()
	if err != nil {
		return &launchError{Message: fmt.Sprintf("read the plan: %v", err)}
	}
	// When memory runs out, a plugin goes before the host. Where this is not possible it is no reason not to start.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0)
	binary, err := confine(&p)
	if err != nil {
		return &launchError{Message: err.Error()}
	}
	errno := execute(binary, p)
	return &launchError{Message: errno.Error(), Errno: errno}
}

// confine sets everything that holds for the plugin and returns the descriptor of its binary. The order matters, and the
// sandbox comes last: after it nothing but execute is possible.
func confine(p *plan) (binary int, err error) {
	if binary, err = hideBinary(&p.Limit); err != nil {
		return 0, err
	}
	if err := p.Limit.set(); err != nil {
		return 0, err
	}
	if err := closeOthers(binary, p.Sandbox); err != nil {
		return 0, err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, fmt.Errorf("give up new privileges: %w", err)
	}
	if err := dieWith(p.Host); err != nil {
		return 0, err
	}
	return binary, sandbox.Enter(p.Support, p.Sandbox, binary)
}

// dieWith has this thread, which becomes the plugin, killed when the host ends. The host asked for that at the fork, but
// of the first thread alone.
func dieWith(host int) error {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("die with the host: %w", err)
	}
	if unix.Getppid() != host {
		return errors.New("the host is gone already")
	}
	return nil
}

func readPlan() (plan, error) {
	var p plan
	f := os.NewFile(planFD, "plan")
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(b, &p)
}

// minFiles is how few descriptors a plugin can work with.
const minFiles = 64

// hideBinary moves the binary to the descriptor whose number is the limit of open files: a number the plugin can never
// have itself, so that permission to execute that descriptor cannot be used for another file later. Where the host's
// own hard limit is lower than planned, the plan's is lowered.
func hideBinary(l *limits) (int, error) {
	var have unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &have); err != nil {
		return 0, fmt.Errorf("read the limit of open files: %w", err)
	}
	if have.Max <= minFiles {
		return 0, fmt.Errorf("the limit of open files is %d, and a plugin needs more than %d: raise LimitNOFILE of the daemon", have.Max, minFiles)
	}
	l.Files = min(l.Files, have.Max-1)
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: l.Files + 1, Max: have.Max}, nil); err != nil {
		return 0, fmt.Errorf("set the limit of open files: %w", err)
	}
	binary := int(l.Files)
	if err := unix.Dup3(binaryFD, binary, unix.O_CLOEXEC); err != nil {
		return 0, fmt.Errorf("keep the binary: %w", err)
	}
	return binary, nil
}

// set applies the limits, hard and soft. There is no core file: it would hold the plugin's secrets.
func (l limits) set() error {
	for _, r := range []struct {
		name  string
		which int
		value uint64
	}{
		{"core", unix.RLIMIT_CORE, 0},
		{"file size", unix.RLIMIT_FSIZE, l.FileSize},
		{"data", unix.RLIMIT_DATA, l.Data},
		{"open files", unix.RLIMIT_NOFILE, l.Files},
		{"stack", unix.RLIMIT_STACK, 8 << 20}, // what it grows to is no data
		{"locked memory", unix.RLIMIT_MEMLOCK, 8 << 20},
		{"queued signals", unix.RLIMIT_SIGPENDING, 1024}, // timers are of these; all of the user's count
	} {
		var have unix.Rlimit
		if err := unix.Getrlimit(r.which, &have); err != nil {
			return fmt.Errorf("read the limit %s: %w", r.name, err)
		}
		v := min(r.value, have.Max) // an ordinary user cannot raise what the host was given
		if err := unix.Prlimit(0, r.which, &unix.Rlimit{Cur: v, Max: v}, nil); err != nil {
			return fmt.Errorf("set the limit %s: %w", r.name, err)
		}
	}
	return leaveTasks()
}

// leaveTasks keeps a part of the tasks that the user may have for the host: all of the user's count, whoever started them,
// and a Go program that cannot have a thread dies. Root has no such limit.
func leaveTasks() error {
	var have unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &have); err != nil {
		return fmt.Errorf("read the limit of tasks: %w", err)
	}
	if have.Cur == unix.RLIM_INFINITY {
		return nil
	}
	v := have.Cur - have.Cur/4
	if err := unix.Prlimit(0, unix.RLIMIT_NPROC, &unix.Rlimit{Cur: v, Max: v}, nil); err != nil {
		return fmt.Errorf("set the limit of tasks: %w", err)
	}
	return nil
}

// closeOthers lets the plugin inherit nothing but the standard descriptors and its binary, which a script's
// interpreter opens again.
func closeOthers(binary int, p sandbox.Plan) error {
	err := unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC)
	if err != nil && !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("close descriptors: %w", err)
	}
	if err != nil { // before Linux 5.11; everything Go opened is close-on-exec already
		for _, fd := range slices.Concat([]int{planFD, binaryFD, reportFD}, p.Read, p.Write) {
			unix.CloseOnExec(fd)
		}
	}
	if _, err := unix.FcntlInt(uintptr(binary), unix.F_SETFD, 0); err != nil {
		return fmt.Errorf("keep the binary: %w", err)
	}
	return nil
}

// execute replaces this process by the plugin. It goes by descriptor, so that what runs is what was hashed.
func execute(binary int, p plan) unix.Errno {
	argv, err := syscall.SlicePtrFromStrings([]string{p.Name})
	if err != nil {
		return unix.EINVAL
	}
	envv, err := syscall.SlicePtrFromStrings(p.Env)
	if err != nil {
		return unix.EINVAL
	}
	var empty byte
	_, _, errno := syscall.RawSyscall6(unix.SYS_EXECVEAT, uintptr(binary), uintptr(unsafe.Pointer(&empty)),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envv[0])), unix.AT_EMPTY_PATH, 0)
	return errno
}
