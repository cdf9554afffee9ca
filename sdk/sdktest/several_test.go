package sdktest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/sdktest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// A second configuration has its own sites, directory and life.
func TestConfigurationsBesideEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		answers, dirs := map[string]string{}, map[string]bool{}
		w := sdktest.Run(t, asking(func(ctx context.Context, in *sdk.Instance[settings]) error {
			answer, err := ask(ctx, in, in.Settings.Site.Mapping(ldap))
			mu.Lock()
			defer mu.Unlock()
			answers[in.Configuration], dirs[in.Dir] = answer, true
			return err
		}), withSite)
		berlin := w.Add("berlin", `{"base":"dc=berlin","site":{"server":"tunnel@berlin.example"}}`)
		w.Serve("site/ldap", greet)
		synctest.Wait()
		if len(answers) != 1 || answers["default"] == "" {
			t.Errorf("with one site served, the answers are %v", answers)
		}
		w.Serve("berlin.site/ldap", greet)
		synctest.Wait()
		if len(answers) != 2 || len(dirs) != 2 {
			t.Errorf("with both served, the answers are %v, in the directories %v", answers, dirs)
		}
		w.Fault("berlin.site", sdktest.Cut)
		eventually(t, w, tunnel.Up)
		if v, err := w.As("tapi").Get(t.Context(), tunnel.Ref{Owner: "adsync", Name: "berlin.site"}); err != nil || v.Status.State != tunnel.Waiting {
			t.Errorf("the other tunnel is %+v, %v", v.Status, err)
		}
		if err := berlin.Remove(); err != nil {
			t.Errorf("Run of the one that is removed returned %v", err)
		}
		eventually(t, w, tunnel.Up)
		if _, err := w.As("tapi").Get(t.Context(), tunnel.Ref{Owner: "adsync", Name: "berlin.site"}); !errors.Is(err, tunnel.ErrNotFound) {
			t.Errorf("its tunnel is still there: %v", err)
		}
		if err := w.RestartHost(); err != nil {
			t.Error(err)
		}
		eventually(t, w, tunnel.Up)
		if err := w.Stop(); err != nil {
			t.Error(err)
		}
	})
}

// stepping is a module whose test takes its time.
type stepping struct{ module }

func (stepping) Test(ctx context.Context, in *sdk.Instance[settings], s *sdk.Steps) {
	for _, name := range []string{"one", "two"} {
		s.Do(name, func(ctx context.Context) (string, error) {
			select {
			case <-time.After(10 * time.Second):
			case <-ctx.Done():
			}
			return "found " + name, ctx.Err()
		})
	}
}

// logging is a test whose log is kept.
type logging struct {
	testing.TB
	mu    sync.Mutex
	lines []string
}

func (l *logging) Log(args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprint(args...))
}

// Each step is seen when it begins, and when it is decided, not when all are over.
func TestStepsAreSeenAsTheyCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &logging{TB: t}
		w := sdktest.Run(l, stepping{asking(nothing)}, withSite)
		began := time.Now()
		var seen []string
		steps := w.Test(func(s tunnel.TestStep) {
			seen = append(seen, fmt.Sprintf("%v %s %s", time.Since(began), s.Name, s.Outcome))
			l.mu.Lock()
			defer l.mu.Unlock()
			if want := fmt.Sprintf("test: %q %s", s.Name, s.Outcome); len(l.lines) == 0 || len(l.lines[len(l.lines)-1]) < len(want) || l.lines[len(l.lines)-1][:len(want)] != want {
				t.Errorf("the log shows %q when %s is %s", l.lines, s.Name, s.Outcome)
			}
		})
		if want := []string{"0s one running", "10s one ok", "10s two running", "20s two ok"}; !slices.Equal(seen, want) || !steps.OK() {
			t.Errorf("it sees %q, and the steps are %+v", seen, steps)
		}
		if err := w.Stop(); err != nil {
			t.Error(err)
		}
	})
}
