package registry

import (
	"slices"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// host is the actor of what nobody asked for.
const host = "host"

// tellDamage notes a record that cannot be read, in log and journal.
func (r *Registry) tellDamage(err error) {
	key, reason := damageOf(err)
	if !r.teller.first(key) {
		return
	}
	r.log.Error("a record is damaged and left out", "record", key, "reason", reason)
	r.teller.note(tunnel.Event{Type: tunnel.RecordDamaged, Actor: host, Subject: key, Message: reason})
}

// recordChangedLocked notes that a tunnel was added, or in which parts it changed.
func (r *Registry) recordChangedLocked(by string, was, now *entry) {
	ref := now.Tunnel.Ref.String()
	if was == nil {
		r.teller.note(tunnel.Event{Type: tunnel.TunnelAdded, Actor: by, Subject: ref})
		return
	}
	if parts := changedParts(was, now); len(parts) > 0 {
		fields := map[string]string{"changed": strings.Join(parts, " ")}
		if pin := was.Tunnel.Pin; pin.Fingerprint != "" && now.Tunnel.Pin.Fingerprint == "" {
			fields["pin"], fields["was"] = "forgotten", pin.Fingerprint
		}
		r.teller.note(tunnel.Event{Type: tunnel.TunnelChanged, Actor: by, Subject: ref, Fields: fields})
	}
}

// changedParts names what differs, pins excepted: new ones have events of their own.
func changedParts(was, now *entry) []string {
	a, b := was.Tunnel, now.Tunnel
	var parts []string
	for _, p := range []struct {
		name    string
		differs bool
	}{
		{"server", a.Server != b.Server},
		{"via", a.Via != b.Via},
		{"lan", a.LAN != b.LAN},
		{"login", a.Login != b.Login || a.OwnKey != b.OwnKey},
		{"secret", was.secret != now.secret},
		{"fingerprint", a.Fingerprint != b.Fingerprint},
		{"comment", a.Comment != b.Comment},
		{"mappings", !slices.Equal(a.Mappings, b.Mappings)},
		{"suspended", a.Suspended != b.Suspended},
		{"accept-wider", !slices.Equal(a.AcceptWider, b.AcceptWider)},
	} {
		if p.differs {
			parts = append(parts, p.name)
		}
	}
	return parts
}

func (r *Registry) removedLocked(by string, ref tunnel.Ref, why tunnel.Finding) {
	e := tunnel.Event{Type: tunnel.TunnelRemoved, Actor: by, Subject: ref.String()}
	if why.Code != "" {
		e.Reason, e.Message = tunnel.Reason(why.Code), why.Error()
	}
	r.teller.note(e)
}

// statesChangedLocked notes what differs in state, reason or cause between two views of a tunnel.
func (r *Registry) statesChangedLocked(was, now tunnel.View) {
	a, b := was.Status, now.Status
	if is := ofTunnel(b); is != ofTunnel(a) {
		r.teller.note(is.event(tunnel.TunnelState, now.Ref.String(), a.State, b.Message))
	}
	for _, m := range b.Mappings {
		before := a.Mapping(m.Name)
		if is := ofMapping(m); is != ofMapping(before) {
			r.teller.note(is.event(tunnel.MappingState, now.Ref.String()+"/"+m.Name, before.State, m.Message))
		}
	}
}

// standing is what an event tells of how a tunnel or mapping is.
type standing struct {
	state  tunnel.State
	reason tunnel.Reason
	cause  tunnel.Cause
}

func ofTunnel(s tunnel.Status) standing { return standing{s.State, s.Reason, s.Diagnosis.Code()} }

func ofMapping(s tunnel.MappingStatus) standing {
	return standing{s.State, s.Reason, s.Diagnosis.Code()}
}

func (s standing) event(typ tunnel.EventType, subject string, was tunnel.State, message string) tunnel.Event {
	e := tunnel.Event{
		Type: typ, Actor: host, Subject: subject, Reason: s.reason, Message: message,
		Fields: map[string]string{"state": string(s.state), "was": string(was)},
	}
	if s.cause != "" {
		e.Fields["cause"] = string(s.cause)
	}
	return e
}

// configurationChangedLocked notes what happened to a configuration and marks it for whoever runs it.
func (r *Registry) configurationChangedLocked(by string, was, now *family) {
	a, b := configurationIn(was), configurationIn(now)
	var what string
	switch {
	case a == nil && b == nil, a != nil && b != nil && a.Revision == b.Revision:
		return
	case a == nil:
		what = "added"
	case b == nil:
		what = "removed"
	case a.Enabled != b.Enabled && b.Enabled:
		what = "enabled"
	case a.Enabled != b.Enabled:
		what = "disabled"
	default:
		what = "changed"
	}
	ref := now.configurationRef()
	if a == nil || b == nil || a.Enabled != b.Enabled {
		delete(r.status, ref)
	}
	r.stale[ref.Module] = true
	r.markRunLocked(ref)
	fields := map[string]string{"change": what}
	if b != nil && lostPins(was, now) {
		fields["pin"] = "forgotten"
	}
	r.teller.note(tunnel.Event{Type: tunnel.ConfigChanged, Actor: by, Subject: ref.String(), Message: what, Fields: fields})
}

// lostPins reports whether a host key that was pinned is no longer.
func lostPins(was, now *family) bool {
	if was == nil {
		return false
	}
	for name := range was.pins {
		if _, kept := now.pins[name]; !kept {
			return true
		}
	}
	return false
}

func configurationIn(f *family) *configurationRecord {
	if f == nil {
		return nil
	}
	return f.configuration
}

// refuse notes an attempt to change what is another's.
func (r *Registry) refuse(by string, f tunnel.Finding) {
	r.teller.note(tunnel.Event{Type: tunnel.Refused, Actor: by, Subject: f.Value, Reason: tunnel.Reason(f.Code), Message: f.Message})
}
