package sshtunnel

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// callers remembers who connected through a mapping: as many as people want to see, the latest first. Its cost per
// connection is one look through so many addresses.
type callers struct {
	mu  sync.Mutex
	all []*tunnel.Caller
}

// came notes a connection of who; gone is to be called when it has gone.
func (c *callers) came(who string) (gone func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.all, func(k *tunnel.Caller) bool { return k.Address == who })
	k := &tunnel.Caller{Address: who}
	switch {
	case i >= 0:
		k = c.all[i]
	case len(c.all) < tunnel.MaxCallers:
		i, c.all = len(c.all), append(c.all, k)
	default:
		i = len(c.all) - 1 // who has not come for longest
	}
	copy(c.all[1:], c.all[:i])
	c.all[0] = k
	k.Open++
	k.Total++
	k.Last = time.Now()
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		k.Open--
	}
}

// list returns them, the latest first.
func (c *callers) list() []tunnel.Caller {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]tunnel.Caller, len(c.all))
	for i, k := range c.all {
		all[i] = *k
	}
	return all
}

// maxCaller bounds the text for a caller.
const maxCaller = 64

// callerName is who connected, from what a server or a module says: an address in its usual form, anything else escaped.
func callerName(said string) string {
	if a, err := netip.ParseAddr(said); err == nil {
		said = a.Unmap().String()
	}
	if said == "" {
		return "unknown"
	}
	return tunnel.Clean(said, maxCaller-len(`\U0010ffff…`)) // what is cut ends with a whole escape and a mark
}
