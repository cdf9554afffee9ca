package control_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

func TestWatchBeginsWithWhatIs(t *testing.T) {
	d, c := start(t)
	add(t, c, "x", "1389:389")
	ref := tunnel.Ref{Owner: "hello", Name: "x"}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var got []string
	for ch, err := range c.Watch(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		line := ch.Type
		if ch.Tunnel != nil {
			line += " " + ch.Tunnel.Ref() + " " + ch.Tunnel.State
		}
		got = append(got, line)
		switch len(got) {
		case 2:
			d.World.Report(ref, tunnel.Status{State: tunnel.Up, Mappings: []tunnel.MappingStatus{{Name: "reach-389", State: tunnel.Up}}})
		case 3:
			if err := c.RemoveTunnel(ctx, ref); err != nil {
				t.Fatal(err)
			}
		}
		if len(got) == 4 {
			break
		}
	}
	want := []string{"present hello/x connecting", "synced", "changed hello/x up", "removed hello/x "}
	if !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}

func TestFollowGoesOn(t *testing.T) {
	d, c := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	event := func(subject string) {
		d.Events.Add(tunnel.Event{Time: time.Now(), Type: tunnel.TunnelState, Actor: "host", Subject: subject})
	}
	for _, s := range []string{"hello/x", "hello/xy", "hello/x/ldap"} {
		event(s)
	}
	var got []string
	for e, err := range c.Events(ctx, "hello/x", true) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Subject)
		if len(got) == 2 {
			event("other/x")
			event("hello/x")
		}
		if len(got) == 3 {
			break
		}
	}
	if want := []string{"hello/x", "hello/x/ldap", "hello/x"}; !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}

// A daemon that stops ends its streams; their readers learn that it is gone.
func TestStopEndsStreams(t *testing.T) {
	d, c := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	began := time.Now()
	for _, err := range c.Watch(ctx) {
		if err == nil {
			go d.Stop()
			continue
		}
		var u *control.Unreachable
		if !errors.As(err, &u) {
			t.Errorf("the stream ended with %v", err)
		}
	}
	if ctx.Err() != nil || time.Since(began) > 10*time.Second {
		t.Errorf("the stream did not end with the daemon")
	}
}

// Whoever stops reading ends with his own context's error.
func TestCallerEndsStream(t *testing.T) {
	_, c := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	for _, err := range c.Watch(ctx) {
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
		cancel()
	}
	cancel()
}

func TestCheckReportsEachStep(t *testing.T) {
	d, c := start(t)
	step := func(name, state string) control.Step { return control.Step{Name: name, State: state} }
	for _, tt := range []struct {
		name  string
		steps []control.Step
		ok    bool
	}{
		{"all well", []control.Step{step("name", control.StepRunning), step("name", control.StepOK), step("tcp", control.StepOK)}, true},
		{"one failed", []control.Step{step("name", control.StepOK), step("tcp", control.StepFailed)}, false},
		{"one skipped", []control.Step{step("name", control.StepOK), step("tcp", control.StepSkipped)}, false},
		{"never decided", []control.Step{step("name", control.StepRunning)}, false},
		{"nothing", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d.Steps, d.Shown = tt.steps, "SHA256:x"
			server := strings.ReplaceAll(tt.name, " ", "-") + ".example" // another each time: the same would have to wait
			in := control.CheckInput{Server: server, LoginInput: control.LoginInput{Login: "password", Password: "x"}}
			var live []control.Step
			out, err := c.Check(t.Context(), in, func(s control.Step) { live = append(live, s) })
			if err != nil {
				t.Fatal(err)
			}
			if !slices.EqualFunc(live, tt.steps, func(a, b control.Step) bool { return a.Name == b.Name && a.State == b.State }) {
				t.Errorf("live: %v", live)
			}
			if out.OK != tt.ok || out.Fingerprint != "SHA256:x" {
				t.Errorf("outcome: %+v", out)
			}
			seen := map[string]int{}
			for _, s := range out.Steps {
				seen[s.Name]++
			}
			for name, n := range seen {
				if n != 1 {
					t.Errorf("step %s stands %d times", name, n)
				}
			}
		})
	}
}
