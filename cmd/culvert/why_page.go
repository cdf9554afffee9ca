package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// whyPage says for a person why t is as it is, or its one mapping in ms: the tunnel's own cause first, then each mapping
// that is not up.
func (a *app) whyPage(t control.Tunnel, ms []control.Mapping, one bool) {
	troubled := slices.DeleteFunc(slices.Clone(ms), func(m control.Mapping) bool { return mappingReasons(t, m).fine() })
	r := tunnelReasons(t)
	switch {
	case len(troubled) == 0 && (one || r.fine()):
		a.nothingWrong(t, ms, one)
		return
	case !tunnel.State(t.State).Linked():
		a.withoutLink(t, ms, one)
		return
	case one:
	case len(troubled) == 0, r.Reason != nil && !slices.ContainsFunc(troubled, func(m control.Mapping) bool { return deref(m.Reason) == *r.Reason }):
		a.section(r)
		a.next(nextOfTunnel(t))
	default: // a reason of the tunnel's is the first mapping's, of which more is said below
		a.say("%s", clean(r.Subject+" is "+r.State+since(a, t.Since)+": "+count(len(troubled), "mapping is", "mappings are")+" not up."))
	}
	for _, m := range troubled {
		if !one {
			a.say("")
		}
		a.section(mappingReasons(t, m))
		a.say("")
		a.statements(t, []control.Mapping{m})
		a.next(nextOfMapping(t, m))
	}
}

// withoutLink says why there is no link, which is what is wrong with every mapping of t too.
func (a *app) withoutLink(t control.Tunnel, ms []control.Mapping, one bool) {
	if one {
		a.section(mappingReasons(t, ms[0]))
	} else {
		a.section(tunnelReasons(t))
	}
	if len(ms) > 0 {
		a.say("")
		a.statements(t, ms)
	}
	a.next(nextOfTunnel(t))
}

// nothingWrong says so, and since when that is proved.
func (a *app) nothingWrong(t control.Tunnel, ms []control.Mapping, one bool) {
	if one {
		a.say("%s is up: nothing is wrong.", clean(t.Ref()+"/"+ms[0].Name))
	} else {
		a.say("%s is up%s: nothing is wrong.", clean(t.Ref()), since(a, t.Since))
	}
	rows := [][]string{{"link", a.statementText(linkOf(t))}}
	for _, m := range ms {
		text := "proved at " + a.when(m.ProvedAt)
		if m.TargetProvedAt != nil {
			text += ", the service behind it answered at " + a.when(m.TargetProvedAt)
		}
		rows = append(rows, []string{m.Name, text + saying(m.Target)})
	}
	a.table(nil, rows)
}

// section is one sentence, what was seen, and what to paste: each line alone, from its first column to its end, so that
// it can be taken whole.
func (a *app) section(r reasons) {
	sentence := r.Subject + " is " + r.State
	if r.Message != "" {
		sentence += ": " + r.Message
	}
	if r.Reason != nil {
		sentence += " (" + codesOf(r.Reason, r.Cause) + ")"
	}
	a.say("%s", clean(sentence))
	a.details(r.Remedy, r.Diagnosis)
}

// details are what was seen, what to do, and the lines to paste.
func (a *app) details(remedy string, d control.Diagnosis) {
	if len(d.Evidence) > 0 {
		a.say("\nWhat was seen:")
	}
	for _, e := range d.Evidence {
		a.say("  - %s", clean(e))
	}
	if len(d.Fixes) == 0 && remedy == "" {
		return
	}
	a.say("\nWhat to do:")
	sentence := remedy != "" && !slices.ContainsFunc(d.Fixes, func(f control.Fix) bool { return f.Line == remedy })
	if sentence {
		a.say("  %s", clean(remedy))
	}
	if sentence && len(d.Fixes) > 1 {
		a.say("\nLines to paste, the likeliest first:")
	}
	for _, f := range d.Fixes {
		a.say("\n  # %s:\n\n%s", clean(f.Where), cleanLine(f.Line))
	}
}

// next is what happens without anybody doing anything.
func (a *app) next(text string) { a.say("\nWhat happens next:\n  %s", clean(text)) }

func nextOfTunnel(t control.Tunnel) string {
	if t.NextAttempt != nil {
		left := max(time.Until(*t.NextAttempt), 0).Round(time.Second)
		after := ""
		if t.State == string(tunnel.Blocked) {
			after = ", and at once after a change"
		}
		return fmt.Sprintf("the next attempt is in %s, by itself%s", left, after)
	}
	switch tunnel.State(t.State) {
	case tunnel.Connecting:
		return "an attempt is on its way; culvert tunnel list --watch follows it"
	case tunnel.Degraded, tunnel.Up:
		return "the link stands, and what is not up is tried again by itself"
	case tunnel.Waiting:
		return "it is tried again by itself"
	}
	return "nothing, until that is done"
}

// nextOfMapping says so where the session keeps the rules that it began with: a line to paste then begins another. The key
// of a second link is met anew at each try.
func nextOfMapping(t control.Tunnel, m control.Mapping) string {
	restart := "culvert tunnel restart " + t.Ref()
	again, how := "it is tried again by itself", restart+" tries it at once"
	if is(m.Reason, tunnel.WiderThanDeclared) {
		again = "the port is not asked for again by itself"
	}
	if !is(m.Reason, tunnel.HostKeyMismatch) && slices.ContainsFunc(m.Fixes, func(f control.Fix) bool { return f.Line == restart }) {
		again += ", and the standing session does not learn of what is changed at the server"
		how = "when that is done, " + restart + " begins another"
	}
	return again + "; " + how + ", and ends the tunnel's connections"
}

func is(reason *string, r tunnel.Reason) bool { return deref(reason) == string(r) }

// since is " since WHEN", or nothing.
func since(a *app, t *time.Time) string {
	if t == nil {
		return ""
	}
	return " since " + a.when(t)
}

// codesOf are a reason and the cause that is finer than it.
func codesOf(reason, cause *string) string {
	if cause == nil {
		return deref(reason)
	}
	return deref(reason) + ", " + *cause
}
