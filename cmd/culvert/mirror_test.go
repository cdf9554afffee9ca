package main

import (
	"slices"
	"testing"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// What went while the reader had fallen behind is noticed when the whole has come again.
func TestMirrorNoticesWhatWentMeanwhile(t *testing.T) {
	m := newMirror()
	var got []string
	take := func(kind tunnel.ChangeType, name, state string) {
		c := control.Change{Type: string(kind)}
		if name != "" {
			c.Tunnel = &control.Tunnel{Owner: "hello", Name: name, State: state}
		}
		for _, s := range m.take(c) {
			line := s.Name + " " + s.State
			if s.removed {
				line += " removed"
			}
			got = append(got, line)
		}
	}
	take(tunnel.Present, "a", "up")
	take(tunnel.Present, "b", "up")
	take(tunnel.Synced, "", "")
	take(tunnel.Changed, "a", "waiting")
	take(tunnel.Resync, "", "")
	if m.synced {
		t.Error("synced while the whole is coming again")
	}
	take(tunnel.Present, "b", "degraded")
	take(tunnel.Synced, "", "")
	take(tunnel.Removed, "b", "")
	take(tunnel.Removed, "never", "")
	want := []string{"a up", "b up", "a waiting", "b degraded", "a waiting removed", "b degraded removed", "never  removed"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}
