package main

import (
	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// statements says of each of ms three things apart: link, port and far service.
func (a *app) statements(t control.Tunnel, ms []control.Mapping) {
	if len(ms) == 1 {
		a.table(nil, [][]string{
			{"link", a.statementText(linkOf(t))},
			{"port", a.statementText(listenerOf(ms[0]))},
			{"service", a.statementText(targetOf(ms[0]))},
		})
		return
	}
	if len(ms) == 0 {
		return
	}
	var rows [][]string
	for _, m := range ms {
		rows = append(rows, []string{m.Name, linkOf(t).State, listenerOf(m).State, targetOf(m).State})
	}
	a.table([]string{"MAPPING", "LINK", "PORT", "SERVICE"}, rows)
}

// statementText is s for a person.
func (a *app) statementText(s control.Statement) string {
	if s.State == control.StatementUnknown {
		return "not known yet"
	}
	text := s.State
	if s.Reason != nil {
		text += " (" + *s.Reason + ")"
	}
	if s.At != nil {
		text += ", seen at " + a.when(s.At)
	}
	if s.Message != "" {
		text += ": " + s.Message
	}
	return text
}

// saying is what a service said when it was asked, behind what else is said of it.
func saying(s control.Statement) string {
	if s.Message == "" {
		return ""
	}
	return ": " + s.Message
}

// linkOf is the statement about the link of t, by its state where there is none. What the tunnel's message says already
// is left out.
func linkOf(t control.Tunnel) control.Statement {
	if s := t.Link; s.State != control.StatementUnknown && s.State != "" {
		if s.Message == t.Message {
			s.Message = ""
		}
		return s
	}
	if tunnel.State(t.State).Linked() {
		return control.Statement{State: string(tunnel.Up), At: t.Since}
	}
	return control.Statement{State: string(tunnel.Down), Reason: t.Reason}
}

// listenerOf is the statement about the port of m, by when it was proved where there is none.
func listenerOf(m control.Mapping) control.Statement {
	if m.Listener.State != control.StatementUnknown && m.Listener.State != "" || m.State != string(tunnel.Up) {
		return m.Listener
	}
	return control.Statement{State: string(tunnel.Up), At: m.ProvedAt}
}

// targetOf is the statement about the service behind m, by when it answered where there is none.
func targetOf(m control.Mapping) control.Statement {
	if m.Target.State != control.StatementUnknown && m.Target.State != "" || m.State != string(tunnel.Up) || m.TargetProvedAt == nil {
		return m.Target
	}
	return control.Statement{State: string(tunnel.Up), At: m.TargetProvedAt}
}
