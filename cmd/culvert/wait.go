package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// defaultWait is how long --wait waits, and every such command on a terminal.
const defaultWait = 20 * time.Second

// waitFlag is --wait[=D].
type waitFlag struct {
	d       time.Duration
	changed func() bool
}

func (f *waitFlag) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.Var(f, "wait", "show how it comes up and wait that long at most; exit code 3 when it is not up then\n(on a terminal 20s unless --wait=0)")
	flags.Lookup("wait").NoOptDefVal = defaultWait.String()
	flags.Lookup("wait").DefValue = "0"
	f.changed = func() bool { return flags.Changed("wait") }
}

// duration is how long to wait, 0 for not at all.
func (f *waitFlag) duration(a *app) time.Duration {
	if !f.changed() && a.out.terminal() && !a.json() {
		return defaultWait
	}
	return f.d
}

// check refuses to wait for what is stored switched off.
func (f *waitFlag) check(disabled bool) tunnel.Findings {
	if !disabled || f.d == 0 {
		return nil
	}
	return tunnel.Findings{{Code: tunnel.Malformed, Field: "--disabled, --wait", Message: "what is switched off does not come up", WayOut: "give one of them"}}
}

// goal is what a wait is for.
type goal struct {
	name  string
	match func(control.Tunnel) bool
	// old is a status from before the change that started the wait: the same status is not yet an outcome.
	old *control.Tunnel
	// hear waits a moment, within the time there is, for what the services behind the mappings say.
	hear bool
	// none is the outcome when no tunnel matched to the end; how long that was is added.
	none failure
}

func oneTunnel(ref string, old *control.Tunnel) goal {
	return goal{name: ref, old: old, hear: true, match: func(t control.Tunnel) bool { return t.Ref() == ref },
		none: failure{exitNotUp, ref + " did not show", "culvert status shows what is wrong"}}
}

// changedAndWait says what was done to t and, if asked to, follows it until it is up. Where JSON is wanted, the tunnel
// is shown once, as it is at the end.
func (a *app) changedAndWait(cmd *cobra.Command, f *waitFlag, t control.Tunnel, what string, old *control.Tunnel) error {
	d := f.duration(a)
	if d == 0 {
		return a.changed(t, what)
	}
	if !a.json() {
		a.say("%s %s", clean(t.Ref()), what)
	}
	last, err := a.await(cmd.Context(), d, oneTunnel(t.Ref(), old))
	if a.json() {
		if len(last) == 1 {
			t = last[0]
		}
		if jerr := a.writeJSON(t, "  "); jerr != nil {
			return jerr
		}
	}
	return err
}

// changedThenWait follows a tunnel, if asked to, after a change that was told already and let in what was blocked before.
func (a *app) changedThenWait(cmd *cobra.Command, f *waitFlag, before control.Tunnel) error {
	d := f.duration(a)
	if d == 0 {
		return nil
	}
	var old *control.Tunnel
	if before.State == string(tunnel.Blocked) {
		old = &before
	}
	_, err := a.await(cmd.Context(), d, oneTunnel(before.Ref(), old))
	return err
}

// await follows the tunnels of g, showing each stage beside the output, until all are up, one needs a person, or d is
// over. It returns them as they were last; the error is exit code 3 where they are not up.
func (a *app) await(caller context.Context, d time.Duration, g goal) ([]control.Tunnel, error) {
	ctx, cancel := context.WithTimeout(caller, d)
	defer cancel()
	w := &waiting{app: a, goal: g, shown: map[string]string{}, mirror: newMirror()}
	for c, err := range a.daemon.Watch(ctx) {
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return w.mine(), err
		}
		if over, err := w.take(c); over {
			return w.heard(caller, ctx, err)
		}
	}
	return w.mine(), w.ended(caller, d)
}
