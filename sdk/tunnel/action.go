package tunnel

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// CapabilityActions is what a module with actions says in its Description, which lists them.
const CapabilityActions = "actions"

// Bounds of actions.
const (
	MaxActions      = 20
	MaxArguments    = 16 << 10 // bytes of the schema of an action's arguments, and of the arguments
	ActionLimit     = 2 * time.Minute
	MaxActionLimit  = time.Hour
	MaxProgressText = 200 // bytes
)

// Action is something that a module does for one of its configurations when an operator asks for it.
type Action struct {
	Name      string          `json:"name"`
	Title     string          `json:"title"`
	Help      string          `json:"help,omitempty"`
	Arguments json.RawMessage `json:"arguments,omitempty"` // JSON Schema; none: it takes none
	DryRun    bool            `json:"dry_run"`             // whether it can say what it would change, and change nothing
	Seconds   int             `json:"seconds"`             // it may take
}

// Limit is how long the action may take.
func (a Action) Limit() time.Duration { return time.Duration(a.Seconds) * time.Second }

// Action is the module's action of that name.
func (d Description) Action(name string) (Action, bool) {
	i := slices.IndexFunc(d.Actions, func(a Action) bool { return a.Name == name })
	if i < 0 {
		return Action{}, false
	}
	return d.Actions[i], true
}

// ActReport is what an action or job says while it works: one of the two.
type ActReport struct {
	Step     *TestStep
	Progress *Progress
}

// Progress is how far an action or job is. Of is 0 while nobody knows.
type Progress struct {
	Done, Of int64
	Text     string
}

// Shown is p fit to show: its text escaped and cut, its numbers not below zero.
func (p Progress) Shown() Progress {
	return Progress{Done: max(p.Done, 0), Of: max(p.Of, 0), Text: Clean(p.Text, MaxProgressText)}
}

// checkActions leaves the schemas of their arguments out, as CheckDescription does with that of the settings.
func (d Description) checkActions() (fs Findings) {
	if n := len(d.Actions); n > MaxActions {
		return one(TooMany, "actions", strconv.Itoa(n), fmt.Sprintf("the module has %d actions", n), atMost(MaxActions))
	}
	var names []string
	for _, a := range d.Actions {
		afs := checkWork(work{a.Name, a.Title, a.Help, a.Seconds}, "actions", names, MaxActionLimit)
		if n := len(a.Arguments); n > MaxArguments {
			afs = append(afs, find(TooLong, "arguments", strconv.Itoa(n), fmt.Sprintf("the schema of the arguments has %d bytes", n), atMost(MaxArguments)))
		}
		names = append(names, a.Name)
		fs = append(fs, afs.In("actions["+Clean(a.Name, MaxName)+"]")...)
	}
	return fs
}

// work is what actions and jobs say of themselves alike.
type work struct {
	name, title, help string
	seconds           int
}

// checkWork checks an action or job, one of those called all, of which there are these before it.
func checkWork(w work, all string, before []string, limit time.Duration) Findings {
	fs := CheckName(w.name, MaxName).In("name")
	if slices.Contains(before, w.name) {
		fs = append(fs, find(Exists, "name", w.name, "there are two "+all+" "+quoted(w.name), "give each its own name"))
	}
	fs = append(fs, checkLine(w.title, "title", maxTitle)...)
	fs = append(fs, checkLine(w.help, "help", maxHelp)...)
	if w.seconds < 1 || time.Duration(w.seconds)*time.Second > limit {
		fs = append(fs, find(OutOfRange, "seconds", strconv.Itoa(w.seconds), fmt.Sprintf("it may take %d s", w.seconds),
			fmt.Sprintf("use 1 s to %v", limit)))
	}
	return fs
}
