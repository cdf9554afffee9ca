package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// waiting is a wait on its way.
type waiting struct {
	app    *app
	goal   goal
	mirror *mirror
	shown  map[string]string // the state shown last, by tunnel and stage
}

// mine are the tunnels the wait is for, as they are known now.
func (w *waiting) mine() []control.Tunnel {
	var out []control.Tunnel
	for _, ref := range slices.Sorted(maps.Keys(w.mirror.known)) {
		if t := w.mirror.known[ref]; w.goal.match(t) {
			out = append(out, t)
		}
	}
	return out
}

// take takes a change in and shows it. over means that there is an outcome, err that it is a bad one.
func (w *waiting) take(c control.Change) (over bool, err error) {
	for _, s := range w.mirror.take(c) {
		if !w.goal.match(s.Tunnel) {
			continue
		}
		if s.removed {
			return true, &failure{exitFailed, s.Ref() + " was removed meanwhile", ""}
		}
		w.show(s.Tunnel)
	}
	if !w.mirror.synced {
		return false, nil
	}
	return w.judge()
}

// judge looks whether all are up, or one will not be without a person.
func (w *waiting) judge() (over bool, err error) {
	mine := w.mine()
	up := 0
	for _, t := range mine {
		switch {
		case t.State == string(tunnel.Disabled), t.State == string(tunnel.Inactive):
			return true, notUpYet(t, "") // what was begun does not change that
		case w.stale(t):
		case t.State == string(tunnel.Up):
			up++
		case t.State == string(tunnel.Blocked):
			return true, notUpYet(t, "")
		}
	}
	return up > 0 && up == len(mine), nil
}

// hearFor is how long a service has to say something once its tunnel is up: the daemon listens for two seconds.
const hearFor = 2500 * time.Millisecond

// heard returns the tunnels at the end of a wait. Where all are up it first shows what the services behind their mappings
// said, which no change tells; it waits for that until ctx ends at the latest.
func (w *waiting) heard(caller, ctx context.Context, outcome error) ([]control.Tunnel, error) {
	mine := w.mine()
	if outcome != nil {
		return mine, outcome
	}
	ctx, cancel := context.WithTimeout(ctx, hearFor)
	defer cancel()
	for again := true; again; {
		w.refresh(caller, mine)
		again = w.goal.hear && !allSpoke(mine) && pause(ctx, 100*time.Millisecond)
	}
	for _, t := range mine {
		for _, m := range t.Mappings {
			if m.Target.Message != "" {
				w.app.note("%s%-12s  %s", w.prefix(t), clean(m.Name), clean("the service said: "+m.Target.Message))
			}
		}
	}
	return mine, nil
}

// refresh looks at tunnels again. What changed meanwhile stays as it was: the outcome is that of the moment it was up.
func (w *waiting) refresh(ctx context.Context, ts []control.Tunnel) {
	for i, t := range ts {
		now, err := w.app.daemon.Tunnel(ctx, tunnel.Ref{Owner: tunnel.Owner(t.Owner), Name: tunnel.Name(t.Name)})
		if err == nil && now.State == t.State {
			ts[i] = now
		}
	}
}

// allSpoke reports whether it is known of every service what it said.
func allSpoke(ts []control.Tunnel) bool {
	for _, t := range ts {
		for _, m := range t.Mappings {
			if m.Target.Message == "" {
				return false
			}
		}
	}
	return true
}

// pause waits and reports whether ctx still runs.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// stale reports whether t is still as it was before the change that started the wait.
func (w *waiting) stale(t control.Tunnel) bool {
	old := w.goal.old
	return old != nil && t.State == old.State && sameTime(t.Since, old.Since)
}

func sameTime(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}

// show writes a line for each stage whose state is another than the one shown last.
func (w *waiting) show(t control.Tunnel) {
	if w.stale(t) {
		return
	}
	if t.Message != "" && w.shown[t.Ref()] != t.Message && t.State == string(tunnel.Connecting) && t.Reason == nil {
		w.shown[t.Ref()] = t.Message
		w.app.note("%s%s", w.prefix(t), clean(t.Message))
	}
	for _, s := range stages(t) {
		key := t.Ref() + " " + s.Name
		if s.State == control.StepRunning || w.shown[key] == s.State {
			continue
		}
		w.shown[key] = s.State
		w.app.note("%s", stepLine(w.prefix(t), s))
	}
}

// prefix names the tunnel where the wait is for more than one.
func (w *waiting) prefix(t control.Tunnel) string {
	if t.Ref() == w.goal.name {
		return "  "
	}
	return "  " + t.Ref() + gap
}

// stepLine is one stage for a person.
func stepLine(prefix string, s control.Step) string {
	line := fmt.Sprintf("%s%-12s  %s", prefix, s.Name, s.State)
	if s.State == control.StepFailed {
		line += gap + strings.TrimSpace(deref(s.Reason)+gap+s.Message)
	}
	return strings.TrimRight(clean(line), " ")
}

// ended is the outcome when the time is over, or the caller no longer waits.
func (w *waiting) ended(caller context.Context, d time.Duration) error {
	if err := caller.Err(); err != nil {
		return err
	}
	mine := w.mine()
	for _, t := range mine {
		if t.State != string(tunnel.Up) || w.stale(t) {
			return notUpYet(t, fmt.Sprintf(" after %s", d))
		}
	}
	return notUp(fmt.Sprintf("%s (after %s)", w.goal.none.message, d), w.goal.none.hint)
}

// notUpYet says what t is instead of up, and why.
func notUpYet(t control.Tunnel, after string) error {
	message := fmt.Sprintf("%s is %s%s", t.Ref(), t.State, after)
	if r := why(t); r != "" {
		message += " (" + r + ")"
	}
	if t.Message != "" {
		message += ": " + t.Message
	}
	hint := t.Remedy
	for _, m := range t.Mappings {
		if hint == "" && m.State != string(tunnel.Up) {
			hint = m.Remedy
		}
	}
	if hint == "" {
		hint = "culvert tunnel why " + t.Ref() + " says what was seen and how it goes on"
	}
	return notUp(message, hint)
}
