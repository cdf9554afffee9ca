package supervisor

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestAnyStormEndsAsWanted plays changes, restarts, breaks, refusals and silences in random order and at random
// moments. Meanwhile no status says more than its mappings do and no tunnel uses two links; afterwards what runs is
// what is wanted.
func TestAnyStormEndsAsWanted(t *testing.T) {
	for range 20 {
		seed := rand.Uint64()
		play(t, func(t *testing.T, s *stage) {
			r := rand.New(rand.NewPCG(seed, 1))
			w := &storm{t: t, stage: s, r: r, wanted: map[tunnel.Ref]tunnel.Wanted{}}
			for range 300 {
				w.step()
				s.pass(time.Duration(r.ExpFloat64() * float64(2*time.Second)))
				w.single()
			}
			w.calm()
			if t.Failed() {
				t.Logf("seed %d", seed)
			}
		})
	}
}

// storm is one such play.
type storm struct {
	t          *testing.T
	stage      *stage
	r          *rand.Rand
	wanted     map[tunnel.Ref]tunnel.Wanted
	generation uint64
}

// step does one thing at random.
func (w *storm) step() {
	ref := tunnel.Ref{Owner: tunnel.Operator, Name: tunnel.Name([]string{"a", "b", "c"}[w.r.IntN(3)])}
	now, there := w.wanted[ref]
	switch n := w.r.IntN(10); {
	case n < 2 || !there: // another server, or a new tunnel
		w.generation++
		w.want(active(ref, w.generation, w.mappings()...))
	case n < 4: // other mappings
		now.Tunnel.Mappings = w.mappings()
		w.want(now)
	case n < 5: // on and off
		w.generation++
		now.Active, now.Generation = !now.Active, w.generation
		now.State, now.Reason = tunnel.Disabled, tunnel.SuspendedReason
		w.want(now)
	case n < 6:
		delete(w.wanted, ref)
		w.stage.source.want(tunnel.Wanted{Tunnel: tunnel.Tunnel{Ref: ref}, Gone: true})
	case n < 7:
		_ = w.stage.sup.Restart(ref)
	case n < 9:
		w.harm()
	default:
		reasons := []tunnel.Reason{tunnel.Unreachable, tunnel.HandshakeClosed, tunnel.LoginRefused, tunnel.HostKeyMismatch}
		w.connect(always(reasons[w.r.IntN(len(reasons))]))
	}
	if w.r.IntN(3) > 0 {
		w.connect(nil)
	}
	for _, l := range w.stage.engine.live() {
		if l.Peer() != PeerAnswers && w.r.IntN(4) == 0 {
			l.falls(PeerAnswers)
		}
	}
}

func (w *storm) want(now tunnel.Wanted) {
	w.wanted[now.Tunnel.Ref] = now
	w.stage.source.want(now)
}

func (w *storm) connect(script func(context.Context, Attempt) error) {
	w.stage.engine.set(func() { w.stage.engine.connect = script })
}

// mappings are some mappings, some of them at other ports than before.
func (w *storm) mappings() []tunnel.Mapping {
	var ms []tunnel.Mapping
	for _, name := range []string{"x", "y", "z"} {
		if w.r.IntN(2) == 0 {
			m := http
			m.Name, m.Remote.Port = name, 18000+w.r.IntN(3)
			ms = append(ms, m)
		}
	}
	return ms
}

// harm breaks or silences a link.
func (w *storm) harm() {
	links := w.stage.engine.live()
	if len(links) == 0 {
		return
	}
	l := links[w.r.IntN(len(links))]
	switch w.r.IntN(6) {
	case 0:
		l.falls(PeerDoubted)
	case 1:
		l.falls(PeerSilent)
	case 2:
		l.script(func() { l.wake = func(context.Context) error { l.falls(PeerAnswers); return nil } })
		l.falls(PeerSilent)
	case 3:
		l.breaks(fail(tunnel.LinkLost))
	case 4:
		l.script(func() { l.keepalive = silence })
	default:
		l.script(func() {
			l.proof = func(ctx context.Context, _ string) error { return silence(ctx) }
		})
	}
}

// single fails the test where a tunnel uses two links, one of which has not given cause for the other.
func (w *storm) single() {
	used := map[tunnel.Ref]int{}
	for _, l := range w.stage.engine.live() {
		if l.Peer() == PeerAnswers && !l.resting() && l.used() {
			used[l.ref]++
		}
	}
	for ref, n := range used {
		if n > 1 {
			w.t.Errorf("%s uses %d links", ref, n)
		}
	}
}

// used reports whether the link was asked for anything.
func (l *fakeLink) used() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.calls) > 0
}

// calm lets everything heal, changes every tunnel once more and compares.
func (w *storm) calm() {
	w.connect(nil)
	for _, now := range w.wanted {
		w.generation++
		now.Generation = w.generation
		w.want(now)
	}
	w.stage.pass(15 * time.Minute) // a login that was refused may wait for its turn
	links := w.stage.engine.live()
	for ref, now := range w.wanted {
		mine := slices.DeleteFunc(slices.Clone(links), func(l *fakeLink) bool { return l.ref != ref })
		w.compare(now, mine)
		for _, r := range w.stage.source.history(ref) {
			w.honest(r.Status)
		}
	}
	if n := len(links); n > len(w.wanted) {
		w.t.Errorf("%d links stand for %d tunnels", n, len(w.wanted))
	}
}

// compare compares what is wanted of one tunnel with its links.
func (w *storm) compare(want tunnel.Wanted, links []*fakeLink) {
	ref := want.Tunnel.Ref
	if !want.Active {
		w.stage.expect(ref, tunnel.Disabled, tunnel.SuspendedReason)
		if len(links) > 0 {
			w.t.Errorf("%s is off and has a link", ref)
		}
		return
	}
	w.stage.expect(ref, tunnel.Up, "")
	carried := slices.Sorted(maps.Keys(links[0].mappings))
	var names []string
	for _, m := range want.Tunnel.Mappings {
		names = append(names, m.Name)
		if c := links[0].mappings[m.Name]; c == nil || c.Mapping != m {
			w.t.Errorf("%s carries %v in place of %v", ref, c, m)
		}
	}
	if !slices.Equal(carried, names) {
		w.t.Errorf("%s carries %v, wanted %v", ref, carried, names)
	}
}

// honest fails the test where a status says more than was proved.
func (w *storm) honest(s tunnel.Status) {
	for _, m := range s.Mappings {
		switch {
		case s.State == tunnel.Up && m.State != tunnel.Up:
			w.t.Fatalf("up with %s %s", m.Name, m.State)
		case !s.State.Linked() && s.Link.State != tunnel.Up && (m.State != tunnel.Down || m.Reason != s.Reason):
			w.t.Fatalf("%s (%s) with %s %s (%s)", s.State, s.Reason, m.Name, m.State, m.Reason)
		case m.State == tunnel.Up && (m.ProvedAt.IsZero() || m.TargetProvedAt.IsZero()):
			w.t.Fatalf("%s is up without proof: %+v", m.Name, m)
		}
	}
	if s.State == tunnel.Waiting && s.NextAttempt.IsZero() {
		w.t.Fatal("waiting for nothing")
	}
}
