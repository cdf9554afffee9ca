package sshtunnel

import "golang.org/x/sys/unix"

// hugeFrom is from how many living bytes on the process has huge pages, where the system gives them to whoever does not
// refuse, as Debian does. What a thousand idle links touch is in no cache, and to find out where it is takes as long as to
// fetch it: huge pages save a third of the processor's time. Where less lives they would be half empty, and a tunnel of 300
// takes twice as much.
const hugeFrom = 24 << 20

// hugePages is whether the process has any. The programs that it starts are begun the same way.
type hugePages struct{ had, has bool }

// refuseHugePages begins without.
func refuseHugePages() *hugePages {
	refused, err := unix.PrctlRetInt(unix.PR_GET_THP_DISABLE, 0, 0, 0, 0)
	h := &hugePages{had: err == nil && refused == 0}
	h.has = h.had
	h.set(false)
	return h
}

// follow takes a collection after which live bytes live.
func (h *hugePages) follow(live uint64) {
	switch {
	case live >= hugeFrom:
		h.set(h.had)
	case live < hugeFrom/2:
		h.set(false)
	}
}

// undo makes it as it was.
func (h *hugePages) undo() { h.set(h.had) }

func (h *hugePages) set(to bool) {
	if h.has == to {
		return
	}
	refuse := uintptr(1)
	if to {
		refuse = 0
	}
	if unix.Prctl(unix.PR_SET_THP_DISABLE, refuse, 0, 0, 0) == nil {
		h.has = to
	}
}
