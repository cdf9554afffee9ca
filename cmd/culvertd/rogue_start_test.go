package main

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// What a module does instead of starting shows, and keeps no other from running.
func TestWhatNeverStartsIsShownAsWhatItIs(t *testing.T) {
	t.Parallel()
	if err := buildRogue(); err != nil {
		t.Fatal(err)
	}
	b := &besieged{rig: newRig(t, "hello")}
	want := map[string][]string{
		"crashes": {"binary-broken"}, // before its handshake, without a word
		"hangs":   {"start-timeout"},
		"mute":    {"start-timeout"},
		"lies":    {"binary-broken"},
		"floods":  {"binary-broken", "start-timeout", "crashed"}, // how much of it is read first
	}
	for name := range want {
		b.install("rogue", name)
	}
	b.must("config", "add", "hello/default")
	for name, reasons := range want {
		eventually(t, 90*time.Second, name+" to be shown as it is", func() error {
			m, err := b.shown(name)
			if err == nil && (m.State == "running" || !slices.Contains(reasons, m.Reason) || m.Message == "") {
				err = fmt.Errorf("it is %+v", m)
			}
			return err
		})
	}
	if m, err := b.shown("hello"); err != nil || m.State != "running" {
		t.Errorf("the good module is %+v, %v", m, err)
	}
}
