package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/host/control/controltest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// A step that failed comes with what was seen and what to paste.
func TestCheckTellsWhatWasSeen(t *testing.T) {
	b := newTestbed(t)
	reason := string(tunnel.LoginRefused)
	b.Steps = []control.Step{{Name: "tcp", State: control.StepOK}, {Name: "login", State: control.StepFailed, Reason: &reason, Message: "the server refused the key", Remedy: "put it there",
		Diagnosis: control.DiagnosisOf(&tunnel.Diagnosis{Cause: tunnel.KeyRefused, Evidence: []string{"sent: publickey"},
			Fixes: []tunnel.Fix{{Where: "this machine", Line: "culvert key show OWNER/NAME"}, {Where: "this machine", Line: "culvert tunnel set OWNER/NAME --via 'http://p:1'"}}})}}
	r := b.run("", "check", "--server", "pbx@192.0.2.1", "--key", "host")
	if r.code != exitNotUp || !strings.HasSuffix(r.out, `
What was seen:
  - sent: publickey

What to do:

  # this machine:

culvert key show
`) {
		t.Errorf("exit %d:\n%s", r.code, r.out)
	}
	if r.err != "culvert: error: login failed (login-refused): the server refused the key\nculvert: hint: put it there\n" {
		t.Errorf("%s", r.err)
	}
}

// Who waits for a turn and loses it to a newer check is told so, and has made no connection.
func TestSupersededCheck(t *testing.T) {
	f := controltest.New()
	f.CheckSpacing = time.Minute
	d := controltest.StartAt(t, filepath.Join(controltest.Dir(t), "s"), f)
	f.Steps = []control.Step{{Name: "tcp", State: control.StepOK}}
	check := func(ctx context.Context, out, errOut *safeBuffer) int {
		return run(ctx, []string{"--socket", d.Socket, "check", "--server", "pbx@192.0.2.1", "--key", "host"}, strings.NewReader(""), out, errOut)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if code := check(ctx, &safeBuffer{}, &safeBuffer{}); code != 0 {
		t.Fatalf("the first: exit %d", code)
	}
	var out, errOut, newer safeBuffer
	second, third := make(chan int, 1), make(chan int, 1)
	go func() { second <- check(ctx, &out, &errOut) }()
	eventually(t, "the second waits", func() bool { return strings.Contains(errOut.String(), "culvert: it begins in ") })
	go func() { third <- check(ctx, &safeBuffer{}, &newer) }()
	if code := <-second; code != exitRefused || !strings.Contains(errOut.String(), "culvert: error: a newer check of 192.0.2.1:22 took the place of this one, which made no connection\nculvert: hint: ") || out.String() != "" {
		t.Errorf("exit %d: %s%s", code, out.String(), errOut.String())
	}
	eventually(t, "the third waits", func() bool { return strings.Contains(newer.String(), "culvert: it begins in ") })
	cancel()
	<-third
}
