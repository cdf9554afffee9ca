package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// watchListeners looks once a second at who listens on the PBX, as long as the world lasts (S6): nothing here is a
// gateway, so everything has to be on loopback.
func (w *world) watchListeners(ctx context.Context) {
	samples, wide := 0, map[string]bool{}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		all, err := w.bed.PBX.Listeners()
		if err == nil {
			samples++
		}
		for _, at := range all {
			if !strings.HasPrefix(at, "127.") && !strings.HasPrefix(at, "[::1]") {
				wide[at] = true
			}
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	var err error
	if len(wide) > 0 {
		err = fmt.Errorf("not on loopback: %v", wide)
	}
	w.s.trial("S6", "listeners", map[string]float64{"samples": float64(samples), "wide": float64(len(wide))}, err)
}
