package sdk

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

type release struct {
	Number string   `json:"number" title:"Number" required:"true"`
	After  Duration `json:"after" default:"1m"`
	Count  int      `json:"count" default:"3" max:"9"`
}

// acting is a clockwork with the action release, whose work is do, under way.
func acting(t *testing.T, do Work[timetable], more ...Action[timetable]) *clock {
	t.Helper()
	c := newClock(t, clockwork{
		actions: append(more, Action[timetable]{Name: "release", Title: "Release", Arguments: release{}, DryRun: true, Do: do}),
		sync: func(_ context.Context, _ *Instance[timetable], c *Call) (Result, error) {
			time.Sleep(time.Minute)
			return Result{Message: fmt.Sprint("synced ", c.DryRun)}, nil
		},
	})
	c.start("off")
	synctest.Wait()
	return c
}

func TestAnActionReadsItsArguments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got release
		c := acting(t, func(_ context.Context, in *Instance[timetable], c *Call) (Result, error) {
			if in.Configuration != "berlin" || c.By != "operator:0" || !c.DryRun {
				t.Errorf("%+v", c)
			}
			return Result{Message: "done"}, c.Read(&got)
		})
		r, err := c.act(t.Context(), wire.Act{Action: "release", DryRun: true, Arguments: []byte(`{"number":"110","count":5}`)}, nil)
		if want := (release{"110", Duration(time.Minute), 5}); err != nil || r.Outcome != "ok" || r.Message != "done" || got != want {
			t.Errorf("%+v, %v; read are %+v", r, err, got)
		}
		for text, field := range map[string]string{`{}`: "number", `{"number":"1","count":10}`: "count", `{"number":"1","colour":1}`: "colour", `[]`: "", `{"number":"1","after":"soon"}`: "after"} {
			var fs tunnel.Findings
			if _, err := c.act(t.Context(), wire.Act{Action: "release", Arguments: []byte(text)}, nil); !errors.As(err, &fs) || fs[0].Field != field {
				t.Errorf("%s: %v", text, err)
			}
		}
		if _, err := c.act(t.Context(), wire.Act{Action: "absent"}, nil); !errors.Is(err, tunnel.ErrNotFound) {
			t.Errorf("one that there is not: %v", err)
		}
		c.stop()
	})
}

func TestAnActionEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := acting(t, func(ctx context.Context, _ *Instance[timetable], _ *Call) (Result, error) {
			<-ctx.Done()
			return Result{}, ctx.Err()
		})
		one := wire.Act{Action: "release", Arguments: []byte(`{"number":"1"}`)}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		go func() {
			time.Sleep(time.Second)
			if _, err := c.act(t.Context(), one, nil); !errors.Is(err, tunnel.ErrExists) {
				t.Errorf("the same beside it is %v", err)
			}
		}()
		began := time.Now()
		if r, err := c.act(ctx, one, nil); err != nil || r.Outcome != "failed" || time.Since(began) != 10*time.Second {
			t.Errorf("%+v, %v after %v", r, err, time.Since(began))
		}
		began = time.Now()
		if r, err := c.act(t.Context(), one, nil); err != nil || r.Message != "it took longer than its limit, 2m0s" || time.Since(began) != tunnel.ActionLimit {
			t.Errorf("%+v, %v after %v", r, err, time.Since(began))
		}
		time.AfterFunc(time.Second, func() { c.stop() })
		if r, err := c.act(t.Context(), one, nil); err != nil || r.Message != errStopped.Error() {
			t.Errorf("when its configuration is stopped it is %+v, %v", r, err)
		}
		if _, err := c.act(t.Context(), one, nil); !errors.Is(err, tunnel.ErrNotFound) {
			t.Errorf("of one that does not run: %v", err)
		}
		for _, want := range []string{
			`[WARN]  action ended: action=release outcome=failed message="context deadline exceeded" by=operator:0`, // its caller's, or
			`[ERROR] action ended: action=release outcome=failed message="it took longer than its limit, 2m0s"`,
			`[WARN]  action ended: action=release outcome=failed message="` + errStopped.Error(),
		} {
			if log := c.log.String(); !strings.Contains(log, want) {
				t.Errorf("its log has no %s: %s", want, log)
			}
		}
	})
}

func TestAnActionThatIsAJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := acting(t, nothing, Action[timetable]{Name: "sync-now", Title: "Sync", DryRun: true, Do: func(ctx context.Context, in *Instance[timetable], c *Call) (Result, error) {
			return in.RunJob(ctx, c, "sync")
		}})
		r, err := c.act(t.Context(), wire.Act{Action: "sync-now", DryRun: true}, nil)
		if err != nil || r.Message != "synced true" {
			t.Errorf("%+v, %v", r, err)
		}
		go func() { _, _ = c.act(t.Context(), wire.Act{Job: "sync"}, nil) }()
		time.Sleep(time.Second)
		if r, err := c.act(t.Context(), wire.Act{Action: "sync-now"}, nil); !errors.Is(err, tunnel.ErrExists) {
			t.Errorf("while the job runs it is %+v, %v", r, err)
		}
		time.Sleep(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if r, err := c.act(ctx, wire.Act{Action: "sync-now"}, nil); err != nil || time.Since(time.Now()) > 0 || r.Outcome == "" {
			t.Errorf("%+v, %v", r, err)
		}
		c.stop()
	})
}

// nothing is work that does nothing.
func nothing(context.Context, *Instance[timetable], *Call) (Result, error) { return Result{}, nil }

// What a call says is told in the order in which it came, and progress not too often.
func TestProgressIsToldNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := acting(t, func(_ context.Context, _ *Instance[timetable], c *Call) (Result, error) {
			for i := range 1000 {
				c.Progress(i, 1000, "users \x1b[2J")
				time.Sleep(time.Millisecond)
			}
			c.Do("write", func(context.Context) (string, error) { return "", nil })
			return Result{}, nil
		})
		var got []string
		_, err := c.act(t.Context(), wire.Act{Action: "release", Arguments: []byte(`{"number":"1"}`)}, func(r tunnel.ActReport) {
			if r.Progress != nil {
				got = append(got, fmt.Sprint(r.Progress.Done))
				if r.Progress.Text != `users \x1b[2J` {
					t.Errorf("%q", r.Progress.Text)
				}
			} else {
				got = append(got, string(r.Step.Outcome))
			}
		})
		if want := []string{"0", "200", "400", "600", "800", "999", "running", "ok"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("%v; told are %q", err, got)
		}
		c.stop()
	})
}

func TestAResultIsBounded(t *testing.T) {
	r := Result{Message: strings.Repeat("x", 1000) + "\x1b", Columns: slices.Repeat([]string{"A"}, 20), Outcome: "great", More: -5}
	for range 1000 {
		r.Rows = append(r.Rows, []string{"\x1b[31m" + strings.Repeat("y", 1000)})
		r.Counts = append(r.Counts, Count{Name: strings.Repeat("z", 1000)})
	}
	got := r.Shown()
	if len(got.Rows) != tunnel.MaxResultRows || got.More != 500 || len(got.Columns) != tunnel.MaxResultColumns || len(got.Rows[0]) != tunnel.MaxResultColumns ||
		len(got.Counts) != tunnel.MaxResultCounts || len(got.Message) > 510 || len(got.Rows[0][0]) > 210 || strings.ContainsRune(got.Rows[0][0], 0x1b) || got.Outcome != "failed" {
		t.Errorf("%+v", got)
	}
	if again := got.Shown(); !reflect.DeepEqual(again, got) {
		t.Error("shown twice it is another one")
	}
	if got := (Result{Rows: [][]string{{"a"}}}).Shown(); got.Rows != nil || got.More != 1 {
		t.Errorf("without columns: %+v", got)
	}
}

// mistaken is a module that says something of itself which cannot be.
type mistaken struct {
	quiet[timetable]
	actions []Action[timetable]
	metrics []Metric
}

func (m mistaken) Actions() []Action[timetable] { return m.actions }
func (m mistaken) Metrics() []Metric            { return m.metrics }

func TestMistakesOfAnAuthorAreSaid(t *testing.T) {
	type site struct {
		Site Site `json:"site"`
	}
	for want, m := range map[string]mistaken{
		"action a: it has no Do":                {actions: []Action[timetable]{{Name: "a"}}},
		"its arguments hold a site":             {actions: []Action[timetable]{{Name: "a", Do: nothing, Arguments: site{}}}},
		"settings are a struct":                 {actions: []Action[timetable]{{Name: "a", Do: nothing, Arguments: 5}}},
		"the name of a counter ends in _total":  {metrics: []Metric{{Name: "users", Help: "U.", Kind: Counter}}},
		"a metric is called":                    {metrics: []Metric{{Name: "Users", Help: "U.", Kind: Gauge}}},
		"label configuration is the host's own": {metrics: []Metric{{Name: "users", Help: "U.", Kind: Gauge, Labels: []string{"configuration"}}}},
		"its help is one line":                  {metrics: []Metric{{Name: "users", Kind: Gauge}}},
	} {
		if _, err := Plugin(m).Describe(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	d, err := Plugin(mistaken{actions: []Action[timetable]{{Name: "A!", Do: nothing}, {Name: "b", Do: nothing, Limit: 2 * time.Hour, Title: "\x1b"}, {Name: "b", Do: nothing}}}).Describe()
	fs := tunnel.CheckDescription(d)
	if err == nil && len(fs) != 4 {
		t.Errorf("%v", fs)
	}
}
