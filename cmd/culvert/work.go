package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// live shows what an action or job says while it is under way: steps as output, progress beside it.
type live struct {
	app  *app
	over bool      // progress is written over what was written before, as a terminal can
	told time.Time // when progress last was
	open bool      // a line of progress has no end yet
}

func (a *app) live() *live { return &live{app: a, over: !a.json() && terminal(a.errOut)} }

func (l *live) hooks() control.Live { return control.Live{Step: l.step, Progress: l.progress} }

func (l *live) step(s control.Step) {
	l.end()
	l.app.testStep(s)
}

// How often progress is shown: on a terminal, and elsewhere, where it stays.
const (
	redrawEvery = 200 * time.Millisecond
	tellEvery   = 5 * time.Second
)

func (l *live) progress(p control.Progress) {
	every := tellEvery
	if l.over {
		every = redrawEvery
	}
	if p == (control.Progress{}) || l.app.json() || time.Since(l.told) < every {
		return
	}
	l.told = time.Now()
	if !l.over {
		l.app.note("%s", progressText(p))
		return
	}
	l.open = true
	fmt.Fprintf(l.app.errOut, "\r%s\x1b[K", progressText(p))
}

// end ends the line of progress.
func (l *live) end() {
	if l.open {
		l.open = false
		fmt.Fprint(l.app.errOut, "\r\x1b[K")
	}
}

// progressText is like "120 of 3400  users".
func progressText(p control.Progress) string {
	text := clean(p.Text)
	switch {
	case p.Of > 0:
		text = fmt.Sprintf("%d of %d  %s", p.Done, p.Of, text)
	case p.Done > 0:
		text = fmt.Sprintf("%d  %s", p.Done, text)
	}
	return strings.TrimSpace(text)
}

// worked shows what came of an action or job, what being its name. It is an error where that is not all well.
func (a *app) worked(what string, r control.Result) error {
	if err := a.show(r, func() { a.resultPage(what, r) }); err != nil {
		return err
	}
	switch r.Outcome {
	case tunnel.ResultOK:
		return nil
	case tunnel.ResultPartial:
		return &failure{exitNotUp, colon(what+" went well only in part", r.Message), r.Remedy}
	}
	return &failure{exitFailed, colon(what+" failed", r.Message), r.Remedy}
}

// colon is what with message behind it, where there is one.
func colon(what, message string) string {
	if message == "" {
		return what
	}
	return what + ": " + message
}

func (a *app) resultPage(what string, r control.Result) {
	if len(r.Rows) > 0 {
		a.table(r.Columns, r.Rows)
	}
	if r.More > 0 {
		a.say("... and %d more", r.More)
	}
	if counts := countsText(r.Counts); counts != "" {
		a.say("%s", counts)
	}
	if r.OK {
		a.say("%s", clean(colon(what+" went well", r.Message)))
	}
}

// countsText is like "created 12, updated 3".
func countsText(counts []control.Count) string {
	var parts []string
	for _, c := range counts {
		parts = append(parts, fmt.Sprintf("%s %d", clean(c.Name), c.N))
	}
	return strings.Join(parts, ", ")
}
