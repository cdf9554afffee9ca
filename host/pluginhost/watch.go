package pluginhost

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/culvert-pbx/culvert/host/pluginhost/sandbox"
)

// bounds are what a process and all that comes from it may have together. A control group holds them; where there is none
// the host looks now and then, since the kernel's other limits count each process for itself, and threads for a user.
type bounds struct {
	memory uint64 // bytes, those that hold the tables of its pages and those that were swapped out included
	tasks  int    // processes and threads
}

var moduleBounds = bounds{memory: sandbox.MaxMemory, tasks: sandbox.MaxTasks}

// How often the host looks: at a process, and at a whole group, for which it must look at every process of the machine.
const (
	watchEvery      = 250 * time.Millisecond
	watchGroupEvery = time.Second
)

// maxListeners is how many sockets a module may have made: the memory of the machine holds their names.
const maxListeners = 1024

// watch ends the process when it has more than its bounds, and returns when it has ended.
func (p *process) watch() {
	every := watchEvery
	if p.plan.Sandbox.Programs {
		every = watchGroupEvery
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-p.exited:
			return
		}
		if why := p.excess(); why != "" {
			p.breakOff(why)
			return
		}
	}
}

// excess says what the process has too much of, "" for nothing.
func (p *process) excess() string {
	for _, dir := range p.plan.Sandbox.Listeners {
		if n := entriesOf(dir, maxListeners+1); n > maxListeners {
			return fmt.Sprintf("it made %d sockets or more, and a module may make %d", n, maxListeners)
		}
	}
	if p.cage != nil {
		return ""
	}
	return p.bounds.brokenBy(p.had())
}

// entriesOf is how many entries a directory has, counted up to most.
func entriesOf(dir string, most int) int {
	f, err := os.Open(dir)
	if err != nil {
		return 0
	}
	defer f.Close()
	names, _ := f.Readdirnames(most)
	return len(names)
}

// had is what the process, and what it may have started, has now.
func (p *process) had() (sum bounds) {
	leader := p.living()
	if leader == 0 {
		return sum
	}
	pids := []int{leader}
	if p.plan.Sandbox.Programs {
		pids = groupOf(leader)
	}
	for _, pid := range pids {
		b := boundsOf(pid)
		sum.memory += b.memory
		sum.tasks += b.tasks
	}
	return sum
}

// brokenBy says what of has is more than b, "" where nothing is.
func (b bounds) brokenBy(has bounds) string {
	switch {
	case has.memory > b.memory:
		return fmt.Sprintf("it had %d MiB of memory, and a module may have %d", has.memory>>20, b.memory>>20)
	case has.tasks > b.tasks:
		return fmt.Sprintf("it had %d processes and threads, and a module may have %d", has.tasks, b.tasks)
	}
	return ""
}

// groupOf are the processes of a group.
func groupOf(group int) (pids []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, ok := procOf(pid); ok && p.group == group {
			pids = append(pids, pid)
		}
	}
	return pids
}

// boundsOf is what one process has, nothing where it is gone.
func boundsOf(pid int) (b bounds) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return b
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		number, _, _ := strings.Cut(strings.TrimSpace(value), " ")
		n, _ := strconv.ParseUint(number, 10, 64)
		switch name {
		case "RssAnon", "RssShmem", "VmSwap", "VmPTE":
			b.memory += n << 10
		case "Threads":
			b.tasks = int(n)
		}
	}
	return b
}
