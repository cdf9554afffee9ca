package sdktest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/schedule"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// model is a module that keeps every rule; each broken one differs in one thing.
type model struct {
	version func() string // "1" where nil

	declare func(context.Context, *sdk.Instance[modelSettings]) error
	talk    func(context.Context, net.Conn) error                     // over the connection that it holds
	change  func(context.Context, tunnel.Change) error                // of its watch
	begin   func(*sdk.Instance[modelSettings]) error                  // of Run
	end     func(*sdk.Instance[modelSettings])                        // of Run
	extra   func(context.Context, *sdk.Instance[modelSettings]) error // beside all else
}

type modelSettings struct {
	Site   sdk.Site   `json:"site" slots:"ldap,status"`
	Second sdk.Site   `json:"second" slots:"ldap"`
	Port   int        `json:"port" default:"5" min:"1"`
	Token  sdk.Secret `json:"token"`
	Mode   string     `json:"mode"` // what it breaks in a process of its own
}

const modelDocument = `{"site":{"server":"tunnel@site.example.org"},"second":{"server":"tunnel@second.example.org"}}`

var (
	modelLDAP   = sdk.Slot{Name: "ldap", Title: "Directory", Kinds: []tunnel.Kind{tunnel.Reach}, Spec: ":636", On: true}
	modelStatus = sdk.Slot{Name: "status", Title: "Status", Kinds: []tunnel.Kind{tunnel.Expose}, Spec: ":8080", On: true}
)

func (m model) Describe() sdk.Description {
	version := "1"
	if m.version != nil {
		version = m.version()
	}
	return sdk.Description{Name: "model", Version: version, Slots: []sdk.Slot{modelLDAP, modelStatus}}
}

func (m model) Run(ctx context.Context, in *sdk.Instance[modelSettings]) error {
	if m.begin != nil {
		if err := m.begin(in); err != nil {
			return err
		}
	}
	if m.end != nil {
		defer m.end(in)
	}
	declare := func(ctx context.Context, in *sdk.Instance[modelSettings]) error {
		return in.Declare(ctx, in.Settings.Site.Tunnel(), in.Settings.Second.Tunnel())
	}
	if m.declare != nil {
		declare = m.declare
	}
	if err := declare(ctx, in); err != nil {
		return err
	}
	return together(ctx, in, m.serve, m.hold, m.watch, m.extra)
}

// together does all at once; the first that returns ends the others.
func together(ctx context.Context, in *sdk.Instance[modelSettings], parts ...func(context.Context, *sdk.Instance[modelSettings]) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	defer all.Wait()
	ended := make(chan error, len(parts))
	for _, part := range parts {
		if part != nil {
			all.Go(func() { ended <- part(ctx, in); cancel() })
		}
	}
	return <-ended
}

// serve answers who connects from the site.
func (m model) serve(ctx context.Context, in *sdk.Instance[modelSettings]) error {
	if !in.Settings.Site.On(modelStatus) {
		<-ctx.Done()
		return ctx.Err()
	}
	l, err := in.Listen(in.Settings.Site.Mapping(modelStatus))
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	for {
		c, err := l.Accept()
		if err != nil {
			return ctx.Err()
		}
		fmt.Fprintln(c, "fine")
		_ = c.Close()
	}
}

// hold holds one connection, and makes another when it ends.
func (m model) hold(ctx context.Context, in *sdk.Instance[modelSettings]) error {
	for ctx.Err() == nil {
		if err := m.once(ctx, in); err != nil {
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

func (m model) once(ctx context.Context, in *sdk.Instance[modelSettings]) error {
	c, err := in.Dial(ctx, in.Settings.Site.Mapping(modelLDAP))
	if err != nil {
		return nil
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	if m.talk != nil {
		if err := m.talk(ctx, c); err != nil {
			return err
		}
	}
	_, _ = c.Read(make([]byte, 1))
	return nil
}

func (m model) watch(ctx context.Context, in *sdk.Instance[modelSettings]) error {
	for c, err := range in.Watch(ctx) {
		if err != nil {
			return err
		}
		if m.change != nil {
			if err := m.change(ctx, c); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func TestAModelConforms(t *testing.T) {
	Conformance(t, model{}, Strict(), Settings(modelDocument, `{}`))
}

func TestAWorkingModelConforms(t *testing.T) {
	Conformance(t, working{dry: true}, Strict())
}

// breach is a module, or what is said of one, that breaks one rule.
type breach struct {
	rule, name string
	plugin     wire.Plugin
	settings   string // modelDocument where ""
	want       string // of what the author is told
}

var errNoMore = errors.New("no more") // has a part of the model end Run with nil

// nilled is a module that returns nil instead of errNoMore.
type nilled struct{ model }

func (n nilled) Run(ctx context.Context, in *sdk.Instance[modelSettings]) error {
	if err := n.model.Run(ctx, in); !errors.Is(err, errNoMore) {
		return err
	}
	return nil
}

// when does something when a tunnel of the module's first configuration gets into a state for a reason.
func when(r tunnel.Reason, do func(context.Context) error) func(context.Context, tunnel.Change) error {
	return func(ctx context.Context, c tunnel.Change) error {
		if c.Type == tunnel.Changed && c.Tunnel.Ref.Owner == "model" && c.Tunnel.Configuration != "second" && c.Tunnel.Status.Reason == r {
			return do(ctx)
		}
		return nil
	}
}

// plug makes a plugin of a module whose Describe is changed on the way.
type plug struct {
	altered
	change func(*tunnel.Description)
}

func (p plug) Describe() (tunnel.Description, error) {
	d, err := p.altered.Describe()
	p.change(&d)
	return d, err
}

// withTest is a module that has a test.
type withTest struct {
	model
	test func(context.Context, *sdk.Instance[modelSettings], *sdk.Steps)
}

func (m withTest) Test(ctx context.Context, in *sdk.Instance[modelSettings], s *sdk.Steps) {
	m.test(ctx, in, s)
}

// working is a module that has an action, a job and a metric, and keeps the rules of them.
type working struct {
	model
	help  string // "Does it." where ""
	limit time.Duration
	do    func(context.Context, instance, *sdk.Call) error
	dry   bool
}

var modelDone = sdk.Metric{Name: "done_total", Help: "How often it was done.", Kind: sdk.Counter, Labels: []string{"how"}}

func (m working) doIt(ctx context.Context, in instance, c *sdk.Call) (sdk.Result, error) {
	if m.do != nil {
		if err := m.do(ctx, in, c); err != nil {
			return sdk.Result{}, err
		}
	}
	c.Do("connect", func(ctx context.Context) (string, error) {
		conn, err := in.Dial(ctx, in.Settings.Second.Mapping(modelLDAP))
		if err != nil {
			return "", err
		}
		return "", conn.Close()
	})
	if !c.DryRun {
		in.Metrics.Add(modelDone, 1, "well")
	}
	return sdk.Result{}, nil
}

type modelArguments struct {
	Number string `json:"number" title:"Number" required:"true" pattern:"^[0-9]+$"`
}

func (m working) Actions() []sdk.Action[modelSettings] {
	help := cmp.Or(m.help, "Does it.")
	return []sdk.Action[modelSettings]{{Name: "do", Title: "Do", Help: help, Arguments: modelArguments{}, DryRun: m.dry, Limit: m.limit, Do: m.doIt}}
}

func (m working) Jobs() []sdk.Job[modelSettings] {
	return []sdk.Job[modelSettings]{{
		Name: "daily", Title: "Do", Help: "Does it.", Do: m.doIt,
		Schedule: func(modelSettings) sdk.Schedule { return schedule.Daily(3, 30) },
	}}
}

func (working) Metrics() []sdk.Metric { return []sdk.Metric{modelDone} }

// altered is a module whose work and metrics are changed on the way.
type altered struct {
	wire.Plugin
	act     func(ctx context.Context, a wire.Act, report func(tunnel.ActReport), do wire.Actor) (tunnel.Result, error)
	jobs    func([]tunnel.JobStatus)
	metrics func([]tunnel.MetricValues) []tunnel.MetricValues
}

func (p altered) Act(ctx context.Context, a wire.Act, report func(tunnel.ActReport)) (tunnel.Result, error) {
	actor := p.Plugin.(wire.Actor)
	if p.act == nil {
		return actor.Act(ctx, a, report)
	}
	return p.act(ctx, a, report, actor)
}

func (p altered) Jobs(configuration string) ([]tunnel.JobStatus, error) {
	all, err := p.Plugin.(wire.Actor).Jobs(configuration)
	if p.jobs != nil {
		p.jobs(all)
	}
	return all, err
}

func (p altered) Metrics() []tunnel.MetricValues {
	all := p.Plugin.(wire.Measurer).Metrics()
	if p.metrics != nil {
		return p.metrics(all)
	}
	return all
}

type instance = *sdk.Instance[modelSettings]

// breaches are made anew for each rule, with stop closed when its trial is over.
func breaches(stop <-chan struct{}) []breach {
	forever := func(context.Context) error { <-stop; return nil }
	deaf := func(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }
	m := func(m model) wire.Plugin { return sdk.Plugin(m) }
	var times atomic.Int32
	return []breach{
		{rule: "Describe", name: "another version each time", want: "return constants",
			plugin: m(model{version: func() string { return fmt.Sprint(times.Add(1)) }})},
		{rule: "Describe", name: "breaks the rules", want: "Describe breaks the rules",
			plugin: plug{altered{Plugin: m(model{})}, func(d *tunnel.Description) { d.Name = "Not A Name" }}},
		{rule: "Schema", name: "not sound", want: "not sound",
			plugin: plug{altered{Plugin: m(model{})}, func(d *tunnel.Description) { d.Schema = json.RawMessage(`{"type":"object"}`) }}},
		{rule: "Schema", name: "a default that does not fit", want: "do not fit",
			plugin: plug{altered{Plugin: m(model{})}, func(d *tunnel.Description) {
				d.Schema = json.RawMessage(strings.Replace(string(d.Schema), `"default":5`, `"default":0`, 1))
			}}},
		{rule: "Settings", name: "do not fit", want: "there is no setting sight", plugin: m(model{}), settings: `{"sight":{}}`},
		{rule: "Run", name: "fails", want: "Run fails with the settings",
			plugin: m(model{begin: func(instance) error { return errors.New("boom") }})},
		{rule: "Run", name: "panics", want: "Run crashed",
			plugin: m(model{begin: func(instance) error { panic("boom") }})},
		{rule: "DeclareOwn", name: "another's tunnel", want: "leave its Ref empty",
			plugin: m(model{declare: func(ctx context.Context, in instance) error {
				_ = in.Declare(ctx, tunnel.Declaration{Ref: tunnel.Ref{Owner: "monitoring", Name: "default.site"}, Settings: "site"})
				return in.Declare(ctx, in.Settings.Site.Tunnel(), in.Settings.Second.Tunnel())
			}})},
		{rule: "DeclareOnce", name: "each site by itself", want: "state them in one Declare",
			plugin: m(model{declare: func(ctx context.Context, in instance) error {
				return errors.Join(in.Declare(ctx, in.Settings.Second.Tunnel()), in.Declare(ctx, in.Settings.Site.Tunnel()))
			}})},
		{rule: "EndBeforeDeclare", name: "deaf", want: "while it waited in Declare",
			plugin: m(model{declare: func(ctx context.Context, in instance) error {
				return in.Declare(deaf(ctx), in.Settings.Site.Tunnel(), in.Settings.Second.Tunnel())
			}})},
		{rule: "EndInDial", name: "deaf", want: "while it waited in Dial",
			plugin: m(model{extra: func(ctx context.Context, in instance) error {
				c, err := in.Dial(deaf(ctx), in.Settings.Second.Mapping(modelLDAP))
				if err == nil {
					_ = c.Close()
				}
				<-ctx.Done()
				return ctx.Err()
			}})},
		{rule: "EndInWatch", name: "deaf", want: "while it watched", plugin: sdk.Plugin(watching{})},
		{rule: "EndAtRest", name: "deaf", want: "at rest", plugin: sdk.Plugin(resting{stop})},
		{rule: "EndInFault", name: "deaf", want: "while its tunnel was blocked (login-refused)",
			plugin: m(model{change: when(tunnel.LoginRefused, forever)})},
		{rule: "LeaveNothing", name: "a goroutine", want: "left goroutines behind",
			plugin: m(model{begin: func(instance) error { go func() { <-stop }(); return nil }})},
		{rule: "LeaveNothing", name: "a connection", want: "left a connection of second/ldap open",
			plugin: m(model{extra: func(ctx context.Context, in instance) error {
				_, _ = in.Dial(ctx, in.Settings.Second.Mapping(modelLDAP))
				<-ctx.Done()
				return ctx.Err()
			}})},
		{rule: "Cut", name: "gives up", want: "Run returned nil while its tunnel was waiting (link-lost)",
			plugin: sdk.Plugin(nilled{model{change: when(tunnel.LinkLost, func(context.Context) error { return errNoMore })}})},
		{rule: "Freeze", name: "gives up", want: "Run returned nil while the link let nothing through",
			plugin: sdk.Plugin(nilled{model{extra: impatient}})},
		{rule: "WrongKey", name: "stops listening", want: "does not listen for [site/status] any more", plugin: sdk.Plugin(shy{})},
		{rule: "LoginRefused", name: "panics", want: "Run crashed while its tunnel was blocked (login-refused)", plugin: panicking{m(model{}), tunnel.LoginRefused}},
		{rule: "TargetRefused", name: "withdraws", want: "leave it declared", plugin: sdk.Plugin(withdrawing{})},
		{rule: "SlowLink", name: "impatient", want: "give deadlines of some seconds",
			plugin: m(model{talk: func(_ context.Context, c net.Conn) error {
				_ = c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
				if _, err := io.WriteString(c, "hello"); errors.Is(err, os.ErrDeadlineExceeded) {
					return err
				}
				return nil
			}})},
		{rule: "FullQueue", name: "fails", want: "on tunnel.Resync forget what you know",
			plugin: m(model{change: func(_ context.Context, c tunnel.Change) error {
				if c.Type == tunnel.Resync {
					return errors.New("what is that?")
				}
				return nil
			}})},
		{rule: "Restart", name: "withdraws at its end", want: "withdraw nothing when Run ends",
			plugin: m(model{end: func(in instance) {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				_ = in.Declare(ctx)
			}})},
		{rule: "HostRestart", name: "cleans up for long", want: "2s after its host was gone",
			plugin: m(model{end: func(instance) { time.Sleep(3 * time.Second) }})},
		{rule: "Revoked", name: "waits for its tunnel", want: "after its configuration was disabled",
			plugin: m(model{change: func(ctx context.Context, c tunnel.Change) error {
				if c.Type == tunnel.Changed && c.Tunnel.Status.State == tunnel.Inactive {
					return forever(ctx)
				}
				return nil
			}})},
		{rule: "Several", name: "takes another's tunnel for its own", want: "while another configuration's tunnel was waiting (link-lost)",
			plugin: m(model{change: func(_ context.Context, c tunnel.Change) error {
				if c.Type == tunnel.Changed && c.Tunnel.Configuration == "second" && c.Tunnel.Status.Reason == tunnel.LinkLost {
					return errors.New("my tunnel is lost")
				}
				return nil
			}})},
		{rule: "Several", name: "ends all", want: "when another configuration was stopped", plugin: sdk.Plugin(&sharing{})},
		{rule: "Several", name: "knows one name", want: "Run declares what it may not", plugin: m(model{declare: func(ctx context.Context, in instance) error {
			site, second := in.Settings.Site.Tunnel(), in.Settings.Second.Tunnel()
			if in.Configuration != Configuration {
				site.Ref = tunnel.Ref{Owner: "model", Name: "default.site"}
				_ = in.Declare(ctx, site)
				site.Ref = tunnel.Ref{}
			}
			return in.Declare(ctx, site, second)
		}})},
		{rule: "Several", name: "fails where it is not alone", want: "Run of a second configuration fails",
			plugin: m(model{begin: func(in instance) error {
				if in.Configuration != Configuration {
					return errors.New("I am not alone")
				}
				return nil
			}})},
		{rule: "Directory", name: "writes where it stands", want: "wrote notes outside its directory",
			plugin: m(model{begin: func(instance) error {
				if here, _ := os.Getwd(); strings.Contains(here, "TestEachRule") {
					return os.WriteFile("notes", nil, 0o600)
				}
				return nil
			}})},
		{rule: "Directory", name: "writes at home", want: "wrote .model outside its directory",
			plugin: m(model{begin: func(instance) error {
				if home, _ := os.UserHomeDir(); strings.Contains(home, "TestEachRule") {
					return os.WriteFile(filepath.Join(home, ".model"), nil, 0o600)
				}
				return nil
			}})},
		{rule: "Secrets", name: "logs one", want: "the secret of setting token shows in the log",
			plugin: m(model{begin: func(in instance) error { in.Log.Info("begin", "token", in.Settings.Token.Reveal()); return nil }})},
		{rule: "Secrets", name: "fails with one", want: "the secret of setting token shows in the error",
			plugin: sdk.Plugin(telling{})},
		{rule: "Test", name: "no steps", want: "has no steps",
			plugin: sdk.Plugin(withTest{test: func(context.Context, instance, *sdk.Steps) {}})},
		{rule: "Test", name: "depends on nothing", want: "wrong in itself",
			plugin: sdk.Plugin(withTest{test: func(_ context.Context, _ instance, s *sdk.Steps) {
				s.Do("one", func(context.Context) (string, error) { return "", nil }, "none")
			}})},
		{rule: "Work", name: "no help", want: "action do has no title or no help", plugin: sdk.Plugin(working{help: " "})},
		{rule: "Work", name: "arguments that cannot be checked", want: "the schema of the arguments is not sound",
			plugin: plug{altered{Plugin: sdk.Plugin(working{})}, func(d *tunnel.Description) { d.Actions[0].Arguments = json.RawMessage(`{"type":"object"}`) }}},
		{rule: "Act", name: "an open step", want: `without saying how step "think" went`,
			plugin: altered{Plugin: sdk.Plugin(working{}), act: func(ctx context.Context, a wire.Act, report func(tunnel.ActReport), do wire.Actor) (tunnel.Result, error) {
				if a.DryRun {
					return do.Act(ctx, a, report)
				}
				report(tunnel.ActReport{Step: &tunnel.TestStep{Name: "think", Outcome: tunnel.StepRunning}})
				return tunnel.Result{Outcome: tunnel.ResultOK}, nil
			}}},
		{rule: "Act", name: "control characters", want: "not fit to show",
			plugin: altered{Plugin: sdk.Plugin(working{}), act: func(ctx context.Context, a wire.Act, report func(tunnel.ActReport), do wire.Actor) (tunnel.Result, error) {
				if a.DryRun {
					return do.Act(ctx, a, report)
				}
				return tunnel.Result{Outcome: tunnel.ResultOK, Message: "\x1b[2J"}, nil
			}}},
		{rule: "Act", name: "without end", want: "of its limit of 1m0s",
			plugin: sdk.Plugin(working{limit: time.Minute, do: func(ctx context.Context, _ instance, c *sdk.Call) error {
				<-ctx.Done()
				if strings.Contains(context.Cause(ctx).Error(), "limit") {
					<-stop
				}
				return ctx.Err()
			}})},
		{rule: "Act", name: "a goroutine", want: "came to its end and left goroutines behind",
			plugin: sdk.Plugin(working{do: func(context.Context, instance, *sdk.Call) error { go func() { <-stop }(); return nil }})},
		{rule: "Act", name: "refuses", want: "action do is refused",
			plugin: altered{Plugin: sdk.Plugin(working{}), act: func(context.Context, wire.Act, func(tunnel.ActReport), wire.Actor) (tunnel.Result, error) {
				return tunnel.Result{}, tunnel.ErrInvalid
			}}},
		{rule: "ActEnds", name: "deaf", want: "action do has not ended 5s after its context ended",
			plugin: sdk.Plugin(working{do: func(ctx context.Context, in instance, c *sdk.Call) error {
				conn, err := in.Dial(context.WithoutCancel(ctx), in.Settings.Site.Mapping(modelLDAP))
				if err == nil {
					_ = conn.Close()
				}
				return err
			}})},
		{rule: "DryRun", name: "declares", want: "a dry run of action do changed what is declared",
			plugin: sdk.Plugin(working{dry: true, do: func(ctx context.Context, in instance, c *sdk.Call) error {
				if c.DryRun {
					return in.Declare(ctx, in.Settings.Site.Tunnel())
				}
				return nil
			}})},
		{rule: "DryRun", name: "writes", want: "changed files of the configuration: [users]",
			plugin: sdk.Plugin(working{dry: true, do: func(_ context.Context, in instance, c *sdk.Call) error {
				return os.WriteFile(filepath.Join(in.Dir, "users"), nil, 0o600)
			}})},
		{rule: "DryRun", name: "has one though it says it has none", want: "action do has no dry run, and does one",
			plugin: altered{Plugin: sdk.Plugin(working{}), act: func(ctx context.Context, a wire.Act, report func(tunnel.ActReport), do wire.Actor) (tunnel.Result, error) {
				a.DryRun = false
				return do.Act(ctx, a, report)
			}}},
		{rule: "OneAtATime", name: "does it again", want: "job daily is begun again while it runs",
			plugin: altered{Plugin: sdk.Plugin(working{}), act: func(ctx context.Context, a wire.Act, report func(tunnel.ActReport), do wire.Actor) (tunnel.Result, error) {
				r, err := do.Act(ctx, a, report)
				if errors.Is(err, tunnel.ErrExists) {
					return tunnel.Result{Outcome: tunnel.ResultOK}, nil
				}
				return r, err
			}}},
		{rule: "Schedule", name: "too often", want: `the schedule "every 1s"`,
			plugin: altered{Plugin: sdk.Plugin(working{}), jobs: func(all []tunnel.JobStatus) { all[0].Schedule = "every 1s" }}},
		{rule: "Schedule", name: "no next time", want: "is due at 0001-01-01",
			plugin: altered{Plugin: sdk.Plugin(working{}), jobs: func(all []tunnel.JobStatus) { all[0].Next = time.Time{} }}},
		{rule: "Schedule", name: "another job", want: "the run does not know it",
			plugin: altered{Plugin: sdk.Plugin(working{}), jobs: func(all []tunnel.JobStatus) { all[0].Name = "other" }}},
		{rule: "Metrics", name: "no help", want: "its help is one line",
			plugin: measuring(func(all []tunnel.MetricValues) { all[0].Help = "" })},
		{rule: "Metrics", name: "its own prefix", want: "metric model_done_total begins with what the host puts before it",
			plugin: measuring(func(all []tunnel.MetricValues) { all[0].Name = "model_done_total" })},
		{rule: "Metrics", name: "no name", want: "a metric is called", plugin: measuring(func(all []tunnel.MetricValues) { all[0].Name = "Done" })},
		{rule: "Metrics", name: "control characters", want: "is not one line",
			plugin: measuring(func(all []tunnel.MetricValues) {
				all[0].Series = []tunnel.Series{{Configuration: Configuration, Values: []string{"a\nb"}}}
			})},
		{rule: "Metrics", name: "a series for each user", want: "more than 1000 series",
			plugin: measuring(func(all []tunnel.MetricValues) {
				for i := range 1001 {
					all[0].Series = append(all[0].Series, tunnel.Series{Configuration: Configuration, Values: []string{fmt.Sprint("user", i)}})
				}
			})},
		{rule: "Metrics", name: "a counter that falls", want: "counter done_total{default well} fell",
			plugin: measuring(func(all []tunnel.MetricValues) {
				all[0].Series = []tunnel.Series{{Configuration: Configuration, Values: []string{"well"}, Value: 1e9 - float64(times.Add(1))}}
			})},
		{rule: "Secrets", name: "tells one when asked", want: "the secret of setting token shows in the result of an action or job",
			plugin: sdk.Plugin(working{do: func(_ context.Context, in instance, c *sdk.Call) error {
				return fmt.Errorf("wrong password %s", in.Settings.Token.Reveal())
			}})},
		{rule: "Test", name: "deaf", want: "Test was told to end",
			plugin: sdk.Plugin(withTest{test: func(ctx context.Context, in instance, s *sdk.Steps) {
				s.Do("connect", func(ctx context.Context) (string, error) {
					c, err := in.Dial(context.Background(), in.Settings.Site.Mapping(modelLDAP))
					if err == nil {
						_ = c.Close()
					}
					return "", err
				})
			}})},
	}
}

// measuring is a module whose metrics are changed.
func measuring(change func([]tunnel.MetricValues)) wire.Plugin {
	return altered{Plugin: sdk.Plugin(working{}), metrics: func(all []tunnel.MetricValues) []tunnel.MetricValues {
		change(all)
		return all
	}}
}

// watching watches without Run's context, and does nothing else.
type watching struct{ model }

func (watching) Run(ctx context.Context, in instance) error {
	for _, err := range in.Watch(context.WithoutCancel(ctx)) {
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// resting waits for what does not come.
type resting struct{ stop <-chan struct{} }

func (resting) Describe() sdk.Description { return model{}.Describe() }

func (r resting) Run(context.Context, instance) error { <-r.stop; return nil }

// impatient takes a link that lets nothing through for the end.
func impatient(ctx context.Context, in instance) error {
	for ctx.Err() == nil {
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		c, err := in.Dial(short, in.Settings.Second.Mapping(modelLDAP))
		cancel()
		switch {
		case err == nil:
			_ = c.Close()
		case errors.Is(err, context.DeadlineExceeded) && isUp(ctx, in, "default.second"):
			return errNoMore
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

func isUp(ctx context.Context, in instance, name tunnel.Name) bool {
	for v, err := range in.List(ctx) {
		if err == nil && v.Ref.Name == name && v.Status.State == tunnel.Up {
			return true
		}
	}
	return false
}

// shy closes its listener for good when it is told of a wrong key.
type shy struct{ model }

func (s shy) Run(ctx context.Context, in instance) error {
	if err := in.Declare(ctx, in.Settings.Site.Tunnel(), in.Settings.Second.Tunnel()); err != nil {
		return err
	}
	l, err := in.Listen(in.Settings.Site.Mapping(modelStatus))
	if err != nil {
		return err
	}
	s.change = when(tunnel.HostKeyMismatch, func(context.Context) error { return l.Close() })
	return s.watch(ctx, in)
}

// sharing has one way to end for all its runs.
type sharing struct {
	model
	mu  sync.Mutex
	end []context.CancelFunc
}

func (m *sharing) Run(ctx context.Context, in instance) error {
	ctx, cancel := context.WithCancel(ctx)
	m.mu.Lock()
	m.end = append(m.end, cancel)
	m.mu.Unlock()
	err := m.model.Run(ctx, in)
	if in.Configuration == Configuration {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, end := range m.end {
		end()
	}
	return err
}

// withdrawing withdraws a tunnel whose service refuses.
type withdrawing struct{ model }

func (w withdrawing) Run(ctx context.Context, in instance) error {
	if err := in.Declare(ctx, in.Settings.Site.Tunnel()); err != nil {
		return err
	}
	w.change = when(tunnel.TargetRefused, func(ctx context.Context) error { return in.Declare(ctx) })
	return w.watch(ctx, in)
}

// telling fails with its secret when its link is cut.
type telling struct{ model }

func (m telling) Run(ctx context.Context, in instance) error {
	m.change = when(tunnel.LinkLost, func(context.Context) error {
		return fmt.Errorf("GET /?token=%s: reset", in.Settings.Token.Reveal())
	})
	return m.model.Run(ctx, in)
}

// panicking panics in Run itself, where it can be caught.
type panicking struct {
	wire.Plugin
	reason tunnel.Reason
}

func (p panicking) Run(ctx context.Context, r wire.Run) error {
	for c, err := range r.Host.Watch(ctx) {
		if err != nil {
			return err
		}
		if c.Type == tunnel.Changed && c.Tunnel.Configuration != "second" && c.Tunnel.Status.Reason == p.reason {
			panic("boom")
		}
	}
	return nil
}

// recorder notes what a rule would have failed a test with.
type recorder struct {
	testing.TB
	mu       sync.Mutex
	errors   []string
	cleanups []func()
}

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.errors) > 0
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) Log(...any)          {}
func (r *recorder) Logf(string, ...any) {}
func (r *recorder) Cleanup(f func())    { r.cleanups = append(r.cleanups, f) }

func (r *recorder) end() {
	for _, f := range slices.Backward(r.cleanups) {
		f()
	}
}

// broken is what the rule says of the breach.
func (r Rule) broken(t *testing.T, i int) (said string) {
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		b := breaches(stop)[i]
		rec := &recorder{TB: t}
		s := subject{
			open:  func(testing.TB) (wire.Plugin, error) { return b.plugin, nil },
			quiet: 50 * time.Millisecond, settings: b.settings, with: newOptions(nil), virtual: true,
		}
		if s.settings == "" {
			s.settings = modelDocument
		}
		r.hold(r.bench(rec), s)
		close(stop)
		time.Sleep(10 * time.Second) // for what only ends late
		rec.end()
		synctest.Wait() // for what the end of the world lets go
		said = strings.Join(rec.errors, "\n")
	})
	return said
}

// Conformance can fail: each breach is caught by its rule, and by no other. Every sixteenth of the others is tried with it,
// and all with CULVERT_SOAK=1.
func TestEachRuleCatchesItsBreach(t *testing.T) {
	caught := map[string]bool{}
	for i, b := range breaches(nil) {
		t.Run(b.rule+" "+b.name, func(t *testing.T) {
			for j, r := range rules {
				if r.Name != b.rule && (i+j)%16 != 0 && os.Getenv("CULVERT_SOAK") == "" {
					continue
				}
				said := r.broken(t, i)
				switch {
				case r.Name != b.rule && said != "":
					t.Errorf("rule %s says %s", r.Name, said)
				case r.Name == b.rule && (!strings.Contains(said, b.want) || !sayable.MatchString(said)):
					t.Errorf("its rule says %q, and not %q", said, b.want)
				}
			}
		})
		caught[b.rule] = true
	}
	for _, r := range rules {
		if !caught[r.Name] && r.Name != "Sandbox" { // which is shown where a culvertd is built
			t.Errorf("nothing shows that rule %s can fail", r.Name)
		}
	}
}

// sayable is what every finding says: the rule, what is wrong, where, and the way out.
var sayable = regexp.MustCompile(`(?s)^rule [A-Z]\w+: .+\nwhere: .+\nhint: .+`)
