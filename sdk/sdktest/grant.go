package sdktest

import (
	"fmt"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Grant grants the module rights beyond the sandbox and starts its runs anew, as `culvert module grant` does. Its description
// must ask for each; what it does not ask for is refused, and fails the test.
func (w *World) Grant(grants ...tunnel.Grant) {
	w.t.Helper()
	if err := w.grant(grants); err != nil {
		w.t.Errorf("%v", err)
		return
	}
	w.anew()
}

// Revoke takes rights away again, with the listeners and connections that they were for, and starts the module's runs anew.
func (w *World) Revoke(grants ...tunnel.Grant) {
	w.t.Helper()
	w.sites.change(func() {
		w.sites.granted = slices.DeleteFunc(slices.Clone(w.sites.granted), func(g tunnel.Grant) bool { return slices.Contains(grants, g) })
	})
	for _, g := range grants {
		if r, fs := tunnel.ParseGrant(g); len(fs) == 0 && r.Port != 0 {
			w.sites.revoke(localKey(r.Port))
		}
	}
	w.anew()
}

// anew starts what runs anew.
func (w *World) anew() {
	w.t.Helper()
	for _, c := range w.running() {
		_ = c.Restart()
	}
}

func (w *World) grant(grants []tunnel.Grant) error {
	for _, g := range grants {
		if !slices.Contains(w.said.Grants, g) {
			return fmt.Errorf("grant: %w", tunnel.Findings{tunnel.NotAskedFor(w.owner(), g, w.said.Grants)})
		}
	}
	w.sites.change(func() { w.sites.granted = append(slices.Clip(w.sites.granted), grants...) })
	return nil
}

func (w *World) granted() []tunnel.Grant {
	w.sites.mu.Lock()
	defer w.sites.mu.Unlock()
	return slices.Clone(w.sites.granted)
}

// may refuses what a right is needed for that is not granted, as the host does.
func (w *World) may(r tunnel.Right) error {
	w.sites.mu.Lock()
	granted := slices.Contains(w.sites.granted, r.Grant())
	w.sites.mu.Unlock()
	if granted {
		return nil
	}
	return tunnel.Findings{tunnel.NotGranted(w.owner(), r)}
}
