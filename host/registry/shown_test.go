package registry_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// gallery is all that a registry has shown so far, as it was first read.
type gallery map[*tunnel.Shown]string

// form stands for what the wire makes of a tunnel.
func form(v tunnel.View) ([]byte, error) { return json.Marshal(v) }

// look finds that what is kept of each tunnel is what would be made of it now, and that nothing that was shown before was
// changed. It returns how many tunnels are shown anew.
func (g gallery) look(t testing.TB, s tunnel.Service) (anew int) {
	t.Helper()
	all, err := s.(tunnel.Shared).ListShown(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for v, err := range s.List(context.Background()) {
		if err != nil || n == len(all) {
			t.Fatalf("%d tunnels are shown, and more are there: %v", n, err)
		}
		want, _ := form(v)
		got, err := all[n].Form(form)
		if err != nil || string(got) != string(want) {
			t.Errorf("kept is %s, %v\nand it is %s", got, err, want)
		}
		if _, known := g[all[n]]; !known {
			g[all[n]] = string(got)
			anew++
		}
		n++
	}
	if n != len(all) {
		t.Errorf("%d tunnels are shown, and %d are there", len(all), n)
	}
	for shown, was := range g {
		if now, _ := form(shown.View()); string(now) != was {
			t.Errorf("what was shown was changed:\n%s\n%s", was, now)
		}
	}
	return anew
}

// What is made of a tunnel for all who read it is what would be made for each, after every kind of change, and is made
// anew for the tunnels alone that the change concerns.
func TestWhatIsKeptOfATunnelIsWhatItIs(t *testing.T) {
	h := newHost(t)
	h.module("adsync", "gw.example")
	h.must(h.As("adsync").Declare(h.ctx(), "berlin", []tunnel.Declaration{declared("adsync/berlin.site", "site")}))
	h.add("operator/a", "a.example", byPassword(), mapping(tunnel.Expose, "x=80:8080"), mapping(tunnel.Reach, "y=81:80"))
	h.add("operator/b", "b.example", tunnel.Credential{Login: tunnel.LoginKey})
	a, g := ref("operator/a"), gallery{}
	if n := g.look(t, h.As("anyone")); n != 3 {
		t.Fatalf("%d tunnels", n)
	}
	counted, proved := up("x", "y"), up("x", "y")
	counted.Mappings[0].BytesIn, counted.Mappings[0].Callers = 100, []tunnel.Caller{{Address: "10.0.0.1", Open: 1, Total: 1}}
	proved.Mappings[1].ProvedAt = time.Now()
	for _, step := range []struct {
		name string
		do   func() error
		anew int
	}{
		{"nothing", func() error { return nil }, 0},
		{"up", func() error { h.Report(a, up("x", "y")); return nil }, 1},
		{"counted", func() error { h.Report(a, counted); return nil }, 1},
		{"proved", func() error { h.Report(a, proved); return nil }, 1},
		{"waiting", func() error { h.Report(a, tunnel.Status{State: tunnel.Waiting, Reason: tunnel.LinkLost}); return nil }, 1},
		{"edited", func() error { return h.edit("operator/a", tunnel.Edit{Comment: new("new")}) }, 1},
		{"may be wider", func() error { return h.edit("operator/a", tunnel.Edit{AcceptWider: []string{"x"}}) }, 1},
		{"secret", func() error { return h.SetSecret(h.ctx(), by, a, tunnel.Credential{Password: canary}) }, 1},
		{"pinned", func() error { return h.Learned(h.ctx(), a, server("a.example"), key("k")) }, 1},
		{"suspended", func() error { return h.SuspendTunnel(h.ctx(), by, a, true) }, 1},
		{"site moved", func() error {
			_, err := h.SetConfiguration(h.ctx(), by, conf("adsync/berlin"), site("other.example"), 0)
			return err
		}, 1},
		{"module missing", func() error { h.SetPresent(nil); return nil }, 1},
		{"withdrawn", func() error { return h.As("adsync").Declare(h.ctx(), "berlin", nil) }, 0},
		{"removed", func() error { return h.RemoveTunnel(h.ctx(), by, a) }, 0},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if n := g.look(t, h.As("anyone")); n != step.anew {
			t.Errorf("%s: %d tunnels are shown anew, want %d", step.name, n, step.anew)
		}
	}
	for _, text := range g {
		if strings.Contains(text, canary) {
			t.Errorf("it holds the secret: %s", text)
		}
	}
}

// Many read while it changes: each sees what one moment was.
func TestShownToManyWhileItChanges(t *testing.T) {
	h := newHost(t)
	h.add("operator/a", "a.example", byPassword(), mapping(tunnel.Expose, "x=80:8080"))
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			s := h.As("anyone").(tunnel.Shared)
			for c, err := range s.WatchShown(ctx) {
				if err != nil {
					return
				}
				if c.Tunnel != nil {
					text, err := c.Tunnel.Form(form)
					if now, _ := form(c.Tunnel.View()); err != nil || string(now) != string(text) {
						t.Errorf("kept is %s, %v", text, err)
					}
				}
			}
		})
	}
	for i := range 200 {
		s := up("x")
		if i%2 == 0 {
			s = tunnel.Status{State: tunnel.Waiting, Reason: tunnel.LinkLost}
		}
		h.Report(ref("operator/a"), s)
		if all, err := h.ListShown(ctx); err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
	}
	cancel()
	readers.Wait()
}
