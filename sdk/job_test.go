package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// clockwork is a module with the job sync, and whatever else its fields say.
type clockwork struct {
	quiet[timetable]
	run     func(context.Context, *Instance[timetable]) error // nil returns at once
	sync    Work[timetable]
	limit   time.Duration
	actions []Action[timetable]
}

type timetable struct {
	Sync Schedule `json:"sync" default:"every 1h"`
}

func (m clockwork) Run(ctx context.Context, in *Instance[timetable]) error {
	if m.run != nil {
		return m.run(ctx, in)
	}
	return nil
}

func (m clockwork) Actions() []Action[timetable] { return m.actions }

func (m clockwork) Jobs() []Job[timetable] {
	return []Job[timetable]{{Name: "sync", Title: "Sync", DryRun: true, Limit: m.limit, Do: m.sync, Schedule: func(s timetable) Schedule { return s.Sync }}}
}

// clock is one process of a clockwork: its runs, and what it logs.
type clock struct {
	t    *testing.T
	p    wire.Plugin
	dir  string
	log  bytes.Buffer
	stop func() error // ends the run under way
}

func newClock(t *testing.T, m clockwork) *clock { return &clock{t: t, p: Plugin(m), dir: t.TempDir()} }

// start begins a run of the configuration berlin.
func (c *clock) start(schedule string) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- c.p.Run(ctx, wire.Run{
			Configuration: "berlin", Settings: fmt.Appendf(nil, `{"sync":%q}`, schedule), Dir: c.dir, Log: hclog.New(&hclog.LoggerOptions{Output: &c.log}),
		})
	}()
	c.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	c.t.Cleanup(func() { c.stop() })
}

func (c *clock) status() tunnel.JobStatus {
	c.t.Helper()
	all, err := c.p.(wire.Actor).Jobs("berlin")
	if err != nil || len(all) != 1 {
		c.t.Fatalf("its jobs are %v, %v", all, err)
	}
	return all[0]
}

func (c *clock) act(ctx context.Context, a wire.Act, report func(tunnel.ActReport)) (Result, error) {
	a.Configuration, a.By = "berlin", "operator:0"
	if report == nil {
		report = func(tunnel.ActReport) {}
	}
	return c.p.(wire.Actor).Act(ctx, a, report)
}

// outcomes are the runs that ended, the first first.
func outcomes(s tunnel.JobStatus) (out []string) {
	for _, r := range slices.Backward(s.Runs) {
		out = append(out, r.By+" "+r.Result.Outcome)
	}
	return out
}

// stamps notes when something happened.
type stamps struct {
	mu  sync.Mutex
	all []time.Time
}

func (s *stamps) now() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, time.Now())
}

// since are the times since then, and none any more.
func (s *stamps) since(then time.Time) (out []time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.all {
		out = append(out, t.Sub(then))
	}
	s.all = nil
	return out
}

// jitter is that of the job sync of berlin.
func jitter(s Schedule) time.Duration { return s.Jitter("quiet/berlin/sync") }

func every(text string) Schedule {
	var s Schedule
	if err := s.UnmarshalText([]byte(text)); err != nil {
		panic(err)
	}
	return s
}

func TestAJobRunsByItsSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began stamps
		c := newClock(t, clockwork{sync: func(context.Context, *Instance[timetable], *Call) (Result, error) {
			began.now()
			time.Sleep(10 * time.Minute)
			return Result{Message: "fine", Counts: []Count{{Name: "users", N: 3}}, Columns: []string{"A"}, Rows: [][]string{{"a"}}}, nil
		}})
		start, first := time.Now(), jitter(every("every 1h"))
		c.start("every 1h")
		time.Sleep(2*time.Hour + 30*time.Minute)
		if got, want := began.since(start), []time.Duration{first, first + time.Hour, first + 2*time.Hour}; !slices.Equal(got, want) {
			t.Errorf("it ran %v after the start, not %v", got, want)
		}
		s := c.status()
		if got := outcomes(s); !slices.Equal(got, []string{"schedule ok", "schedule ok", "schedule ok"}) || s.Schedule != "every 1h" || s.Next.Sub(start) != first+3*time.Hour ||
			s.LastSuccess.Sub(start) != first+2*time.Hour+10*time.Minute || s.Running != nil || s.Skipped != 0 {
			t.Errorf("%q, %+v", got, s)
		}
		if last := s.Runs[0].Result; last.Message != "fine" || last.Counts[0].N != 3 || last.Rows != nil {
			t.Errorf("kept is %+v", last)
		}

		// A restart changes nothing: it is due when it would have been.
		c.stop()
		c.start("every 1h")
		time.Sleep(time.Hour)
		if got, want := began.since(start), []time.Duration{first + 3*time.Hour}; !slices.Equal(got, want) {
			t.Errorf("after a restart it ran %v after the start, not %v", got, want)
		}

		// What was due while nothing ran is done once.
		c.stop()
		time.Sleep(5 * time.Hour)
		again := time.Now()
		c.start("every 1h")
		time.Sleep(30 * time.Minute)
		if got, want := began.since(again), []time.Duration{first}; !slices.Equal(got, want) {
			t.Errorf("after a long pause it ran %v later, not %v", got, want)
		}
		if n := len(c.status().Runs); n != 5 {
			t.Errorf("%d runs are kept", n)
		}
		c.stop()
	})
}

func TestADailyJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where it is midnight in UTC
		var began stamps
		c := newClock(t, clockwork{sync: func(context.Context, *Instance[timetable], *Call) (Result, error) { began.now(); return Result{}, nil }})
		start := time.Now()
		soon := start.In(time.Local).Add(30 * time.Minute)
		text := "daily " + soon.Format("15:04")
		j := jitter(every(text))
		c.start(text)
		time.Sleep(72 * time.Hour)
		want := []time.Duration{30*time.Minute + j, 24*time.Hour + 30*time.Minute + j, 48*time.Hour + 30*time.Minute + j}
		if got := began.since(start); !slices.Equal(got, want) {
			t.Errorf("it ran %v after the start, not %v", got, want)
		}
		c.stop()
		time.Sleep(26 * time.Hour) // over its time
		c.start(text)
		time.Sleep(10 * time.Hour)
		if got := began.since(start); got != nil {
			t.Errorf("what was missed was made up for: %v", got)
		}
		c.stop()
	})
}

func TestOneRunOfAJobAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		running := 0
		c := newClock(t, clockwork{sync: func(_ context.Context, _ *Instance[timetable], call *Call) (Result, error) {
			running++
			defer func() { running-- }()
			if running > 1 {
				t.Error("there are two")
			}
			call.Progress(1, 3, "users")
			time.Sleep(3*time.Hour + 30*time.Minute)
			return Result{}, nil
		}})
		c.start("every 1h")
		time.Sleep(3 * time.Hour)
		if s := c.status(); s.Skipped != 2 || s.Running == nil || s.Running.By != "schedule" || s.Progress != (tunnel.Progress{Done: 1, Of: 3, Text: "users"}) || s.Next.Before(time.Now()) {
			t.Errorf("%+v", s)
		}
		if _, err := c.act(t.Context(), wire.Act{Job: "sync"}, nil); !errors.Is(err, tunnel.ErrExists) {
			t.Errorf("a run beside it is %v", err)
		}
		time.Sleep(time.Hour)
		if s := c.status(); s.Skipped != 3 || s.Running != nil || len(s.Runs) != 1 {
			t.Errorf("%+v", s)
		}
		c.stop()
	})
}

func TestAJobRunsWhenItIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock(t, clockwork{sync: func(_ context.Context, _ *Instance[timetable], call *Call) (Result, error) {
			call.Do("bind", func(context.Context) (string, error) { return "bound", nil })
			for i := range 10 {
				call.Progress(i, 10, "users")
				time.Sleep(time.Minute)
			}
			return Result{Columns: []string{"USER"}, Rows: [][]string{{"anna"}}, Message: fmt.Sprint(call.DryRun, " ", call.By)}, nil
		}})
		c.start("off")
		time.Sleep(1000 * time.Hour)
		if s := c.status(); len(s.Runs) != 0 || !s.Next.IsZero() || s.Schedule != "off" {
			t.Errorf("it ran although it is off: %+v", s)
		}
		var got []string
		r, err := c.act(t.Context(), wire.Act{Job: "sync", DryRun: true}, func(a tunnel.ActReport) {
			if a.Step != nil {
				got = append(got, a.Step.Name+" "+string(a.Step.Outcome))
			} else {
				got = append(got, fmt.Sprint(a.Progress.Done))
			}
		})
		if err != nil || r.Message != "true operator:0" || len(r.Rows) != 1 {
			t.Errorf("%+v, %v", r, err)
		}
		if want := strings.Fields("0 bind,running bind,ok 0 1 2 3 4 5 6 7 8 9"); !slices.Equal(strings.Fields(strings.ReplaceAll(strings.Join(got, "\n"), " ", ",")), want) {
			t.Errorf("reported are %q", got)
		}
		if s := c.status(); !s.LastSuccess.IsZero() || !s.Runs[0].DryRun {
			t.Errorf("a dry run counts as one: %+v", s)
		}

		// Who asked may go; the run goes on, and tells him nothing any more.
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		told := 0
		if _, err := c.act(ctx, wire.Act{Job: "sync"}, func(tunnel.ActReport) { told++ }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		before := told
		time.Sleep(time.Hour)
		if s := c.status(); s.Runs[0].Result.Outcome != "ok" || s.LastSuccess.IsZero() || told != before {
			t.Errorf("told %d times, then %d; %+v", before, told, s)
		}
		for name, a := range map[string]wire.Act{"unknown": {Job: "absent"}, "no such configuration": {Job: "sync", Configuration: "rome"}} {
			a.By = "operator:0"
			if a.Configuration == "" {
				a.Configuration = "berlin"
			}
			if _, err := c.p.(wire.Actor).Act(t.Context(), a, nil); !errors.Is(err, tunnel.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		c.stop()
	})
}

// How a run may end otherwise than well, and that the module lives on.
func TestARunThatDoesNotGoWell(t *testing.T) {
	for name, tt := range map[string]struct {
		work Work[timetable]
		want string
	}{
		"an error": {func(context.Context, *Instance[timetable], *Call) (Result, error) {
			return Result{}, errors.New("no answer")
		}, "failed no answer"},
		"a warning": {func(context.Context, *Instance[timetable], *Call) (Result, error) {
			return Result{}, Warning("one was left out", "")
		}, "partial one was left out"},
		"a panic": {func(context.Context, *Instance[timetable], *Call) (Result, error) { panic("oh") }, "failed the module panicked: oh"},
		"its limit": {func(ctx context.Context, _ *Instance[timetable], _ *Call) (Result, error) {
			<-ctx.Done()
			return Result{}, fmt.Errorf("search: %w", ctx.Err())
		}, "failed it took longer than its limit, 2m0s"},
		"a failed step": {func(_ context.Context, _ *Instance[timetable], c *Call) (Result, error) {
			c.Do("bind", func(context.Context) (string, error) { return "", errors.New("refused") })
			return Result{}, nil
		}, `failed step "bind" failed: refused`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newClock(t, clockwork{sync: tt.work, limit: 2 * time.Minute})
				c.start("every 1h")
				time.Sleep(90 * time.Minute)
				s := c.status()
				if len(s.Runs) != 2 || !s.LastSuccess.IsZero() {
					t.Fatalf("%+v", s)
				}
				got := s.Runs[0].Result
				if got.Outcome+" "+got.Message != tt.want {
					t.Errorf("%+v", got)
				}
				c.stop()
				level := map[string]string{tunnel.ResultPartial: "[WARN] ", tunnel.ResultFailed: "[ERROR]"}[got.Outcome]
				if log := c.log.String(); !strings.Contains(log, level+" job ended: job=sync outcome="+got.Outcome) || !strings.Contains(log, strconv.Quote(got.Message)) {
					t.Errorf("its log is %s", log)
				}
			})
		})
	}
}

// A run by schedule that was cut off is done once more, and if that is cut off too, by schedule.
func TestARunThatIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began stamps
		c := newClock(t, clockwork{sync: func(ctx context.Context, _ *Instance[timetable], _ *Call) (Result, error) {
			began.now()
			select {
			case <-time.After(20 * time.Minute):
				return Result{}, nil
			case <-ctx.Done():
				return Result{}, ctx.Err()
			}
		}})
		start, j := time.Now(), jitter(every("every 6h"))
		c.start("every 6h")
		time.Sleep(10 * time.Minute)
		c.stop()
		c.start("every 6h")
		synctest.Wait()
		if s := c.status(); len(s.Runs) != 1 || s.Runs[0].Result.Message != errStopped.Error() {
			t.Errorf("%+v", s)
		}
		time.Sleep(10 * time.Minute)
		c.stop()
		c.start("every 6h")
		time.Sleep(10*time.Minute + 6*time.Hour)
		if got, want := began.since(start), []time.Duration{j, 10*time.Minute + j, 10*time.Minute + 6*time.Hour + j}; !slices.Equal(got, want) {
			t.Errorf("it ran %v after the start, not %v", got, want)
		}
		c.stop()
	})
}

// A process that dies leaves word of what was under way, and nothing half written.
func TestAProcessThatDiesInARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began stamps
		m := clockwork{sync: func(context.Context, *Instance[timetable], *Call) (Result, error) {
			began.now()
			time.Sleep(20 * time.Minute)
			return Result{}, nil
		}}
		c := newClock(t, m)
		c.start("every 6h")
		time.Sleep(10 * time.Minute)
		left, err := os.ReadFile(filepath.Join(c.dir, jobsFile)) // as it is in that moment
		if err != nil {
			t.Fatal(err)
		}
		c.stop()
		after := newClock(t, m)
		if err := os.WriteFile(filepath.Join(after.dir, jobsFile), left, 0o600); err != nil {
			t.Fatal(err)
		}
		began.since(time.Time{})
		start := time.Now()
		after.start("every 6h")
		time.Sleep(time.Hour)
		if got := began.since(start); !slices.Equal(got, []time.Duration{jitter(every("every 6h"))}) {
			t.Errorf("it ran %v later", got)
		}
		if got := outcomes(after.status()); !slices.Equal(got, []string{"schedule failed", "schedule ok"}) {
			t.Errorf("%q", got)
		}
		after.stop()
		if left, err := os.ReadDir(after.dir); len(left) != 1 || err != nil {
			t.Errorf("left are %v, %v", left, err)
		}
	})
}

func TestWhatIsKeptOfJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock(t, clockwork{sync: func(context.Context, *Instance[timetable], *Call) (Result, error) {
			return Result{Message: strings.Repeat("x", 10000), Rows: make([][]string, 400), Columns: []string{"A"}}, nil
		}})
		c.start("every 1m")
		time.Sleep(100 * time.Minute)
		if s := c.status(); len(s.Runs) != tunnel.MaxJobRuns {
			t.Errorf("%d runs are kept", len(s.Runs))
		}
		c.stop()
		file := filepath.Join(c.dir, jobsFile)
		if b, err := os.ReadFile(file); err != nil || len(b) > 40<<10 || !json.Valid(b) {
			t.Errorf("%d bytes, %v", len(b), err)
		}
		if err := os.WriteFile(file, []byte(`{"sync":{"due":"nev`), 0o600); err != nil {
			t.Fatal(err)
		}
		c.start("every 1m")
		time.Sleep(time.Minute)
		if s := c.status(); len(s.Runs) == 0 || len(s.Runs) > 2 {
			t.Errorf("after damage %+v", s)
		}
		c.stop()
		if !strings.Contains(c.log.String(), "begun anew") {
			t.Errorf("nothing is said of it: %s", c.log.String())
		}
	})
}

// Work waits for what Run has to do first, and ends with the run.
func TestWorkIsBesideTheRun(t *testing.T) {
	for name, tt := range map[string]struct {
		run  func(context.Context, *Instance[timetable]) error
		want time.Duration
	}{
		"it declares": {func(ctx context.Context, in *Instance[timetable]) error {
			time.Sleep(3 * time.Second)
			in.live.begin() // as Declare does
			<-ctx.Done()
			return ctx.Err()
		}, 3 * time.Second},
		"it returns":      {func(context.Context, *Instance[timetable]) error { time.Sleep(4 * time.Second); return nil }, 4 * time.Second},
		"it does neither": {func(ctx context.Context, _ *Instance[timetable]) error { <-ctx.Done(); return ctx.Err() }, readyAtLast},
	} {
		synctest.Test(t, func(t *testing.T) {
			var began stamps
			c := newClock(t, clockwork{run: tt.run, sync: func(context.Context, *Instance[timetable], *Call) (Result, error) { began.now(); return Result{}, nil }})
			start := time.Now()
			c.start("every 1h")
			time.Sleep(time.Minute)
			if got := began.since(start); len(got) != 1 || got[0] != tt.want+jitter(every("every 1h")) {
				t.Errorf("%s: it ran %v after the start", name, got)
			}
			if err := c.stop(); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: the run ends with %v", name, err)
			}
			if _, err := c.p.(wire.Actor).Jobs("berlin"); !errors.Is(err, tunnel.ErrNotFound) {
				t.Errorf("%s: after it jobs are %v", name, err)
			}
		})
	}
}

func TestARunThatFailsEndsItsWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		c := newClock(t, clockwork{
			run: func(context.Context, *Instance[timetable]) error {
				time.Sleep(20 * time.Minute)
				return errors.New("enough")
			},
			sync: func(ctx context.Context, _ *Instance[timetable], _ *Call) (Result, error) {
				<-ctx.Done()
				time.Sleep(time.Second)
				ended <- ctx.Err()
				return Result{}, ctx.Err()
			},
		})
		c.start("every 1h")
		time.Sleep(21 * time.Minute)
		if err := c.stop(); err == nil || err.Error() != "enough" {
			t.Errorf("%v", err)
		}
		select {
		case <-ended:
		default:
			t.Error("the job goes on")
		}
	})
}
