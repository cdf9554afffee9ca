package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/pluginhost/sandbox"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// Test is the test plugin's, as its settings say; most of them keep to no rule.
func (testPlugin) Test(ctx context.Context, r wire.Run, report func(tunnel.TestStep)) error {
	var o orders
	if err := json.Unmarshal(r.Settings, &o); err != nil {
		return err
	}
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	say := func(name string, o tunnel.Outcome, message, remedy string) {
		report(tunnel.TestStep{Name: name, Outcome: o, Message: message, Remedy: remedy})
	}
	say("first", tunnel.StepRunning, "", "")
	say("first", tunnel.StepOK, "found", "")
	what, _, _ := strings.Cut(o.Do, " ")
	switch what {
	case "strange":
		say("dial", "great", "", "")
		forever()
	case "twice":
		say("first", tunnel.StepFailed, "after all", "")
		forever()
	case "reserved":
		say(tunnel.StepModule, tunnel.StepRunning, "", "")
		forever()
	case "many":
		for i := range 1_000_000 {
			say(fmt.Sprint("step ", i), tunnel.StepSkipped, "", "")
		}
	case "texts":
		say("dial", tunnel.StepFailed, "red \x1b[31m\n"+strings.Repeat("x", 1000), strings.Repeat("y", 1000))
		return nil
	case "wrong":
		return errors.New("no luck with \x1b[31m")
	}
	say("dial", tunnel.StepRunning, "", "")
	switch what {
	case "half":
		return nil
	case "crash":
		time.Sleep(200 * time.Millisecond) // what was said leaves first
		os.Exit(3)
	case "deaf":
		forever()
	case "scribble": // as long as it lives, and a while longer than it should
		for over := ctx.Done(); ; time.Sleep(time.Millisecond) {
			_ = os.MkdirAll(r.Dir, 0o700)
			_ = os.WriteFile(filepath.Join(r.Dir, "scribble"), []byte("x"), 0o600)
			select {
			case <-over:
				over = nil
				time.AfterFunc(100*time.Millisecond, cancel)
			case <-late.Done():
				return ctx.Err()
			default:
			}
		}
	case "hang":
		<-ctx.Done()
		time.Sleep(100 * time.Millisecond)
		return ctx.Err()
	}
	say("dial", tunnel.StepWarning, "slow", "be patient")
	return nil
}

// step is one report, as "name outcome: message".
func step(s tunnel.TestStep) string {
	return strings.TrimSuffix(fmt.Sprintf("%s %s: %s", s.Name, s.Outcome, s.Message), ": ")
}

// try tests a configuration and returns what was reported.
func (r *rig) try(ctx context.Context, ref tunnel.ConfigurationRef, do string) (reports []string, err error) {
	var doc json.RawMessage
	if do != "" {
		doc, _ = json.Marshal(orders{Do: do})
	}
	var mu sync.Mutex
	err = r.Test(ctx, ref, doc, func(s tunnel.TestStep) {
		mu.Lock()
		defer mu.Unlock()
		reports = append(reports, step(s))
	})
	return reports, err
}

// tested adds a configuration that does not run, of a module called hello.
func tested(t *testing.T, do string) (*rig, tunnel.ConfigurationRef) {
	t.Helper()
	r := newRig(t)
	r.install("hello", "")
	c := r.configure("hello/default", do)
	r.disable(c)
	r.catalog.change(c, func(*tunnel.Run) {}, json.RawMessage(fmt.Sprintf(`{"do":%q}`, do)))
	r.run()
	r.is("hello", Stopped, "")
	return r, c
}

func TestATestStartsAProcessAndEndsIt(t *testing.T) {
	t.Parallel()
	r, c := tested(t, "well")
	got, err := r.try(t.Context(), c, "")
	want := []string{
		"settings ok: as stored", "module running", "module ok: started for this test", "first running", "first ok: found", "dial running", "dial warning: slow",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v; reported are\n%q, not\n%q", err, got, want)
	}
	r.is("hello", Stopped, "")
	if m := r.of("hello"); m.PID != 0 || m.Restarts != 0 {
		t.Errorf("after the test the module is %+v", m)
	}
}

func TestATestBesideARun(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.install("hello", "")
	c := r.configure("hello/default", "run")
	r.run()
	pid := r.note(c, "started")
	for _, do := range []string{"well", "strange", "hang"} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		got, _ := r.try(ctx, c, do)
		cancel()
		if len(got) < 3 || got[0] != "settings ok: as given, not stored" || got[2] != "module ok: runs" {
			t.Errorf("%s: reported are %q", do, got)
		}
	}
	if _, err := os.Stat(r.stateDir("hello") + "/default/stopped"); !os.IsNotExist(err) || r.note(c, "started") != pid || fmt.Sprint(r.of("hello").PID) != pid {
		t.Errorf("the run was disturbed: %v, %+v", err, r.of("hello"))
	}
	r.disable(c)
	r.is("hello", Stopped, "")
}

// Sites that are given otherwise than they are stored keep their tunnels, and the test says so.
func TestATestSaysWhatItDoesNotTry(t *testing.T) {
	t.Parallel()
	r, c := tested(t, "well")
	got, err := r.try(t.Context(), c, "well elsewhere")
	if err != nil || !strings.HasPrefix(got[0], "settings warning: as given, but with the tunnel as it is stored: site ") {
		t.Errorf("%v; reported are %q", err, got)
	}
}

func TestATestThatComesToNoProperEnd(t *testing.T) {
	t.Parallel()
	r, c := tested(t, "well")
	whole := r.testLimit // the start of a process included
	for do, want := range map[string]string{
		"crash":    "dial failed: the module's process ended meanwhile: it ended: exit status 3",
		"deaf":     "dial failed: it had not come to its end when the time for the test was over, 20s",
		"half":     "dial failed: the module ended its test without saying how this went",
		"strange":  `end failed: the module's test breaks the rules of one: step "dial" has an outcome that there is not: "great"`,
		"twice":    `end failed: the module's test breaks the rules of one: step "first" is decided already: a test has each name once`,
		"reserved": `end failed: the module's test breaks the rules of one: step "module" is one of the host's own: call it otherwise`,
		"many":     "end failed: the module's test breaks the rules of one: the test has more than 50 steps",
		"wrong":    `end failed: no luck with \x1b[31m`,
	} {
		if r.testLimit = whole; do == "deaf" {
			r.testLimit = 20 * time.Second
		}
		began := time.Now()
		got, err := r.try(t.Context(), c, do)
		if err != nil || got[len(got)-1] != want || !slices.Contains(got, "first ok: found") {
			t.Errorf("%s: %v; reported are %q, not %q at last", do, err, got, want)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("%s took %v", do, took)
		}
		r.is("hello", Stopped, "")
	}
	got, err := r.try(t.Context(), c, "texts")
	if last := got[len(got)-1]; err != nil || strings.ContainsAny(last, "\x1b\n") || len(last) > 600 || !strings.HasPrefix(last, `dial failed: red \x1b[31m\nxxx`) {
		t.Errorf("%v; wild texts become %q", err, last)
	}
}

// A process that dies in a test takes its runs with it, and is started again for them.
func TestADeathInATestIsMended(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.install("hello", "")
	c := r.configure("hello/default", "run")
	r.run()
	pid := r.note(c, "started")
	got, err := r.try(t.Context(), c, "crash")
	if err != nil || !strings.Contains(got[len(got)-1], "exit status 3") {
		t.Errorf("%v; reported are %q", err, got)
	}
	r.eventually("another process runs it", func() bool { return r.note(c, "started") != pid }, func() string { return r.logOf("hello") })
}

func TestOneTestAtATime(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.install("hello", "")
	c := r.configure("hello/default", "run")
	r.run()
	r.note(c, "started")
	ctx, cancel := context.WithCancel(t.Context())
	dials, ended := make(chan bool, 1), make(chan error, 1)
	go func() {
		ended <- r.Test(ctx, c, json.RawMessage(`{"do":"hang"}`), func(s tunnel.TestStep) {
			if s.Name == "dial" && s.Outcome == tunnel.StepRunning {
				dials <- true
			}
		})
	}()
	<-dials
	if _, err := r.try(t.Context(), c, "well"); !errors.Is(err, tunnel.ErrExists) {
		t.Errorf("another test meanwhile is %v", err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("a test that nobody waits for any more is %v", err)
	}
	got, err := r.try(t.Context(), c, "well")
	if err != nil || got[len(got)-1] != "dial warning: slow" {
		t.Errorf("the next one is %v, %q", err, got)
	}
}

func TestWhatCannotBeTested(t *testing.T) {
	t.Parallel()
	r, c := tested(t, "well")
	r.install("untested", "")
	other := r.configure("untested/default", "run")
	r.is("untested", Running, "")
	for name, try := range map[string]struct {
		ref  tunnel.ConfigurationRef
		do   string
		want error
	}{
		"no such module":         {tunnel.ConfigurationRef{Module: "absent", Name: "default"}, "", tunnel.ErrNotFound},
		"a module without tests": {other, "", tunnel.ErrNotFound},
	} {
		if got, err := r.try(t.Context(), try.ref, try.do); !errors.Is(err, try.want) || got != nil {
			t.Errorf("%s: %v, %q", name, err, got)
		}
	}
	r.catalog.change(c, func(*tunnel.Run) {}, json.RawMessage(`{"do":"invalid"}`))
	if _, err := r.try(t.Context(), c, ""); !errors.Is(err, tunnel.ErrInvalid) {
		t.Errorf("settings that do not fit: %v", err)
	}
	r.install("hello", "2.0.0")
	r.is("hello", Accept, tunnel.NeedsAcceptance)
	got, err := r.try(t.Context(), c, "well")
	if err != nil || !strings.HasPrefix(got[len(got)-1], "module failed: another binary lies under this name") {
		t.Errorf("a binary that waits for acceptance: %v, %q", err, got)
	}
}

// TestATestOfAModuleThatMayNotRunUnconfinedSaysSoAtOnce: none starts it, so it does not wait for its process.
func TestATestOfAModuleThatMayNotRunUnconfinedSaysSoAtOnce(t *testing.T) {
	t.Parallel()
	dir, sockets := t.TempDir(), shortDir(t)
	before := newRigIn(t, dir, sockets).run()
	before.install("hello", "")
	before.is("hello", Stopped, "") // accepted, where modules are confined
	before.stop()
	r := newRigIn(t, dir, sockets)
	r.support, r.catalog, r.cfg.Catalog = sandbox.Support{}, before.catalog, before.catalog
	r.run()
	r.is("hello", Accept, tunnel.Unsandboxed)
	var last tunnel.TestStep
	began := time.Now()
	err := r.Test(t.Context(), tunnel.ConfigurationRef{Module: "hello", Name: "default"}, json.RawMessage(`{"do":"wait"}`), func(s tunnel.TestStep) { last = s })
	if err != nil || last.Name != tunnel.StepModule || last.Outcome != tunnel.StepFailed || !strings.Contains(last.Remedy, "--unsandboxed") {
		t.Errorf("%v, %+v", err, last)
	}
	if took := time.Since(began); took > r.startTimeout/2 {
		t.Errorf("it took %v", took)
	}
}
