package registry

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// When who connects through a mapping is told in the journal.
const (
	callerSilence = time.Hour   // after which an address counts as new again
	callerLines   = 30          // of one mapping
	callerWindow  = time.Minute // in so long; how many more there were is one line
	maxCallers    = 1024        // addresses of one mapping that are remembered for it
)

// callers are who connected through one mapping lately.
type callers struct {
	mapping tunnel.Mapping
	seen    map[string]time.Time // when each was last connected; those that have been silent are forgotten

	window time.Time // when the present one began
	told   int       // lines in it
	more   int       // that had none
}

// callersLocked tells of each caller in a report that was not there lately, s being about t.
func (r *Registry) callersLocked(t tunnel.Tunnel, s tunnel.Status) {
	known := r.callers[t.Ref]
	if known == nil && !slices.ContainsFunc(s.Mappings, func(m tunnel.MappingStatus) bool { return len(m.Callers) > 0 }) {
		return // most tunnels, most of the time
	}
	is := map[string]*callers{}
	at := now()
	for _, m := range t.Mappings {
		c := known[m.Name]
		if c == nil || c.mapping != m {
			c = &callers{mapping: m, seen: map[string]time.Time{}, window: at}
		}
		is[m.Name] = c
		subject := t.Ref.String() + "/" + m.Name
		if more := c.turn(at); more > 0 {
			r.teller.note(moreCallers(subject, more))
		}
		for _, who := range s.Mapping(m.Name).Callers {
			if who.Address != string(t.Ref.Owner) && c.take(who, at) {
				r.teller.note(callerEvent(subject, who.Address, m.Kind))
			}
		}
	}
	r.callers[t.Ref] = is
}

// turn begins a new window where the present one is over, and says how many callers had no line in that.
func (c *callers) turn(at time.Time) (more int) {
	if at.Sub(c.window) < callerWindow {
		return 0
	}
	more = c.more
	c.window, c.told, c.more = at, 0, 0
	for address, last := range c.seen {
		if at.Sub(last) >= callerSilence {
			delete(c.seen, address)
		}
	}
	return more
}

// take notes that who is, or was, connected, and reports whether that gets a line.
func (c *callers) take(who tunnel.Caller, at time.Time) bool {
	last := who.Last
	if who.Open > 0 || last.IsZero() {
		last = at
	}
	before, known := c.seen[who.Address]
	switch {
	case known && last.Sub(before) < callerSilence:
		if last.After(before) {
			c.seen[who.Address] = last
		}
		return false
	case at.Sub(last) >= callerSilence:
		return false // told when it came, and forgotten since
	case !known && len(c.seen) >= maxCallers:
		c.forgetOne()
	}
	c.seen[who.Address] = last
	if c.told >= callerLines {
		c.more++
		return false
	}
	c.told++
	return true
}

// forgetOne makes room: of those who were there long ago, the first of all.
func (c *callers) forgetOne() {
	var oldest string
	var since time.Time
	for address, last := range c.seen {
		if oldest == "" || last.Before(since) {
			oldest, since = address, last
		}
	}
	delete(c.seen, oldest)
}

func callerEvent(subject, address string, kind tunnel.Kind) tunnel.Event {
	address = tunnel.Clean(address, 64)
	return tunnel.Event{
		Type: tunnel.CallerNew, Actor: host, Subject: subject, Message: address + " connected, for the first time in an hour",
		Fields: map[string]string{"address": address, "kind": string(kind)},
	}
}

func moreCallers(subject string, more int) tunnel.Event {
	mapping := subject[strings.LastIndexByte(subject, '/')+1:]
	return tunnel.Event{
		Type: tunnel.CallerNew, Actor: host, Subject: subject,
		Message: fmt.Sprintf("%d more addresses connected through %s within a minute", more, mapping),
		Fields:  map[string]string{"more": fmt.Sprint(more)},
	}
}
