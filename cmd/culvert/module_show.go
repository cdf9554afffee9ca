package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func moduleListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the modules that are installed",
		Example: "  culvert module list\n  culvert module list -o json",
		Args:    needs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := a.daemon.Modules(cmd.Context())
			if err != nil {
				return err
			}
			return a.show(all, func() { a.moduleTable(all) })
		},
	}
}

func (a *app) moduleTable(all []control.Module) {
	if len(all) == 0 {
		a.say("No modules are installed.")
		return
	}
	var rows [][]string
	for _, m := range all {
		rows = append(rows, []string{m.Name, orDash(m.Version), orDash(short(m.SHA256)), m.State, memoryText(m.RSSBytes),
			strconv.Itoa(m.Restarts), orDash(strings.Join(m.Configurations, " ")), strconv.Itoa(len(m.Tunnels))})
	}
	a.table([]string{"MODULE", "VERSION", "SHA256", "STATE", "MEMORY", "RESTARTS", "CONFIGS", "TUNNELS"}, rows)
	a.contractLine(all)
	for _, m := range all {
		if m.Reason != nil {
			a.aside(m.Name+": "+*m.Reason, m.Message, m.Remedy)
		}
		a.notes(m)
	}
}

// contractLine says which modules speak which version of the contract, where that is known.
func (a *app) contractLine(all []control.Module) {
	speak := map[int][]string{}
	for _, m := range all {
		if m.Contract > 0 {
			speak[m.Contract] = append(speak[m.Contract], clean(m.Name))
		}
	}
	for _, version := range slices.Sorted(maps.Keys(speak)) {
		who := "all modules"
		if len(speak[version]) < len(all) {
			who = strings.Join(speak[version], " ")
		}
		a.say("contract %d: %s", version, who)
	}
}

// notes are what is worth knowing of a module beside how it runs.
func (a *app) notes(m control.Module) {
	for _, n := range m.Notes {
		a.aside(m.Name+": "+n.About, n.Message, n.Remedy)
	}
}

// aside is something about subject, and below it what to do.
func (a *app) aside(subject, message, remedy string) {
	a.say("%s", clean(subject+": "+message))
	if remedy != "" {
		a.say("  %s", cleanLine(remedy))
	}
}

// short is enough of a checksum to tell binaries apart.
func short(sha256 string) string { return sha256[:min(len(sha256), 8)] }

// memoryText is what a process holds, - where there is none.
func memoryText(bytes uint64) string {
	if bytes == 0 {
		return "-"
	}
	return fmt.Sprintf("%dM", bytes>>20)
}

func moduleShowCommand(a *app) *cobra.Command {
	return onModule(a, &cobra.Command{
		Use:     "show NAME",
		Short:   "Show one module",
		Example: "  culvert module show monitoring",
	}, func(cmd *cobra.Command, name tunnel.Owner) error {
		m, err := a.daemon.Module(cmd.Context(), name)
		if err != nil {
			return err
		}
		return a.show(m, func() { a.modulePage(m) })
	})
}

func (a *app) modulePage(m control.Module) {
	rows := [][]string{{"module", m.Name}, {"version", orDash(m.Version)}, {"state", m.State}}
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{name, value})
		}
	}
	add("reason", deref(m.Reason))
	add("message", m.Message)
	add("what to do", m.Remedy)
	if m.PID != 0 {
		add("process", fmt.Sprintf("%d, %d MiB", m.PID, m.RSSBytes>>20))
	}
	add("restarts", strconv.Itoa(m.Restarts))
	add("sandbox", m.Sandbox)
	add("what that means", m.SandboxMessage)
	add("what to do about it", m.SandboxRemedy)
	if m.Unsandboxed {
		add("unsandboxed", "accepted to run where nothing confines it")
	}
	add("sha256", m.SHA256)
	add("contract", contractText(m.Contract))
	add("configurations", orDash(strings.Join(m.Configurations, " ")))
	add("tunnels", orDash(strings.Join(m.Tunnels, " ")))
	a.table(nil, rows)
	a.grantsPage(m.Name, m.Grants)
	if len(m.Notes) > 0 {
		a.say("\nTo know:")
		a.notes(m)
	}
	if m.Pending != nil {
		a.candidate(m.Name, *m.Pending)
	}
}

// candidate shows what is known of a binary that waits.
func (a *app) candidate(name string, c control.Candidate) {
	a.say("\nAnother binary waits for culvert module accept %s:", clean(name))
	rows := [][]string{{"size", fmt.Sprintf("%d bytes", c.Size)}, {"file's owner", userText(c.UID)}, {"modified", a.when(&c.Modified)}}
	if c.Described {
		a.table(nil, append(faceRows(c.Face), rows...))
		return
	}
	a.table(nil, append([][]string{{"sha256", orDash(c.SHA256)}}, rows...))
	if c.Problem != "" {
		a.say("%s", clean("Accept has started it to describe itself, and it did not: "+c.Problem+"."))
		a.say("Put another binary there, or have accept start this one again.")
		return
	}
	a.say("It has not been started yet: accept starts it to describe itself, and shows what changes.")
}

// userText is a user of this machine.
func userText(uid uint32) string {
	if uid == 0 {
		return "root"
	}
	return fmt.Sprintf("user %d", uid)
}

// faceRows is what shows of a binary.
func faceRows(f control.Face) [][]string {
	var slots, grants []string
	for _, s := range f.Slots {
		slots = append(slots, slotText(s))
	}
	for _, g := range f.Grants {
		grants = append(grants, string(g))
	}
	return [][]string{{"version", orDash(f.Version)}, {"sha256", orDash(f.SHA256)}, {"slots", orDash(strings.Join(slots, ", "))},
		{"policy", policyText(f.Policy)}, {"asks for", orDash(strings.Join(grants, ", "))}, {"capabilities", orDash(strings.Join(f.Capabilities, ", "))}, {"contract", contractText(f.Contract)}}
}

// contractText is which version of the contract a binary speaks.
func contractText(version int) string {
	if version == 0 {
		return "-"
	}
	return fmt.Sprintf("version %d", version)
}

// slotText is all of a slot that an operator judges: what it may be, its default first.
func slotText(s tunnel.Slot) string {
	text := s.Name + " " + strings.Join(kindTexts(s.Kinds), " or ") + " " + s.Spec + portsText(s.Ports)
	if !s.On {
		text += " (off)"
	}
	return text
}

func policyText(p tunnel.Policy) string {
	if p.Any {
		return "any mapping"
	}
	if len(p.Kinds) == 0 {
		return "its slots only"
	}
	return "its slots, and " + strings.Join(kindTexts(p.Kinds), ", ") + portsText(p.Ports)
}

func kindTexts(kinds []tunnel.Kind) []string {
	texts := make([]string, len(kinds))
	for i, k := range kinds {
		texts[i] = string(k)
	}
	return texts
}

// portsText is which ports the service behind a mapping may have, "" for any.
func portsText(ports []tunnel.PortRange) string {
	if len(ports) == 0 {
		return ""
	}
	texts := make([]string, len(ports))
	for i, r := range ports {
		texts[i] = r.String()
	}
	return " of ports " + strings.Join(texts, " ")
}
