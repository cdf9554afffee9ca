package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// Trial is one measurement of one case of a goal.
type Trial struct {
	Goal, Case string
	At         time.Time
	Commit     string
	Figures    map[string]float64 // by name; times in seconds
	Failed     string             // why there is no figure, or what is wrong beside the figures; "" for nothing
	HugePages  bool               `json:",omitempty"` // the system gives them to all, as Debian does, and not on request alone
}

// line is one of the state file: the head, a trial, or time that was spent.
type line struct {
	Seed  uint64         `json:",omitempty"`
	Trial *Trial         `json:",omitempty"`
	Spent *time.Duration `json:",omitempty"`
}

// trialLog keeps every trial at once in memory and in the state file. Its methods are safe for concurrent use.
type trialLog struct {
	seed uint64

	mu     sync.Mutex
	file   *os.File
	trials []Trial
	spent  time.Duration
}

// openLog begins a new state file, or goes on with the old one.
func openLog(o options) (*trialLog, error) {
	l := &trialLog{seed: o.seed}
	how := os.O_CREATE | os.O_RDWR | os.O_TRUNC
	if o.resume {
		how = os.O_CREATE | os.O_RDWR
	}
	var err error
	if l.file, err = os.OpenFile(o.state, how, 0o600); err != nil {
		return nil, err
	}
	for in := bufio.NewScanner(l.file); in.Scan(); {
		var e line
		if err := json.Unmarshal(in.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("%s holds something else: %w", o.state, err)
		}
		switch {
		case e.Trial != nil:
			l.trials = append(l.trials, *e.Trial)
		case e.Spent != nil:
			l.spent += *e.Spent
		default:
			l.seed = e.Seed
		}
	}
	if len(l.trials) == 0 {
		return l, l.write(line{Seed: l.seed})
	}
	return l, nil
}

func (l *trialLog) close() { l.file.Close() }

func (l *trialLog) write(e line) error {
	b, err := json.Marshal(e)
	if err == nil {
		_, err = l.file.Write(append(b, '\n'))
	}
	return err
}

// add keeps a trial. A state file that cannot be written is said once by every trial: nothing else depends on it.
func (l *trialLog) add(t Trial) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trials = append(l.trials, t)
	if err := l.write(line{Trial: &t}); err != nil {
		fmt.Fprintln(os.Stderr, "soak: a trial was not written:", err)
	}
}

// spend counts time towards the budget.
func (l *trialLog) spend(d time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spent += d
	return l.write(line{Spent: &d})
}

// of are the trials of one case, of all cases of the goal for "", of all goals for "" twice.
func (l *trialLog) of(goal, kind string) (all []Trial) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.trials {
		if (goal == "" || t.Goal == goal) && (kind == "" || t.Case == kind) {
			all = append(all, t)
		}
	}
	return all
}

// commits are those that were measured, in their order.
func (l *trialLog) commits() (all []string) {
	for _, t := range l.of("", "") {
		if !slices.Contains(all, t.Commit) {
			all = append(all, t.Commit)
		}
	}
	return all
}

// withHugePages are the goals of trials that had huge pages.
func (l *trialLog) withHugePages() (all []string) {
	for _, t := range l.of("", "") {
		if t.HugePages && !slices.Contains(all, t.Goal) {
			all = append(all, t.Goal)
		}
	}
	return all
}

// figure reads one figure of every trial that has it.
func figure(all []Trial, name string) (values []float64) {
	for _, t := range all {
		if v, ok := t.Figures[name]; ok {
			values = append(values, v)
		}
	}
	return values
}
