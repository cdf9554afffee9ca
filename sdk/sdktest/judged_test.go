package sdktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// idle is a module that has sites and slots, and does nothing.
type idle struct{ model }

func (idle) Run(ctx context.Context, _ instance) error { <-ctx.Done(); return ctx.Err() }

// judgementOf is what a rule could judge.
func judgementOf[S any](t *testing.T, m sdk.Module[S], name, settings string) (j judgement) {
	t.Helper()
	for _, r := range rules {
		if r.Name == name {
			return r.try(t, subject{open: opened(m), virtual: true, quiet: 50 * time.Millisecond, settings: settings, with: newOptions(nil)})
		}
	}
	t.Fatalf("there is no rule %s", name)
	return j
}

// Each rule says what it did not judge, and whether it could have.
func TestWhatIsNotJudged(t *testing.T) {
	for _, c := range []struct {
		rule, settings string
		module         sdk.Module[modelSettings]
		verdict        verdictOf
		why            string
	}{
		{"DeclareOwn", modelDocument, model{}, judged, ""},
		{"DeclareOwn", `{}`, model{}, unjudged, "no site has a server in the settings {}"},
		{"DeclareOnce", modelDocument, idle{}, unjudged, "Run declares nothing with the settings"},
		{"Run", modelDocument, idle{}, unjudged, "Run asks nothing of the host"},
		{"EndBeforeDeclare", `{}`, idle{}, unjudged, "no site has a server"},
		{"EndInDial", modelDocument, idle{}, unjudged, "Run dials nothing by itself"},
		{"EndInDial", modelDocument, model{}, judged, ""},
		{"EndInWatch", modelDocument, idle{}, inapplicable, "Run does not watch"},
		{"EndAtRest", modelDocument, model{}, inapplicable, "other rules judge"},
		{"Cut", `{}`, idle{}, unjudged, "no site has a server"},
		{"Cut", modelDocument, idle{}, unjudged, "Run declares nothing"},
		{"FullQueue", modelDocument, idle{}, inapplicable, "Run does not watch"},
		{"Test", modelDocument, model{}, inapplicable, "the module has no test"},
		{"Secrets", modelDocument, model{}, judged, ""},
		{"Cut", `{"mode":5}`, model{}, unjudged, "mode"},
	} {
		t.Run(fmt.Sprintf("%s %T %s", c.rule, c.module, c.settings), func(t *testing.T) {
			if got := judgementOf(t, c.module, c.rule, c.settings); got.verdict != c.verdict || !strings.Contains(got.why, c.why) {
				t.Errorf("it is %+v, want %v and %q", got, c.verdict, c.why)
			}
		})
	}
}

// What was not judged is logged, and fails the test where the author wants that, unless he said why.
func TestTheTally(t *testing.T) {
	for _, c := range []struct {
		name   string
		with   []Option
		errors int
	}{
		{"without", nil, 0},
		{"strict", []Option{Strict()}, 1},
		{"strict, but for this", []Option{Strict(), Unjudged("Cut", "it has no tunnel yet")}, 0},
		{"no such rule", []Option{Unjudged("Cutt", "")}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOptions(c.with)
			a := &tally{strict: o.strict, waived: o.waived}
			a.add("Run", judgement{})
			a.add("Cut", notJudged("because"))
			a.add("Cut", notApplicable("no")) // with the next settings: what is open stays open
			a.add("Freeze", notJudged("because"))
			a.add("Freeze", judgement{}) // with the next settings
			a.add("Test", notApplicable("no"))
			rec := &recorder{TB: t}
			a.report(rec)
			if len(rec.errors) != c.errors {
				t.Errorf("it fails with %q", rec.errors)
			}
		})
	}
}

// rich are settings of all sorts.
type rich struct {
	Site  sdk.Site            `json:"site" slots:"ldap,status"`
	Sites map[string]sdk.Site `json:"sites"`
	Base  string              `json:"base" required:"true" pattern:"^dc=[a-z]{3,}(,dc=[a-z]+)?$"`
	Mode  string              `json:"mode" required:"true" enum:"ldaps,starttls"`
	Every sdk.Duration        `json:"every" required:"true" min:"1m" max:"1h"`
	Count int                 `json:"count" required:"true" min:"-9" max:"-5"`
	Names []string            `json:"names" required:"true" minitems:"2" minlen:"9"`
	Page  int                 `json:"page" default:"100"`
	Bind  struct {
		User     string     `json:"user"`
		Password sdk.Secret `json:"password" minlen:"40"`
	} `json:"bind"`
}

type richModule struct{}

func (richModule) Describe() sdk.Description { return model{}.Describe() }

func (richModule) Run(ctx context.Context, in *sdk.Instance[rich]) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestSettingsAreMadeFromTheSchema(t *testing.T) {
	d, err := sdk.Plugin(richModule{}).Describe()
	if err != nil {
		t.Fatal(err)
	}
	doc := exampleOf(d)
	if err := settings.Check(d.Schema, doc).Err(); err != nil {
		t.Errorf("%s does not fit: %v", doc, err)
	}
	var got rich
	if err := json.Unmarshal(doc, &got); err != nil {
		t.Fatal(err)
	}
	on := got.Site.Slots["status"].On
	if got.Site.Server == "" || on == nil || !*on || got.Sites["one"].Server == "" || len(got.Bind.Password.Reveal()) < 40 || got.Page != 0 {
		t.Errorf("it leaves out what matters: %s", doc)
	}
}

// Where no settings are given, those made from the schema have the module do what it is judged by.
func TestWithoutSettingsAModuleIsJudgedAsWell(t *testing.T) {
	Conformance(t, model{}, Strict())
}

// All slots at once may be too many for one machine.
func TestSlotsThatDoNotGoTogether(t *testing.T) {
	d, err := sdk.Plugin(model{}).Describe()
	if err != nil {
		t.Fatal(err)
	}
	for i := range d.Slots {
		d.Slots[i].Kinds, d.Slots[i].Spec, d.Slots[i].On = []tunnel.Kind{tunnel.Reach}, "1389:389", i == 0
	}
	var got modelSettings
	if err := json.Unmarshal(exampleOf(d), &got); err != nil || got.Site.Server == "" || got.Site.Slots["status"].On != nil {
		t.Errorf("the settings are %+v, %v", got, err)
	}
}

// endless are modules that never end, each judged in a process of its own.
var endless = map[string]model{
	"leak": {begin: func(instance) error { go func() { select {} }(); return nil }},
	"deaf": {begin: func(instance) error { select {} }},
	"sleeper": {end: func(instance) {
		for {
			time.Sleep(time.Hour)
		}
	}},
}

// A module that never ends fails its rules in virtual time, and neither crashes nor hangs the test.
func TestVirtualTimeEndsWithWhatDoesNot(t *testing.T) {
	if m, ok := endless[os.Getenv("CULVERT_SDKTEST_HELPER")]; ok {
		Conformance(t, m)
		return
	}
	var all sync.WaitGroup
	defer all.Wait()
	for helper, want := range map[string]string{
		"leak": "rule LeaveNothing: Run returned and left goroutines behind", "deaf": "rule EndAtRest: Run has not returned 5s",
		"sleeper": "rule EndInWatch: Run has not returned 5s",
	} {
		all.Go(func() {
			c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVirtualTimeEndsWithWhatDoesNot$")
			c.Env = append(os.Environ(), "CULVERT_SDKTEST_HELPER="+helper)
			out, err := c.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || !strings.Contains(string(out), want) || strings.Contains(string(out), "panic:") {
				t.Errorf("%s: %v\n%s", helper, err, out)
			}
		})
	}
	all.Wait()
}

func TestWhichTimeIsTaken(t *testing.T) {
	plain, networked := tunnel.Description{}, tunnel.Description{Grants: []tunnel.Grant{"dial 5", "network"}}
	for _, c := range []struct {
		with            []Option
		plain, networks bool
	}{
		{nil, true, false}, {[]Option{RealTime()}, false, false}, {[]Option{VirtualTime()}, true, true},
	} {
		o := newOptions(c.with)
		if o.clock.virtual(plain) != c.plain || o.clock.virtual(networked) != c.networks {
			t.Errorf("%+v: %v, %v", c, o.clock.virtual(plain), o.clock.virtual(networked))
		}
	}
}

// The package's comment has the list of the rules, as the code has it.
func TestTheRulesAreDocumented(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "sdktest.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	doc := strings.Join(strings.Fields(f.Doc.Text()), " ")
	var want []string
	for _, r := range Rules() {
		want = append(want, fmt.Sprintf("- %s: %s", r.Name, r.Says))
	}
	if !strings.Contains(doc, strings.Join(want, " ")+" [Rules]") {
		t.Errorf("the package's comment lacks the list of the rules, which is\n//   %s", strings.Join(want, "\n//   "))
	}
}
