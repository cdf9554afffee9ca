package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

const whyArg = "OWNER/NAME[/MAPPING]"

func tunnelWhyCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "why " + whyArg,
		Short: "Say why a tunnel or one of its mappings does not work, and what to paste",
		Long: `Say why a tunnel or one of its mappings does not work: what is wrong, what was
seen, what to do, each line to paste alone on its line under where it goes, and
what happens next. It tells what the daemon knows already; nothing is tried for
it (culvert tunnel restart tries at once). The exit code is 0 where nothing is
wrong, else 3.

Of a mapping three things are said apart: whether the link stands, whether its
port leads to the telephone system, and whether the service behind it answers.`,
		Example: `  culvert tunnel why operator/office
  culvert tunnel why operator/office/web
  culvert tunnel why operator/office -o json`,
		Args:              needs(whyArg),
		ValidArgsFunction: a.completeTunnelOrMapping,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.why(cmd, args[0]) },
	}
}

func (a *app) why(cmd *cobra.Command, subject string) error {
	name, mapping, one := cutMapping(subject)
	ref, fs := tunnel.ParseRef(name)
	if one {
		fs = append(fs, tunnel.CheckName(mapping, tunnel.MaxName)...)
	}
	if len(fs) > 0 {
		return fs.At(whyArg)
	}
	t, err := a.daemon.Tunnel(cmd.Context(), ref)
	if err != nil {
		return err
	}
	ms := t.Mappings
	if one {
		if ms, err = theMapping(t, mapping); err != nil {
			return err
		}
	}
	w := whyOf(t, ms, one)
	if err := a.show(w, func() { a.whyPage(t, ms, one) }); err != nil {
		return err
	}
	if !w.fine() {
		return notUp(w.Subject+" is "+w.State, "")
	}
	return nil
}

// cutMapping splits OWNER/NAME/MAPPING before the mapping; of reports whether there is one.
func cutMapping(s string) (ref, mapping string, of bool) {
	owner, rest, _ := strings.Cut(s, "/")
	name, mapping, of := strings.Cut(rest, "/")
	if !of {
		return s, "", false
	}
	return owner + "/" + name, mapping, true
}

func theMapping(t control.Tunnel, name string) ([]control.Mapping, error) {
	for _, m := range t.Mappings {
		if m.Name == name {
			return []control.Mapping{m}, nil
		}
	}
	return nil, &failure{exitFailed, t.Ref() + " has no mapping " + name, "culvert tunnel show " + t.Ref() + " lists them"}
}

// reasons are why a tunnel or a mapping is as it is.
type reasons struct {
	Subject string  `json:"subject"`
	State   string  `json:"state"`
	Reason  *string `json:"reason"`
	Message string  `json:"message"`
	Remedy  string  `json:"remedy"`
	control.Diagnosis
}

func tunnelReasons(t control.Tunnel) reasons {
	return reasons{t.Ref(), t.State, t.Reason, t.Message, t.Remedy, t.Diagnosis}
}

// mappingReasons are those of m, or the tunnel's where no link stands that could carry it.
func mappingReasons(t control.Tunnel, m control.Mapping) reasons {
	r := reasons{t.Ref() + "/" + m.Name, m.State, m.Reason, m.Message, m.Remedy, m.Diagnosis}
	if !tunnel.State(t.State).Linked() && deref(m.Reason) == deref(t.Reason) {
		r.Message, r.Remedy, r.Diagnosis = t.Message, t.Remedy, t.Diagnosis
	}
	return r
}

// fine reports whether nothing is wrong.
func (r reasons) fine() bool { return r.State == string(tunnel.Up) && r.Reason == nil }

// whyJSON is the answer for machines.
type whyJSON struct {
	reasons
	Link        control.Statement `json:"link"`
	Since       *time.Time        `json:"since"`
	NextAttempt *time.Time        `json:"next_attempt"`
	Mappings    []whyMapping      `json:"mappings"`
}

type whyMapping struct {
	Name string `json:"name"`
	reasons
	Listener       control.Statement `json:"listener"`
	Target         control.Statement `json:"target"`
	Bound          string            `json:"bound"`
	ProvedAt       *time.Time        `json:"proved_at"`
	TargetProvedAt *time.Time        `json:"target_proved_at"`
}

// whyOf is about t, or about its one mapping in ms.
func whyOf(t control.Tunnel, ms []control.Mapping, one bool) whyJSON {
	w := whyJSON{reasons: tunnelReasons(t), Link: t.Link, Since: t.Since, NextAttempt: t.NextAttempt, Mappings: []whyMapping{}}
	for _, m := range ms {
		w.Mappings = append(w.Mappings, whyMapping{Name: m.Name, reasons: mappingReasons(t, m), Listener: m.Listener, Target: m.Target,
			Bound: m.Bound, ProvedAt: m.ProvedAt, TargetProvedAt: m.TargetProvedAt})
	}
	if one {
		w.reasons = w.Mappings[0].reasons
	}
	return w
}
