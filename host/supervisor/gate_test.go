package supervisor

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// However a server is written, whoever logs in there and whatever the case: it has one lane.
func TestOneServerHasOneLane(t *testing.T) {
	for _, c := range []struct {
		a, b tunnel.Server
		same bool
	}{
		{tunnel.Server{Host: "gw.example", Port: 22}, tunnel.Server{Host: "GW.Example.", Port: 22, User: "pbx"}, true},
		{tunnel.Server{Host: "192.0.2.1", Port: 22}, tunnel.Server{Host: "::ffff:192.0.2.1", Port: 22}, true},
		{tunnel.Server{Host: "2001:db8::1", Port: 22}, tunnel.Server{Host: "2001:DB8:0::1", Port: 22}, true},
		{tunnel.Server{Host: "gw.example", Port: 22}, tunnel.Server{Host: "gw.example", Port: 2222}, false},
		{tunnel.Server{Host: "gw.example", Port: 22}, tunnel.Server{Host: "gw2.example", Port: 22}, false},
	} {
		g := newGate(1)
		release, err := g.enter(t.Context(), c.a)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		other, err := g.enter(ctx, c.b)
		cancel()
		if same := errors.Is(err, context.DeadlineExceeded); same != c.same {
			t.Errorf("%v and %v have one lane: %v", c.a, c.b, same)
		}
		release()
		if err == nil {
			other()
		}
		if len(g.lanes) != 0 {
			t.Errorf("%d lanes are left", len(g.lanes))
		}
	}
}

// An attempt's place is given back by the first answer on its link, be that the main one or the second, and where no
// answer can come it is not waited for: a server keeps room for others.
func TestSecondLinksGiveTheirPlacesBack(t *testing.T) {
	for name, cut := range map[string]bool{"answered": false, "cut before the first answer": true} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				seen := map[tunnel.Ref]int{}
				s.engine.shape = func(l *fakeLink) {
					if seen[l.ref]++; cut && seen[l.ref] == 2 {
						l.peer = PeerDoubted
					}
				}
				refs := make([]tunnel.Ref, 2*handshakesPerServer)
				for i := range refs {
					refs[i] = tunnel.Ref{Owner: tunnel.Operator, Name: tunnel.Name(fmt.Sprintf("t%d", i))}
					s.source.want(active(refs[i], 1, ldap, upload))
				}
				s.pass(6 * time.Second)
				if cut {
					s.engine.set(func() { cut = false })
					for _, l := range s.engine.live() {
						l.falls(PeerSilent)
					}
				}
				s.pass(time.Minute)
				for _, ref := range refs {
					s.expect(ref, tunnel.Up, "")
				}
			})
		})
	}
}
