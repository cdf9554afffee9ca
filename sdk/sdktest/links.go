package sdktest

import (
	"context"
	"sync"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/tunnel/tunneltest"
)

// links keeps the status of the module's tunnels as the real host's supervisor would.
type links struct {
	world  *tunneltest.World
	sites  *sites
	owner  tunnel.Owner
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu sync.Mutex // one report at a time, so that the last one is the newest
}

func startLinks(w *tunneltest.World, s *sites, owner tunnel.Owner) *links {
	ctx, cancel := context.WithCancel(context.Background())
	l := &links{world: w, sites: s, owner: owner, cancel: cancel}
	l.done.Go(func() { l.follow(ctx) })
	return l
}

// follow reports on every tunnel that is new, or active again, and takes down what shall not be any more.
func (l *links) follow(ctx context.Context) {
	for c, err := range l.world.As(l.owner).Watch(ctx) {
		ref, state := c.Tunnel.Ref, c.Tunnel.Status.State
		switch {
		case err != nil || ref.Owner != l.owner:
		case c.Type == tunnel.Removed, state == tunnel.Disabled, state == tunnel.Inactive:
			site := siteOf(ref)
			l.sites.lose(func(at origin) bool { return at.site == site })
		case c.Type == tunnel.Present, c.Type == tunnel.Changed:
			l.report(ctx, ref)
		}
	}
}

// renew makes every link anew.
func (l *links) renew() {
	for v, err := range l.world.As(l.owner).List(context.Background()) {
		if err == nil && v.Ref.Owner == l.owner {
			l.world.Report(v.Ref, tunnel.Status{State: tunnel.Connecting})
		}
	}
	l.refresh()
}

// refresh reports on all tunnels anew, because something at a site changed.
func (l *links) refresh() {
	for v, err := range l.world.As(l.owner).List(context.Background()) {
		if err == nil {
			l.report(context.Background(), v.Ref)
		}
	}
}

func (l *links) report(ctx context.Context, ref tunnel.Ref) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v, err := l.world.As(l.owner).Get(ctx, ref)
	if err != nil || ref.Owner != l.owner {
		return
	}
	want := l.sites.status(v, siteOf(ref))
	if !same(v.Status, want) {
		l.world.Report(ref, want)
	}
}

func (l *links) stop() {
	l.cancel()
	l.done.Wait()
}

// same reports whether a status says already what another would say.
func same(a, b tunnel.Status) bool {
	if a.State != b.State || a.Reason != b.Reason || len(a.Mappings) != len(b.Mappings) {
		return false
	}
	for i, m := range a.Mappings {
		if n := b.Mappings[i]; m.Name != n.Name || m.State != n.State || m.Reason != n.Reason {
			return false
		}
	}
	return true
}
