package tunneltest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func watchBeginsWithThePresent(t *testing.T, f Fixture) {
	equal(t, "present in an empty registry", len(follow(t, f.As("adsync")).synced(t)), 0)
	ref := declared(t, f, "adsync/berlin", "berlin.example.org")
	f.Report(ref, tunnel.Status{State: tunnel.Waiting, Reason: tunnel.Unreachable})
	ok(t, f.AddTunnel(made(t, "operator/office", "site.example.org")))
	present := follow(t, f.As("tapi")).synced(t)
	equal(t, "present", len(present), 2)
	equal(t, "first", present[0].Ref, ref)
	equal(t, "state", present[0].Status.State, tunnel.Waiting)
	equal(t, "reason", present[0].Status.Reason, tunnel.Unreachable)
	equal(t, "mappings", len(present[0].Status.Mappings), 1)
}

// linked is a report of a tunnel whose link stands, with its only mapping in a state.
func linked(s tunnel.State, mapping tunnel.State, reason tunnel.Reason) tunnel.Status {
	return tunnel.Status{State: s, Mappings: []tunnel.MappingStatus{{Name: "ldap", State: mapping, Reason: reason}}}
}

func watchTellsChangesInOrder(t *testing.T, f Fixture) {
	ref := declared(t, f, "adsync/berlin", "berlin.example.org")
	watch := follow(t, f.As("tapi"))
	watch.synced(t)
	reports := []tunnel.Status{
		linked(tunnel.Up, tunnel.Up, ""),
		linked(tunnel.Degraded, tunnel.Down, tunnel.TargetRefused),
		linked(tunnel.Degraded, tunnel.Down, tunnel.TargetUnreachable), // a reason alone is a change
		linked(tunnel.Up, tunnel.Up, ""),
		{State: tunnel.Waiting, Reason: tunnel.LinkLost},
		{State: tunnel.Waiting, Reason: tunnel.Unreachable},
	}
	for _, s := range reports {
		f.Report(ref, s)
	}
	for i, s := range reports {
		c := watch.next(t)
		if c.Type != tunnel.Changed || c.Tunnel.Status.State != s.State || c.Tunnel.Status.Reason != s.Reason ||
			len(s.Mappings) > 0 && c.Tunnel.Status.Mappings[0].Reason != s.Mappings[0].Reason {
			t.Fatalf("report %d came as %s %+v, want %+v", i, c.Type, c.Tunnel.Status, s)
		}
	}
	ok(t, f.Suspend(ref, true))
	equal(t, "state", watch.next(t).Tunnel.Status.State, tunnel.Disabled)
	ok(t, f.AddTunnel(made(t, "operator/office", "site.example.org")))
	equal(t, "added", watch.next(t).Tunnel.Ref.String(), "operator/office")
	ok(t, f.RemoveConfiguration(confRef(t, "adsync/berlin")))
	c := watch.next(t)
	equal(t, "type", c.Type, tunnel.Removed)
	equal(t, "removed", c.Tunnel.Ref, ref)
}

func watchIgnoresCounters(t *testing.T, f Fixture) {
	ref := declared(t, f, "adsync/berlin", "berlin.example.org")
	f.Report(ref, linked(tunnel.Up, tunnel.Up, ""))
	watch := follow(t, f.As("tapi"))
	watch.synced(t)
	for i := range 3 {
		s := linked(tunnel.Up, tunnel.Up, "")
		s.Mappings[0].ProvedAt, s.Mappings[0].BytesIn = time.Now(), uint64(i+1)
		f.Report(ref, s)
	}
	equal(t, "bytes", get(t, f, ref).Status.Mappings[0].BytesIn, 3)
	f.Report(ref, tunnel.Status{State: tunnel.Waiting, Reason: tunnel.LinkLost})
	equal(t, "first change", watch.next(t).Tunnel.Status.State, tunnel.Waiting)
}

// aSlowWatcherResyncs: a reader that does not read costs no unbounded memory and knows afterwards what is.
func aSlowWatcherResyncs(t *testing.T, f Fixture) {
	ref := declared(t, f, "adsync/berlin", "berlin.example.org")
	ok(t, f.AddTunnel(made(t, "operator/office", "site.example.org")))
	watch := follow(t, f.As("tapi"))
	watch.synced(t)
	for i := range 5000 {
		if i%2 == 0 {
			f.Report(ref, tunnel.Status{State: tunnel.Connecting})
		} else {
			f.Report(ref, tunnel.Status{State: tunnel.Waiting, Reason: tunnel.Unreachable})
		}
	}
	ok(t, f.RemoveTunnel(tunnelRef(t, "operator/office")))
	f.Report(ref, linked(tunnel.Up, tunnel.Up, ""))
	model, resyncs := map[tunnel.Ref]tunnel.State{}, 0
	for resyncs == 0 || len(model) != 1 || model[ref] != tunnel.Up {
		switch c := watch.next(t); c.Type {
		case tunnel.Resync:
			model = map[tunnel.Ref]tunnel.State{}
			resyncs++
		case tunnel.Removed:
			delete(model, c.Tunnel.Ref)
		case tunnel.Present, tunnel.Changed:
			model[c.Tunnel.Ref] = c.Tunnel.Status.State
		}
	}
	ok(t, f.Suspend(ref, true))
	c := watch.next(t)
	if c.Type == tunnel.Synced { // the end of the whole
		c = watch.next(t)
	}
	equal(t, "next change", c.Tunnel.Status.State, tunnel.Disabled)
}

func theContextEndsEveryCall(t *testing.T, f Fixture) {
	ref := declared(t, f, "adsync/berlin", "berlin.example.org")
	ok(t, f.AddTunnel(made(t, "operator/office", "site.example.org")))
	s := f.As("adsync")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for _, c := range []struct {
		ctx  context.Context
		want error
	}{{ended, context.Canceled}, {late, context.DeadlineExceeded}} {
		refused(t, s.Declare(c.ctx, "berlin", nil), c.want)
		_, err := s.Get(c.ctx, ref)
		refused(t, err, c.want)
		for _, err = range s.List(c.ctx) {
		}
		refused(t, err, c.want)
		for _, err = range s.Watch(c.ctx) {
		}
		refused(t, err, c.want)
	}
	get(t, f, ref) // the refused Declare withdrew nothing
}

func aWaitingWatchEnds(t *testing.T, f Fixture) {
	declared(t, f, "adsync/berlin", "berlin.example.org")
	watch := follow(t, f.As("adsync"))
	watch.synced(t)
	watch.cancel() // while it waits
	select {
	case err := <-watch.end:
		refused(t, err, context.Canceled)
		if err, more := <-watch.end; more {
			t.Errorf("the watch went on after its error: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("a waiting watch does not end")
	}
}

func readersMayStopEarly(t *testing.T, f Fixture) {
	for _, ref := range []string{"operator/a", "operator/b", "operator/c"} {
		ok(t, f.AddTunnel(made(t, ref, "site.example.org")))
	}
	s := f.As("adsync")
	for _, err := range s.Watch(t.Context()) {
		ok(t, err)
		break
	}
	for v, err := range s.List(t.Context()) {
		ok(t, err)
		equal(t, "first", v.Ref.String(), "operator/a")
		break
	}
	listing, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range s.List(listing) {
		cancel()
		last = err
	}
	if last != nil && !errors.Is(last, context.Canceled) {
		t.Errorf("a list whose context ended gave %v", last)
	}
}
