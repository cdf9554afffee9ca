package registry_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// stall makes the journal take no events until the function it returns is called.
func (h *host) stall() (on func()) {
	h.mu.Lock()
	return h.mu.Unlock
}

// within fails the test where f takes long: it waits for something.
func (h *host) within(limit time.Duration, f func()) {
	h.t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(limit):
		h.t.Fatal("it waits for the journal")
	}
}

// A journal on a disk that stalls holds up no tunnel: what is reported is there to be read at once, and told in order
// when the disk goes on.
func TestReportsDoNotWaitForTheJournal(t *testing.T) {
	h := newHost(t)
	names := []string{"a", "b", "c"}
	for _, name := range names {
		h.add("operator/"+name, "a.example", byKey())
	}
	h.told()
	on := h.stall()
	h.within(10*time.Second, func() {
		for i := range 100 {
			for _, name := range names {
				h.Report(ref("operator/"+name), tunnel.Status{State: tunnel.Waiting, Reason: tunnel.Reason(fmt.Sprint("r", i))})
			}
		}
		for _, name := range names {
			if v := h.view("operator/" + name); v.Status.Reason != "r99" {
				t.Errorf("%s is shown as of %s", name, v.Status.Reason)
			}
		}
	})
	on()
	next := map[string]int{}
	for _, e := range h.told() {
		if want := fmt.Sprint("r", next[e.Subject]); string(e.Reason) != want || e.Type != tunnel.TunnelState {
			t.Fatalf("after %s: %+v", want, e)
		}
		next[e.Subject]++
	}
	for _, name := range names {
		if n := next["operator/"+name]; n != 100 {
			t.Errorf("%d events of %s", n, name)
		}
	}
}

// However long it stalls, only so much waits; that something is missing stands in the journal where it is missing.
func TestAJournalThatStallsForLongIsToldWhatItMissed(t *testing.T) {
	h := newHost(t)
	h.add("operator/a", "a.example", byKey())
	h.told()
	on := h.stall()
	const reports = 25_000
	h.within(time.Minute, func() {
		for i := range reports {
			h.Report(ref("operator/a"), tunnel.Status{State: tunnel.Waiting, Reason: tunnel.Reason(fmt.Sprint("r", i))})
		}
	})
	on()
	es := h.told()
	last := es[len(es)-1]
	if last.Type != tunnel.EventsLost || len(es) >= reports || !strings.Contains(last.Message, fmt.Sprint(reports-len(es)+1)) {
		t.Errorf("%d events, the last: %+v", len(es), last)
	}
	h.Report(ref("operator/a"), tunnel.Status{State: tunnel.Up})
	if es := h.told(); len(es) != 1 || es[0].Type != tunnel.TunnelState {
		t.Errorf("after that: %+v", es)
	}
}
