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
	seen    []seen // by address; those that have been silent are forgotten

	window time.Time // when the present one began
	told   int       // lines in it
	more   int       // that had none
}

// seen is when an address was last connected.
type seen struct {
	address string
	last    time.Time
}

// callersLocked tells of each caller in a report that was not there lately, s being about t.
func (r *Registry) callersLocked(t tunnel.Tunnel, s tunnel.Status) {
	known := r.callers[t.Ref]
	if known == nil && !slices.ContainsFunc(s.Mappings, func(m tunnel.MappingStatus) bool { return len(m.Callers) > 0 }) {
		return // most tunnels, most of the time
	}
	at := now()
	if !slices.EqualFunc(known, t.Mappings, func(c *callers, m tunnel.Mapping) bool { return c.mapping == m }) {
		known = callersOf(t, known, at)
		r.callers[t.Ref] = known
	}
	for _, c := range known {
		subject := t.Ref.String() + "/" + c.mapping.Name
		if more := c.turn(at); more > 0 {
			r.teller.note(moreCallers(subject, more))
		}
		for _, who := range s.Mapping(c.mapping.Name).Callers {
			if who.Address != string(t.Ref.Owner) && c.take(who, at) {
				r.teller.note(callerEvent(subject, who.Address, c.mapping.Kind))
			}
		}
	}
}

// callersOf are those of t's mappings: those known, where they are of the same mapping.
func callersOf(t tunnel.Tunnel, known []*callers, at time.Time) []*callers {
	is := make([]*callers, len(t.Mappings))
	for i, m := range t.Mappings {
		is[i] = &callers{mapping: m, window: at}
		if j := slices.IndexFunc(known, func(c *callers) bool { return c.mapping == m }); j >= 0 {
			is[i] = known[j]
		}
	}
	return is
}

// turn begins a new window where the present one is over, and says how many callers had no line in that.
func (c *callers) turn(at time.Time) (more int) {
	if at.Sub(c.window) < callerWindow {
		return 0
	}
	more = c.more
	c.window, c.told, c.more = at, 0, 0
	c.seen = slices.DeleteFunc(c.seen, func(s seen) bool { return at.Sub(s.last) >= callerSilence })
	return more
}

// take notes that who is, or was, connected, and reports whether that gets a line.
func (c *callers) take(who tunnel.Caller, at time.Time) bool {
	last := who.Last
	if who.Open > 0 || last.IsZero() {
		last = at
	}
	i, known := c.find(who.Address)
	switch {
	case known && last.Sub(c.seen[i].last) < callerSilence:
		if last.After(c.seen[i].last) {
			c.seen[i].last = last
		}
		return false
	case at.Sub(last) >= callerSilence:
		return false // told when it came, and forgotten since
	case known:
		c.seen[i].last = last
	default:
		c.remember(seen{who.Address, last})
	}
	if c.told >= callerLines {
		c.more++
		return false
	}
	c.told++
	return true
}

func (c *callers) find(address string) (int, bool) {
	return slices.BinarySearchFunc(c.seen, address, func(s seen, address string) int { return strings.Compare(s.address, address) })
}

// remember adds an address; where there is no room, the one that was there the longest ago goes.
func (c *callers) remember(s seen) {
	if len(c.seen) >= maxCallers {
		oldest := slices.MinFunc(c.seen, func(a, b seen) int { return a.last.Compare(b.last) })
		i, _ := c.find(oldest.address)
		c.seen = slices.Delete(c.seen, i, i+1)
	}
	i, _ := c.find(s.address)
	c.seen = slices.Insert(c.seen, i, s)
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
