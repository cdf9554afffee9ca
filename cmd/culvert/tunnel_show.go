package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func tunnelShowCommand(a *app) *cobra.Command {
	return onTunnel(a, &cobra.Command{
		Use:     "show " + tunnelArg,
		Short:   "Show one tunnel with its mappings, their traffic and who uses them",
		Example: "  culvert tunnel show operator/office\n  culvert tunnel show monitoring/default.site -o json",
	}, func(cmd *cobra.Command, ref tunnel.Ref) error {
		t, err := a.daemon.Tunnel(cmd.Context(), ref)
		if err != nil {
			return err
		}
		return a.show(t, func() { a.tunnelPage(t) })
	})
}

// tunnelPage is everything about t for a person.
func (a *app) tunnelPage(t control.Tunnel) {
	rows := [][]string{
		{"tunnel", t.Ref()},
		{"state", a.stateText(t)},
	}
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{name, value})
		}
	}
	add("reason", deref(t.Reason))
	add("cause", deref(t.Cause))
	add("message", t.Message)
	add("what to do", t.Remedy)
	if t.NextAttempt != nil {
		add("next attempt", a.when(t.NextAttempt))
	}
	if !t.Enabled {
		add("enabled", "no")
	}
	add("link", a.statementText(linkOf(t)))
	add("server", serverText(t.Server))
	add("proxy", t.Via)
	add("in its LAN", t.LAN)
	add("runs", t.ServerVersion)
	add("login", t.Auth)
	add("host key", hostKeyText(t))
	if k := t.OfferedKey; k != nil && k.Fingerprint != t.Fingerprint {
		add("key shown", keyText(k.KeyType, k.Fingerprint))
	}
	add("managed by", managedBy(t))
	add("comment", t.Comment)
	if t.Revision != 0 {
		add("revision", strconv.FormatUint(t.Revision, 10))
	}
	a.table(nil, rows)
	a.mappingTable(t)
	a.warn(t.Warnings)
}

func (a *app) stateText(t control.Tunnel) string {
	if t.Since == nil {
		return t.State
	}
	return t.State + " since " + a.when(t.Since)
}

// hostKeyText is the host key the server must show; one that was given beforehand and not met yet is not pinned.
func hostKeyText(t control.Tunnel) string {
	switch {
	case t.Fingerprint == "":
		return "not known yet"
	case t.Pin == string(tunnel.PinNone):
		return t.Fingerprint + " (given)"
	}
	return t.Fingerprint + " (" + t.Pin + ")"
}

func managedBy(t control.Tunnel) string {
	if t.Configuration == nil {
		return t.ManagedBy
	}
	return fmt.Sprintf("module %s, configuration %s", t.Owner, *t.Configuration)
}

// mappingTable lists the mappings of t, then how each is, what is wrong with it, and who else gets access.
func (a *app) mappingTable(t control.Tunnel) {
	if len(t.Mappings) == 0 {
		a.say("\nIt has no mappings.")
		return
	}
	a.say("")
	var rows [][]string
	for _, m := range t.Mappings {
		rows = append(rows, []string{m.Name, kindText(m), localText(m), remoteText(m), m.State, a.when(m.ProvedAt)})
	}
	a.table([]string{"MAPPING", "KIND", "LOCAL", "REMOTE", "STATE", "PROVED"}, rows)
	for _, m := range t.Mappings {
		a.mappingPage(t, m)
	}
	for _, m := range t.Mappings {
		if m.Gateway {
			a.say("\n! %s", thirdParties(m))
		}
	}
}

// mappingProblem says what is wrong with m, unless that is what is wrong with the whole tunnel.
func (a *app) mappingProblem(t control.Tunnel, m control.Mapping) {
	if m.Reason == nil || deref(m.Reason) == deref(t.Reason) {
		return
	}
	a.say("\n%s: %s (%s)", clean(m.Name), clean(m.Message), clean(*m.Reason))
	if m.Remedy != "" {
		a.say("  what to do: %s", clean(m.Remedy))
	}
	a.say("  what was seen: culvert tunnel why %s/%s", clean(t.Ref()), clean(m.Name))
}

// kindText marks the kinds that give third parties access (R35).
func kindText(m control.Mapping) string {
	if m.Gateway {
		return m.Kind + " !"
	}
	return m.Kind
}

func thirdParties(m control.Mapping) string {
	if tunnel.Kind(m.Kind).Reaches() {
		return fmt.Sprintf("%s: hosts connected to the telephone system get access to %s", clean(m.Name), clean(remoteText(m)))
	}
	return fmt.Sprintf("%s: hosts connected to the SSH server get access to %s", clean(m.Name), clean(localText(m)))
}

func localText(m control.Mapping) string {
	if m.Local == nil {
		return "private"
	}
	return endpointText(*m.Local)
}

func remoteText(m control.Mapping) string { return endpointText(m.Remote) }

func endpointText(e control.Endpoint) string {
	if strings.Contains(e.Host, ":") {
		return fmt.Sprintf("[%s]:%d", e.Host, e.Port)
	}
	return fmt.Sprintf("%s:%d", e.Host, e.Port)
}
