package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// paced is a host that holds modules to one change a second after the first three, with two modules.
func paced(t *testing.T) (h *host, flip func(ctx context.Context, module string) error) {
	h = newHost(t)
	h.burst = 3
	h.reopen()
	h.module("adsync", "gw.example")
	h.module("tapi", "gw.example")
	on := map[string]bool{}
	return h, func(ctx context.Context, module string) error {
		var set []tunnel.Declaration
		if !on[module] {
			set = append(set, declared(module+"/berlin.site", "site"))
		}
		err := h.As(tunnel.Owner(module)).Declare(ctx, "berlin", set)
		if err == nil {
			on[module] = !on[module]
		}
		return err
	}
}

func TestModuleThatDeclaresToAndFroIsSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, flip := paced(t)
		began := time.Now()
		took := func(want time.Duration) {
			t.Helper()
			if d := time.Since(began); d != want {
				t.Errorf("by now it took %s, not %s", d, want)
			}
		}
		for range 3 {
			h.must(flip(t.Context(), "adsync"))
		}
		took(0)
		for range 4 {
			h.must(flip(t.Context(), "adsync"))
		}
		took(4 * time.Second)
		h.must(flip(t.Context(), "tapi")) // another module does not wait
		took(4 * time.Second)
		time.Sleep(time.Hour) // and a burst is there again
		began = time.Now()
		for range 3 {
			h.must(flip(t.Context(), "adsync"))
		}
		took(0)
	})
}

func TestEqualDeclarationsCostNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, flip := paced(t)
		h.must(flip(t.Context(), "adsync"))
		began := time.Now()
		for range 1000 {
			h.must(h.As("adsync").Declare(t.Context(), "berlin", []tunnel.Declaration{declared("adsync/berlin.site", "site")}))
		}
		h.must(flip(t.Context(), "adsync"))
		if d := time.Since(began); d != 0 {
			t.Errorf("they cost %s", d)
		}
	})
}

func TestModuleThatDoesNotStopIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, flip := paced(t)
		for range 3 {
			h.must(flip(t.Context(), "adsync"))
		}
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := flip(short, "adsync"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("past its deadline: %v", err)
		}
		// Calls that ask for different things at once share what the module has: who would wait longer than 5 s is refused.
		const n = 20
		sites := map[string]any{}
		for i := range n {
			sites[fmt.Sprint("s", i)] = map[string]string{"server": "gw.example"}
		}
		doc, err := json.Marshal(map[string]any{"sites": sites})
		h.must(err)
		_, err = h.SetConfiguration(t.Context(), by, conf("adsync/berlin"), doc, 0)
		h.must(err)
		refusals := make(chan error, n)
		for i := range n {
			go func() {
				refusals <- h.As("adsync").Declare(t.Context(), "berlin", []tunnel.Declaration{declared(fmt.Sprint("adsync/berlin.s", i), fmt.Sprint("sites.s", i))})
			}()
		}
		tooMany := 0
		for range cap(refusals) {
			err := <-refusals
			var fs tunnel.Findings
			if err != nil && !errors.As(err, &fs) {
				t.Error(err)
			}
			if errors.As(err, &fs) && fs[0].Code == tunnel.TooMany && fs[0].WayOut != "" && strings.Contains(fs[0].Message, "adsync") {
				tooMany++
			}
		}
		if tooMany != n-5 {
			t.Errorf("%d of %d were refused", tooMany, n)
		}
	})
}
