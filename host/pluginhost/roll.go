package pluginhost

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// roll is a directory that holds the process groups that the modules of one daemon lead, one file each. A module dies with
// its daemon, the programs that it started do not: by the roll the daemon's heir ends them, or else the next daemon. A module
// cannot leave its group, nor can anything that it starts. "" is a roll that keeps nothing.
type roll string

func (r roll) file(group int) string { return filepath.Join(string(r), strconv.Itoa(group)) }

// enter notes the group of a process that was started just now: its boot and the leader's time of start, by which the
// number is known again.
func (r roll) enter(group int) error {
	leader, ok := procOf(group)
	boot, err := bootID()
	if r == "" || !ok || err != nil {
		return err
	}
	return os.WriteFile(r.file(group), fmt.Appendf(nil, "%s %d", boot, leader.start), 0o600)
}

// strike forgets a group whose members are dead or killed.
func (r roll) strike(group int) {
	if r != "" {
		_ = os.Remove(r.file(group))
	}
}

// endRolls ends what is left of the groups on all rolls in dir, and the rolls. It returns how many processes that were.
func endRolls(dir string) (ended int, err error) {
	rolls, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	for _, e := range rolls {
		r := roll(filepath.Join(dir, e.Name()))
		n, rollErr := r.endAll()
		ended += n
		err = errors.Join(err, rollErr, os.RemoveAll(string(r)))
	}
	return ended, err
}

// endAll ends what is left of the groups on the roll, and returns when it is gone, with how many processes that were.
func (r roll) endAll() (ended int, err error) {
	entries, err := os.ReadDir(string(r))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	boot, bootErr := bootID()
	if err := errors.Join(err, bootErr); err != nil {
		return 0, err
	}
	for _, e := range entries {
		group, err := strconv.Atoi(e.Name())
		b, readErr := os.ReadFile(r.file(group))
		var of string
		var start uint64
		if _, scanErr := fmt.Sscan(string(b), &of, &start); errors.Join(err, readErr, scanErr) == nil && of == boot && group > 1 {
			ended += endGroup(group, start)
		}
		if err := os.Remove(filepath.Join(string(r), e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return ended, err // else somebody else ended it
		}
	}
	return ended, nil
}

// endGroup kills the group whose leader began at start, and waits for its end. A number that is another's by now is left
// alone.
func endGroup(group int, start uint64) (ended int) {
	ended = len(membersOf(group, start))
	for deadline := time.Now().Add(killTime); len(membersOf(group, start)) > 0 && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		_ = unix.Kill(-group, unix.SIGKILL)
	}
	return ended
}

// membersOf are the living processes of that group, none where one of them cannot be a module's.
func membersOf(group int, start uint64) (members []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		p, ok := procOf(pid)
		switch {
		case !ok || p.group != group || p.state == "Z" || p.state == "X":
		case p.start < start, pid == group && p.start != start, !confinedForGood(pid):
			return nil
		default:
			members = append(members, pid)
		}
	}
	return members
}

// proc is what the kernel tells of a process.
type proc struct {
	state string
	group int
	start uint64 // in ticks since the boot
}

func procOf(pid int) (p proc, ok bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return p, false
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:])) // from the third on
	if len(fields) < 20 {
		return p, false
	}
	p.state = fields[0]
	group, groupErr := strconv.Atoi(fields[2])
	start, startErr := strconv.ParseUint(fields[19], 10, 64)
	p.group, p.start = group, start
	return p, groupErr == nil && startErr == nil
}

// confinedForGood reports whether the process can get no new privileges, as all that comes from the launcher and hardly
// anything else.
func confinedForGood(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && strings.Contains(string(b), "\nNoNewPrivs:\t1\n")
}

// bootID is the same until the machine starts anew.
func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b)), err
}
