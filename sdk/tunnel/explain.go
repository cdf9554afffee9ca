package tunnel

import (
	"fmt"
	"slices"
	"strings"
)

// ExplainLink is how the PBX gets to the SSH server of t, in one full sentence.
func ExplainLink(t Tunnel) string {
	s := "The PBX connects to the SSH server " + Clean(t.Server.Host, maxHost)
	if t.Server.Port != DefaultPort {
		s += fmt.Sprintf(" at port %d", t.Server.Port)
	}
	s += " as user " + Clean(t.Server.User, maxUser) + ", " + t.loginWords()
	if via := t.Via.String(); via != "" {
		s += ", through the proxy " + Clean(via, maxText)
	}
	return s + "."
}

func (t Tunnel) loginWords() string {
	switch {
	case t.Login == LoginPassword:
		return "with a password"
	case t.OwnKey:
		return "with a key of the tunnel's own"
	}
	return "with the PBX's key"
}

// Explain is what mapping m of t means, in one full sentence from the PBX's point of view (R79): who may connect, through
// which port, to what, and by which link and proxy. slots are those of the tunnel's owner; the one that m fills is named
// with its title. Third parties that get access are always said (R35).
func Explain(t Tunnel, m Mapping, slots []Slot) string {
	s := m.who(t) + " " + m.target(t) + ", " + m.entrance(t)
	if m.wider(t) {
		s += ": the operator accepts that, though only the SSH server itself was to"
	}
	if m.Lane == LaneBulk {
		s += ", over the tunnel's second link, the one for bulk"
	}
	if via := t.Via.String(); via != "" {
		s += ", by way of the proxy " + Clean(via, maxText)
	}
	return m.slotWords(slots) + s + "."
}

// who may connect, with the verb.
func (m Mapping) who(t Tunnel) string {
	switch {
	case m.wider(t):
		return "The SSH server, and every host that can connect to it where it offers the port more widely, reach"
	case m.Kind == ReachGateway:
		return "The PBX and every host that can connect to it reach"
	case m.Kind == ExposeGateway:
		return "The SSH server and every host that can connect to it reach"
	case m.Kind == Expose:
		return "Only the SSH server itself reaches"
	case m.Private():
		return "Only the module " + Clean(string(t.Ref.Owner), MaxName) + " reaches"
	}
	return "Only the PBX itself reaches"
}

// wider reports whether others than declared may use the mapping, which the operator accepts.
func (m Mapping) wider(t Tunnel) bool {
	return m.Kind == Expose && slices.Contains(t.AcceptWider, m.Name)
}

// target is where connections go.
func (m Mapping) target(t Tunnel) string {
	server := "the SSH server " + Clean(t.Server.Host, maxHost)
	switch {
	case m.Kind.Exposes() && m.Private():
		return "the module " + Clean(string(t.Ref.Owner), MaxName) + " on the PBX"
	case m.Kind.Exposes() && Loops(m.Local.Host):
		return fmt.Sprintf("port %d of the PBX", m.Local.Port)
	case m.Kind.Exposes():
		return fmt.Sprintf("port %d of %s, a host that the PBX can connect to", m.Local.Port, hostText(Clean(m.Local.Host, maxHost)))
	case Loops(m.Remote.Host):
		return fmt.Sprintf("port %d of %s", m.Remote.Port, server)
	}
	return fmt.Sprintf("port %d of %s behind %s", m.Remote.Port, hostText(Clean(m.Remote.Host, maxHost)), server)
}

// entrance is the port, or what stands for one, that those who connect use.
func (m Mapping) entrance(t Tunnel) string {
	switch {
	case m.Kind == ReachGateway:
		return fmt.Sprintf("through port %d on every address of the PBX, so that third parties get access", m.Local.Port)
	case m.Kind == ExposeGateway:
		return fmt.Sprintf("through port %d on every address of the SSH server, so that third parties get access", m.Remote.Port)
	case m.wider(t):
		return fmt.Sprintf("through the SSH server's port %d", m.Remote.Port)
	case m.Kind == Expose:
		return fmt.Sprintf("through its own port %d", m.Remote.Port)
	case m.Private():
		return "through a private socket and no port"
	}
	return fmt.Sprintf("through its own port %d", m.Local.Port)
}

// slotWords names the slot that m fills, by its title where its module gives one.
func (m Mapping) slotWords(slots []Slot) string {
	if m.Slot == "" {
		return ""
	}
	name := Clean(m.Slot, MaxName)
	if s, ok := slotNamed(slots, m.Slot); ok && strings.TrimSpace(s.Title) != "" {
		name = Clean(s.Title, maxTitle*4) + " (slot " + name + ")"
	} else {
		name = "Slot " + name
	}
	return name + ": "
}
