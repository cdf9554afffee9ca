package sdk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

type tester[S any] struct {
	quiet[S]
	test func(context.Context, *Instance[S], *Steps)
}

func (m tester[S]) Test(ctx context.Context, in *Instance[S], t *Steps) { m.test(ctx, in, t) }

// testWith runs f as a module's test, and returns the decided steps as "name outcome: message (remedy)".
func testWith[S any](ctx context.Context, h wire.Host, settings string, f func(context.Context, *Instance[S], *Steps)) (steps []string, err error) {
	err = Plugin(tester[S]{test: f}).(wire.Tester).Test(ctx, wire.Run{
		Configuration: "berlin", Settings: []byte(settings), Host: h, Log: hclog.NewNullLogger(),
	}, func(s tunnel.TestStep) {
		if s.Outcome == tunnel.StepRunning {
			return
		}
		text := fmt.Sprintf("%s %s: %s", s.Name, s.Outcome, s.Message)
		if s.Remedy != "" {
			text += " (" + s.Remedy + ")"
		}
		steps = append(steps, strings.TrimSuffix(text, ": "))
	})
	return steps, err
}

func found(text string, err error) Check {
	return func(context.Context) (string, error) { return text, err }
}

func TestStepsSayHowTheyWent(t *testing.T) {
	status := &tunnel.StatusError{Ref: tunnel.Ref{Owner: "quiet", Name: "berlin.site"}, State: tunnel.Blocked, Reason: tunnel.LoginRefused, Remedy: "do this"}
	got, err := testWith(t.Context(), nil, "", func(_ context.Context, in *Instance[struct{}], s *Steps) {
		held := []bool{
			s.Do("plain", found("", nil)),
			s.Do("found", found("12 people", nil), "plain"),
			s.Do("warned", found("", Warning("expires soon", "renew it"))),
			s.Do("after a warning", found("", nil), "warned", "plain"),
			s.Do("failed", found("", errors.New("no answer"))),
			s.Do("after a failure", found("", nil), "plain", "failed"),
			s.Do("after what was skipped", found("", nil), "after a failure"),
			s.Do("independent", found("", nil)),
			s.Do("with a remedy", found("", fmt.Errorf("bind: %w", Failure("refused", "set the password")))),
			s.Do("dialled", found("", fmt.Errorf("dial ldap: %w", status))),
			s.Do("nothing to do", found("", Skip("slot is off"))),
			s.Do("panics", func(context.Context) (string, error) { panic("at the disco") }),
			s.Do("declares", func(ctx context.Context) (string, error) { return "", in.Declare(ctx) }),
			s.Do("listens", func(context.Context) (string, error) { _, err := in.Listen(MappingOf("site", "page")); return "", err }),
		}
		if want := []bool{true, true, true, true, false, false, false, true, false, false, false, false, false, false}; !slices.Equal(held, want) {
			t.Errorf("steps held: %v", held)
		}
	})
	want := []string{
		"plain ok", "found ok: 12 people", "warned warning: expires soon (renew it)", "after a warning ok", "failed failed: no answer",
		`after a failure skipped: "failed" did not hold`, `after what was skipped skipped: "after a failure" did not hold`, "independent ok",
		"with a remedy failed: bind: refused (set the password)",
		"dialled failed: dial ldap: quiet/berlin.site is blocked (login-refused) (do this)", "nothing to do skipped: slot is off",
		"panics failed: the module panicked: at the disco (its log has the details for its author)",
		"declares failed: declare in a test: a test changes nothing, the module's Run declares",
		"listens failed: listen for site/page in a test: what arrives there is for the module's Run",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v; the steps are\n%s\nnot\n%s", err, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestAnAuthorsMistakesFailTheTest(t *testing.T) {
	for name, f := range map[string]func(context.Context, *Instance[struct{}], *Steps){
		`"bind" is decided already`: func(_ context.Context, _ *Instance[struct{}], s *Steps) {
			s.Do("bind", found("", nil))
			s.Do("bind", found("", nil))
		},
		`depends on "bnid"`: func(_ context.Context, _ *Instance[struct{}], s *Steps) {
			s.Do("bind", found("", nil))
			s.Do("read", found("", nil), "bnid")
		},
		"at the disco": func(context.Context, *Instance[struct{}], *Steps) { panic("at the disco") },
	} {
		if _, err := testWith(t.Context(), nil, "", f); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("not %q but %v", name, err)
		}
	}
	if _, err := testWith(t.Context(), nil, `{"base":5}`, func(context.Context, *Instance[manySites], *Steps) {}); err == nil {
		t.Error("a number was taken for a text")
	}
}

func TestStepsHaveTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), StepLimit+time.Second)
		defer cancel()
		wait := func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", fmt.Errorf("search: %w", ctx.Err())
		}
		got, err := testWith(ctx, nil, "", func(_ context.Context, _ *Instance[struct{}], s *Steps) {
			s.Do("slow", wait)
			s.Do("next", wait)
			s.Do("last", wait)
		})
		want := []string{"slow failed: it took longer than 15s", "next failed: search: context deadline exceeded", "last skipped: the test was ended before"}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%v; the steps are %q, not %q", err, got, want)
		}
	})
}

type almost struct{ quiet[struct{}] }

func (almost) Test(context.Context) error { return nil }

func TestWhatAModuleCanDoShowsInItsDescription(t *testing.T) {
	for name, c := range map[string]struct {
		plugin wire.Plugin
		can    bool
		wrong  string
	}{
		"a tester":               {Plugin(tester[struct{}]{}), true, ""},
		"no tester":              {Plugin(quiet[struct{}]{}), false, ""},
		"a Test of another kind": {Plugin(almost{}), false, "not that of sdk.Tester"},
	} {
		d, err := c.plugin.Describe()
		if d.Can(tunnel.CapabilityTester) != c.can || (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %v, %v", name, d.Capabilities, err)
		}
	}
	if err := Plugin(quiet[struct{}]{}).(wire.Tester).Test(t.Context(), wire.Run{}, nil); !errors.Is(err, wire.ErrNoTest) {
		t.Errorf("the test of a module without one is %v", err)
	}
}
