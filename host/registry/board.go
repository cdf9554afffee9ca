package registry

import (
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// board is what is true right now, in memory only: what the supervisor and the module host reported last. A tunnel's
// report is kept in its entry. Registry.mu guards it.
type board struct {
	shown  map[tunnel.Ref]shownKey
	status map[tunnel.ConfigurationRef]tunnel.ConfigurationStatus
	purged map[tunnel.ConfigurationRef]bool // removed with their files, and the module host has not heard yet

	callers map[tunnel.Ref]map[string]*callers // by mapping
}

// shownKey is the key that a server really showed when another was expected.
type shownKey struct {
	server tunnel.Server
	pin    tunnel.Pin
}

func newBoard() board {
	return board{
		shown:  map[tunnel.Ref]shownKey{},
		status: map[tunnel.ConfigurationRef]tunnel.ConfigurationStatus{},
		purged: map[tunnel.ConfigurationRef]bool{}, callers: map[tunnel.Ref]map[string]*callers{},
	}
}

const untried = "not tried yet"

// Report puts on the board how a tunnel is. A report of one that shall not run, or of what it was before a change, is out
// of date and dropped. Watchers and journal are told where state, reason or cause of the tunnel or a mapping changed, the
// journal of who connects too, and soon after: Report waits for no disk.
func (r *Registry) Report(ref tunnel.Ref, s tunnel.Status) {
	r.mu.Lock()
	if was := r.tunnels[ref]; was != nil && was.wanted.Active && (s.Edition == 0 || s.Edition == was.wanted.Edition) {
		now := *was
		reported := s.Clone()
		if s.State.Linked() {
			delete(r.shown, ref)
		}
		now.reported = &reported
		r.showLocked(was, &now, false)
		r.callersLocked(now.tunnel, s)
	}
	r.mu.Unlock()
	r.teller.flushSoon()
}

// compose joins what shall be with what was reported. A mapping nobody has judged yet makes a linked tunnel degraded:
// up says that every mapping is proved, and connecting would deny that the others are.
func compose(e *entry, was tunnel.Status) tunnel.Status {
	var s tunnel.Status
	if e.reported != nil {
		s = e.reported.Clone()
	}
	for _, m := range e.tunnel.Mappings {
		if e.wanted.Active && s.State.Linked() && s.Mapping(m.Name).State == "" {
			s.State, s.Message = tunnel.Degraded, "mapping "+m.Name+" is "+untried
			s.Mappings = append(s.Mappings, tunnel.MappingStatus{Name: m.Name, State: tunnel.Down, Message: untried})
		}
	}
	if e.wanted.Active && s.State == "" {
		s.State, s.Message = tunnel.Connecting, untried
	}
	s = e.wanted.Status(s)
	s.Warnings = append(slices.Clone(e.warnings), s.Warnings...)
	if s.Since.IsZero() && s.State == was.State && s.Reason == was.Reason {
		s.Since = was.Since
	}
	if s.Since.IsZero() {
		s.Since = now()
	}
	return s
}

// replaceLocked puts a committed entry in place of the one the index has and tells what changed.
func (r *Registry) replaceLocked(by string, e *entry) {
	was := r.tunnels[e.tunnel.Ref]
	_, mismatched := r.shown[e.tunnel.Ref]
	if was == nil || relink(was, e) || mismatched && was.tunnel.Pin != e.tunnel.Pin {
		r.generation++
		e.wanted.Generation, e.reported = r.generation, nil
	} else {
		e.wanted.Generation, e.reported = was.wanted.Generation, stillTrue(was, e)
	}
	if was == nil || was.wanted.Generation != e.wanted.Generation || remeasure(was.tunnel, e.tunnel) {
		r.edition++
		e.wanted.Edition = r.edition
	} else {
		e.wanted.Edition = was.wanted.Edition
	}
	if was != nil && was.tunnel.Server != e.tunnel.Server {
		delete(r.shown, e.tunnel.Ref)
	}
	r.recordChangedLocked(by, was, e)
	r.showLocked(was, e, true)
	if was == nil || was.wanted.Generation != e.wanted.Generation || !sameTunnel(was.tunnel, e.tunnel) || !sameStanding(was.wanted, e.wanted) {
		r.markWantedLocked(e.tunnel.Ref)
	}
}

// relink reports whether a link made for was cannot serve now: it goes elsewhere or otherwise, logs in otherwise, measures
// from elsewhere, expects another key, or is due again after it was not. A key learned by the very link, or confirmed, is
// no such change.
func relink(was, now *entry) bool {
	a, b := was.tunnel, now.tunnel
	otherKey := a.Pin.Fingerprint != "" && (a.Pin.Fingerprint != b.Pin.Fingerprint || a.Pin.KeyType != b.Pin.KeyType)
	return a.Server != b.Server || a.Via != b.Via || a.LAN != b.LAN || a.Login != b.Login || a.OwnKey != b.OwnKey || was.secret != now.secret ||
		otherKey || expected(a) != expected(b) && b.Pin.Fingerprint == "" || !was.wanted.Active && now.wanted.Active
}

// remeasure reports whether what was seen of a's mappings says nothing of b's: others, or with other leave to be wider.
func remeasure(a, b tunnel.Tunnel) bool {
	return !slices.Equal(a.Mappings, b.Mappings) || !slices.Equal(a.AcceptWider, b.AcceptWider)
}

// expected is the fingerprint that a link is to meet: one given beforehand serves until a key is pinned.
func expected(t tunnel.Tunnel) string {
	if t.Pin.Fingerprint != "" {
		return ""
	}
	return t.Fingerprint
}

// stillTrue is the former report less what it said of mappings that are others now, or with other leave.
func stillTrue(was, now *entry) *tunnel.Status {
	if was.reported == nil || !now.wanted.Active {
		return nil
	}
	s := was.reported.Clone()
	s.Mappings = slices.DeleteFunc(s.Mappings, func(ms tunnel.MappingStatus) bool {
		a, ok := mappingNamed(was.tunnel, ms.Name)
		b, still := mappingNamed(now.tunnel, ms.Name)
		leave := slices.Contains(was.tunnel.AcceptWider, ms.Name) != slices.Contains(now.tunnel.AcceptWider, ms.Name)
		return !ok || !still || a != b || leave
	})
	return &s
}

func (r *Registry) removeLocked(by string, ref tunnel.Ref, why tunnel.Finding) {
	r.put(ref, nil)
	delete(r.shown, ref)
	delete(r.callers, ref)
	r.removedLocked(by, ref, why)
	r.watchLocked(tunnel.ShownChange{Type: tunnel.Removed, Tunnel: tunnel.Show(tunnel.View{Tunnel: tunnel.Tunnel{Ref: ref}})})
	r.markWantedLocked(ref)
}

// showLocked makes now what everyone sees of a tunnel. changed says that its record may differ; a status that differs in
// proofs and counters alone is shown, but not told.
func (r *Registry) showLocked(was, now *entry, changed bool) {
	var before tunnel.View
	if was != nil {
		before = was.shown.View()
	}
	after := tunnel.View{Tunnel: now.tunnel, Status: compose(now, before.Status)}
	now.shown = tunnel.Show(after)
	r.put(now.tunnel.Ref, now)
	turned := !before.Status.Same(after.Status)
	if was != nil && turned {
		r.statesChangedLocked(before, after)
	}
	if was == nil || turned || changed && !sameTunnel(was.tunnel, now.tunnel) {
		r.watchLocked(tunnel.ShownChange{Type: tunnel.Changed, Tunnel: now.shown})
	}
}

// sameTunnel reports whether a and b are the same in every field.
func sameTunnel(a, b tunnel.Tunnel) bool {
	return sameShape(a, b) && a.Node == b.Node && a.Configuration == b.Configuration && a.Settings == b.Settings &&
		a.Pin == b.Pin && a.Suspended == b.Suspended && slices.Equal(a.AcceptWider, b.AcceptWider) && a.Revision == b.Revision
}
