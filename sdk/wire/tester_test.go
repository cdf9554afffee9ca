package wire

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// tested is a module whose test is a function.
type tested struct {
	scripted
	test func(ctx context.Context, r Run, report func(tunnel.TestStep)) error
}

func (m tested) Test(ctx context.Context, r Run, report func(tunnel.TestStep)) error {
	return m.test(ctx, r, report)
}

// collect runs m's test and returns what it reported.
func collect(ctx context.Context, m *Module) (steps []tunnel.TestStep, err error) {
	err = m.Test(ctx, config("berlin"), json.RawMessage(`{"base":"dc=corp"}`), "/dir", func(s tunnel.TestStep) error {
		steps = append(steps, s)
		return nil
	})
	return steps, err
}

func TestStepsArriveAsTheyAreReported(t *testing.T) {
	var given Run
	m := connected(t, tested{test: func(_ context.Context, r Run, report func(tunnel.TestStep)) error {
		given = r
		report(tunnel.TestStep{Name: "bind", Outcome: tunnel.StepRunning})
		report(tunnel.TestStep{Name: "bind", Outcome: tunnel.StepFailed, Message: "\x1b[2Jno", Remedy: strings.Repeat("r", 10*MaxText)})
		return tunnel.ErrNotFound
	}}, adsync(nil))
	got, err := collect(t.Context(), m)
	want := []tunnel.TestStep{
		{Name: "bind", Outcome: tunnel.StepRunning},
		{Name: "bind", Outcome: tunnel.StepFailed, Message: `\x1b[2Jno`, Remedy: strings.Repeat("r", MaxText)},
	}
	if !errors.Is(err, tunnel.ErrNotFound) || !reflect.DeepEqual(got, want) {
		t.Errorf("%v; arrived are %+v", err, got)
	}
	if given.Configuration != "berlin" || string(given.Settings) != `{"base":"dc=corp"}` || given.Dir != "/dir" || given.Host == nil || given.Log == nil {
		t.Errorf("the test got %+v", given)
	}
}

func TestAModuleWithoutATestSaysSo(t *testing.T) {
	m := connected(t, scripted{}, adsync(nil))
	if _, err := collect(t.Context(), m); err == nil || !strings.Contains(err.Error(), ErrNoTest.Error()) {
		t.Errorf("its test is %v", err)
	}
	m = moduleOf(t, tested{})
	if _, err := collect(t.Context(), m); err == nil || !strings.Contains(err.Error(), "not connected") {
		t.Errorf("the test of one that is not connected is %v", err)
	}
}

func TestATestEndsWithItsCaller(t *testing.T) {
	ended := make(chan error, 1)
	m := connected(t, tested{test: func(ctx context.Context, _ Run, report func(tunnel.TestStep)) error {
		report(tunnel.TestStep{Name: "bind", Outcome: tunnel.StepRunning})
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}}, adsync(nil))
	ctx, cancel := context.WithCancel(t.Context())
	err := m.Test(ctx, config("berlin"), nil, "", func(tunnel.TestStep) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
	<-ended
	stop := errors.New("enough")
	if err := m.Test(t.Context(), config("berlin"), nil, "", func(tunnel.TestStep) error { return stop }); err != stop {
		t.Errorf("ended by the host's rules it is %v", err)
	}
	<-ended
}

// The next test waits a moment for one that was told to end, and no longer.
func TestTestsComeOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPluginServer(tested{test: func(ctx context.Context, _ Run, _ func(tunnel.TestStep)) error { return nil }}, nil, 0)
		s.host = newClient(nil, 0)
		for _, takes := range []time.Duration{time.Second, time.Minute} {
			ctx, cancel := context.WithCancel(t.Context())
			_, _, end, err := s.begin(ctx, underTest, "", "")
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(takes, end)
			began := time.Now()
			s.awaitTest(t.Context())
			if waited := time.Since(began); waited != min(takes, testPatience) {
				t.Errorf("behind a test that takes %v the next waits %v", takes, waited)
			}
			cancel()
			time.Sleep(takes)
		}
	})
}
