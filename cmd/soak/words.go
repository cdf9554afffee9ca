package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os/exec"
	"sync"
	"time"
)

// words are what a daemon says of its tunnels, as it says it. Safe for concurrent use.
type words struct {
	mu      sync.Mutex
	said    map[string][]word // by OWNER/NAME, in their order
	changed chan struct{}
}

// word is one change of state.
type word struct {
	At            time.Time
	State, Reason string
}

// follow listens to the daemon's events until it ends or ctx does.
func (d *daemon) follow(ctx context.Context) (*words, error) {
	w := &words{said: map[string][]word{}, changed: make(chan struct{})}
	cmd := exec.CommandContext(ctx, d.s.program("culvert"), "--socket", d.path("s"), "events", "-f", "-o", "json")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := d.bed.PBX.Start(cmd); err != nil {
		return nil, err
	}
	go func() {
		for in := bufio.NewScanner(out); in.Scan(); {
			w.hear(in.Bytes())
		}
		_ = cmd.Wait()
	}()
	return w, nil
}

func (w *words) hear(b []byte) {
	var e struct {
		Time                  time.Time
		Type, Subject, Reason string
		Fields                map[string]string
	}
	if json.Unmarshal(b, &e) != nil || e.Type != "tunnel-state" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said[e.Subject] = append(w.said[e.Subject], word{e.Time, e.Fields["state"], e.Reason})
	close(w.changed)
	w.changed = make(chan struct{})
}

// of are all words about a tunnel.
func (w *words) of(tunnel string) []word {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]word(nil), w.said[tunnel]...)
}

// wait waits for the first word about a tunnel since then that is as wanted.
func (w *words) wait(ctx context.Context, tunnel string, since time.Time, ok func(word) bool) (word, error) {
	for {
		w.mu.Lock()
		changed := w.changed
		w.mu.Unlock()
		for _, said := range w.of(tunnel) {
			if !said.At.Before(since) && ok(said) {
				return said, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return word{}, ctx.Err()
		}
	}
}

func isUp(w word) bool  { return w.State == "up" }
func notUp(w word) bool { return w.State != "up" }

// up reports whether the last word about the tunnel is up.
func (w *words) up(tunnel string) bool {
	all := w.of(tunnel)
	return len(all) > 0 && isUp(all[len(all)-1])
}
