package supervisor

import (
	"net/netip"
	"slices"
)

// Moved tells that something about this machine's network has changed; has reports whether an address is this machine's
// now, woke that the machine slept meanwhile. Tunnels that wait for a server to be reachable try at once, links whose
// address is gone count as silent, and after a sleep every server is asked for a sign of life. Callers see to it that this
// comes not too often.
func (s *Supervisor) Moved(has func(netip.Addr) bool, woke bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keepers {
		k.moved(has, woke)
	}
}

func (k *keeper) moved(has func(netip.Addr) bool, woke bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, n := range k.lines {
		n.link.move(has)
		if woke {
			n.asking.hurry()
		}
	}
	if k.waits == unreached {
		poke(k.wake)
	}
}

// watch has the link of n hear of changes until unwatch.
func (k *keeper) watch(n *line) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lines = append(k.lines, n)
}

func (k *keeper) unwatch(n *line) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lines = slices.DeleteFunc(k.lines, func(l *line) bool { return l == n })
}

// awaits notes the class of the failure after which an attempt is awaited, "" where one runs.
func (k *keeper) awaits(class string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.waits = class
}
