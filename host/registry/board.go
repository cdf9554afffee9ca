package registry

import (
	"slices"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// board is what is true right now, in memory only: what the supervisor and the module host reported last. A tunnel's
// report is kept in its entry. Registry.mu guards it.
type board struct {
	shown  map[tunnel.Ref]shownKey
	status map[tunnel.ConfigurationRef]tunnel.ConfigurationStatus
	purged map[tunnel.ConfigurationRef]bool // removed with their files, and the module host has not heard yet

	callers map[tunnel.Ref][]*callers // by mapping
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
		purged: map[tunnel.ConfigurationRef]bool{}, callers: map[tunnel.Ref][]*callers{},
	}
}

const untried = "not tried yet"

// Report puts on the board how a tunnel is, and takes s over: nobody changes any more what it holds. A report of one that
// shall not run, or of what it was before a change, is out of date and dropped. Watchers and journal are told where state,
// reason or cause of the tunnel or a mapping changed, the journal of who connects too, and soon after: Report waits for no
// disk.
func (r *Registry) Report(ref tunnel.Ref, s tunnel.Status) {
	r.mu.Lock()
	if was := r.tunnels[ref]; was != nil && was.Active && (s.Edition == 0 || s.Edition == was.Edition) {
		if s.State.Linked() && !slices.ContainsFunc(s.Mappings, metAnotherKey) {
			delete(r.shown, ref)
		}
		r.reportLocked(was, &entry{committed: was.committed, reported: &s})
		r.callersLocked(was.Tunnel, s)
	}
	r.mu.Unlock()
	r.teller.flushSoon()
}

// metAnotherKey reports whether m is down because another host key was met. Beside a link that stands a second one met it.
func metAnotherKey(m tunnel.MappingStatus) bool { return m.Reason == tunnel.HostKeyMismatch }

// reportLocked puts now in the place of was, which differs in what is reported of it. Most reports are news of proofs and
// counters alone, at which nobody may ever look.
func (r *Registry) reportLocked(was, now *entry) {
	if was.reported == nil || !was.reported.Same(*now.reported) {
		r.showLocked(was, now, false)
		return
	}
	now.since = was.since
	r.put(now.Tunnel.Ref, now)
}

// compose joins what shall be with what was reported. A mapping nobody has judged yet makes a linked tunnel degraded:
// up says that every mapping is proved, and connecting would deny that the others are.
func compose(e *entry) tunnel.Status {
	var s tunnel.Status
	if e.reported != nil {
		s = *e.reported
	}
	for _, m := range e.Tunnel.Mappings {
		if e.Active && s.State.Linked() && s.Mapping(m.Name).State == "" {
			s.State, s.Message = tunnel.Degraded, "mapping "+m.Name+" is "+untried
			s.Mappings = append(slices.Clip(s.Mappings), tunnel.MappingStatus{Name: m.Name, State: tunnel.Down, Message: untried})
		}
	}
	if e.Active && s.State == "" {
		s.State, s.Message = tunnel.Connecting, untried
	}
	s = e.Status(s)
	s.Warnings = slices.Concat(e.warnings, s.Warnings)
	if s.Since.IsZero() {
		s.Since = e.since
	}
	return s
}

// show is all that is said of e, made when it is first asked for.
func (e *entry) show() *tunnel.Shown {
	e.once.Do(func() { e.shown = tunnel.Show(tunnel.View{Tunnel: e.Tunnel, Status: compose(e)}) })
	return e.shown
}

// replaceLocked puts what was committed in place of what the index has and tells what changed.
func (r *Registry) replaceLocked(by string, c *committed) {
	ref := c.Tunnel.Ref
	was, now := r.tunnels[ref], &entry{committed: c}
	_, mismatched := r.shown[ref]
	if was == nil || relink(was, now) || mismatched && was.Tunnel.Pin != c.Tunnel.Pin {
		r.generation++
		c.Generation = r.generation
	} else {
		c.Generation, now.reported = was.Generation, stillTrue(was, now)
	}
	if was == nil || was.Generation != c.Generation || remeasure(was.Tunnel, c.Tunnel) {
		r.edition++
		c.Edition = r.edition
	} else {
		c.Edition = was.Edition
	}
	if was != nil && was.Tunnel.Server != c.Tunnel.Server {
		delete(r.shown, ref)
	}
	r.recordChangedLocked(by, was, now)
	r.showLocked(was, now, true)
	if was == nil || was.Generation != c.Generation || !sameTunnel(was.Tunnel, c.Tunnel) || !sameStanding(was.Wanted, c.Wanted) {
		r.markWantedLocked(ref)
	}
}

// relink reports whether a link made for was cannot serve now: it goes elsewhere or otherwise, logs in otherwise, measures
// from elsewhere, expects another key, or is due again after it was not. A key learned by the very link, or confirmed, is
// no such change.
func relink(was, now *entry) bool {
	a, b := was.Tunnel, now.Tunnel
	otherKey := a.Pin.Fingerprint != "" && (a.Pin.Fingerprint != b.Pin.Fingerprint || a.Pin.KeyType != b.Pin.KeyType)
	return a.Server != b.Server || a.Via != b.Via || a.LAN != b.LAN || a.Login != b.Login || a.OwnKey != b.OwnKey || was.secret != now.secret ||
		otherKey || expected(a) != expected(b) && b.Pin.Fingerprint == "" || !was.Active && now.Active
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
	if was.reported == nil || !now.Active {
		return nil
	}
	s := was.reported.Clone()
	s.Mappings = slices.DeleteFunc(s.Mappings, func(ms tunnel.MappingStatus) bool {
		a, ok := mappingNamed(was.Tunnel, ms.Name)
		b, still := mappingNamed(now.Tunnel, ms.Name)
		leave := slices.Contains(was.Tunnel.AcceptWider, ms.Name) != slices.Contains(now.Tunnel.AcceptWider, ms.Name)
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
		before = was.show().View()
	}
	now.since = since(before.Status, compose(now))
	after := now.show().View()
	r.put(now.Tunnel.Ref, now)
	turned := !before.Status.Same(after.Status)
	if was != nil && turned {
		r.statesChangedLocked(before, after)
	}
	if was == nil || turned || changed && !sameTunnel(was.Tunnel, now.Tunnel) {
		r.watchLocked(tunnel.ShownChange{Type: tunnel.Changed, Tunnel: now.show()})
	}
}

// since is from when on a tunnel stands as s says, where it stood otherwise or likewise before.
func since(before, s tunnel.Status) time.Time {
	switch {
	case !s.Since.IsZero():
		return s.Since
	case s.State == before.State && s.Reason == before.Reason:
		return before.Since
	}
	return now()
}

// sameTunnel reports whether a and b are the same in every field.
func sameTunnel(a, b tunnel.Tunnel) bool {
	return sameShape(a, b) && a.Node == b.Node && a.Configuration == b.Configuration && a.Settings == b.Settings &&
		a.Pin == b.Pin && a.Suspended == b.Suspended && slices.Equal(a.AcceptWider, b.AcceptWider) && a.Revision == b.Revision
}
