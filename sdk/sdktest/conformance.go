package sdktest

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
	"github.com/culvert-pbx/culvert/sdk/wire/wiretest"
)

// Conformance holds a module to what its host, its operator and all other modules rely on: the rules that the package's
// comment lists, each a subtest.
//
//	func TestConformance(t *testing.T) {
//		sdktest.Conformance(t, greeter{}, sdktest.Strict(), sdktest.Settings(`{"site":{"server":"pbx@site.example.org"}}`))
//	}
//
// Options give it the settings of an operator ([Settings]), what the operator granted ([Grant]), and what answers
// ([Service], [Local]); behind reach mappings of which nothing is said, something accepts connections and never answers.
// Without settings it makes some that fit the schema, with every site, slot and secret set.
//
// What the module did not do, it was not judged by. The end of the test's log says which rules were judged, which do not
// apply and why, and which apply and could not be judged: with [Strict] the latter fail the test.
//
// It takes virtual time, and so a second or two; a module that asks for the grant network or programs waits for what is real,
// and takes real time ([RealTime]). It changes the working directory and HOME while it runs, so the test that calls it is not
// parallel.
func Conformance[S any](t *testing.T, m sdk.Module[S], with ...Option) {
	s := subject{
		open:  opened(m),
		quiet: 50 * time.Millisecond, with: newOptions(with),
	}
	d, err := sdk.Plugin(m).Describe()
	s.virtual = err == nil && s.with.clock.virtual(d)
	conform(t, s)
}

// ConformanceBinary is [Conformance] for a built module, over the real wire: each of its runs has a process of its own. They are
// confined as the real host confines them where a culvertd is there to do it ([Confined]). What only a look into the process
// shows, such as goroutines that are left, is not judged. Several rules are tried at the same
// time, as many as go test's flag -parallel says: give 1 for a module that needs something of which there is but one.
func ConformanceBinary(t *testing.T, path string, with ...Option) {
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	with = append([]Option{installed()}, with...)
	s := subject{open: binary(path, newOptions(with)), bare: binary(path, options{}), quiet: 100 * time.Millisecond, first: 3 * time.Second, apart: true, with: newOptions(with)}
	s.said = sync.OnceValues(func() (tunnel.Description, error) { return wiretest.Open(path).Describe() })
	conform(t, s)
}

// opened is a module of this process.
func opened[S any](m sdk.Module[S]) func(testing.TB) (wire.Plugin, error) {
	return func(testing.TB) (wire.Plugin, error) { return sdk.Plugin(m), nil }
}

// installed is the culvertd of PATH.
func installed() Option {
	path, err := exec.LookPath("culvertd")
	if err != nil {
		return func(*options) {}
	}
	return Confined(path)
}

// binary opens the binary at path for a test.
func binary(path string, o options) func(testing.TB) (wire.Plugin, error) {
	return func(t testing.TB) (wire.Plugin, error) {
		b := wiretest.Open(path)
		if o.culvertd != "" {
			b.Confine(o.culvertd, o.granted)
		}
		t.Cleanup(b.Close)
		return b, nil
	}
}

// busyRoom is for a machine that is busy with other tests: what is told to end takes its time then through no fault of its
// own. A module that does not heed its context never ends.
const busyRoom = 3

// conform tries the subject with each of the documents.
func conform(t *testing.T, s subject) {
	if !s.virtual {
		s.room = busyRoom
	}
	all := &tally{strict: s.with.strict, waived: s.with.waived}
	t.Cleanup(func() { all.report(t) }) // when those that are parallel have ended too
	for i, doc := range s.documents() {
		s.settings = doc
		for _, r := range rules {
			name := r.Name
			if i > 0 {
				name = fmt.Sprintf("%s with settings %d", name, i+1)
			}
			t.Run(name, func(t *testing.T) {
				if s.apart && !r.moves {
					t.Parallel()
				}
				all.add(r.Name, r.try(t, s))
			})
		}
	}
}

// documents are those to try it with.
func (s subject) documents() []string {
	if len(s.with.settings) > 0 {
		return s.with.settings
	}
	p, err := s.open(nothing{})
	if err == nil {
		if s.said == nil {
			s.said = p.Describe
		}
		if d, err := s.said(); err == nil {
			return []string{string(exampleOf(d))}
		}
	}
	return []string{"{}"} // rule Describe says what is wrong
}

// nothing is a test that has no end, for what needs none.
type nothing struct{ testing.TB }

func (nothing) Cleanup(func()) {}

// subject is a module to be judged.
type subject struct {
	open     func(testing.TB) (wire.Plugin, error) // one for a test of its own, whose end ends it
	bare     func(testing.TB) (wire.Plugin, error) // the same without a sandbox, nil where there is none anyway
	said     func() (tunnel.Description, error)    // what it says of itself, asked once where each answer takes a process, or nil
	with     options
	settings string
	virtual  bool          // time is
	quiet    time.Duration // without a call to the host, after which it has done all it does by itself
	first    time.Duration // that its first call may take: a process starts before it
	apart    bool          // each of its runs is in a process of its own
	room     time.Duration // how many times its grace it has to end, 0 for once
}

// bench is where a rule judges.
type bench struct {
	testing.TB
	rule  string
	where string // what is judged, and with which settings
}

// fail says which rule is broken, what is wrong, where, and what the author can do.
func (b *bench) fail(hint, format string, args ...any) {
	b.Helper()
	b.Errorf("rule %s: %s\nwhere: %s\nhint: %s", b.rule, fmt.Sprintf(format, args...), b.where, hint)
}

// judgement is what a rule could judge. The zero judgement says that it did.
type judgement struct {
	verdict verdictOf
	why     string
}

type verdictOf int

const (
	judged verdictOf = iota
	unjudged
	inapplicable
)

// notApplicable says why a rule is nothing for this module.
func notApplicable(why string) judgement { return judgement{inapplicable, why} }

// notJudged says why a rule that may be broken was not tried.
func notJudged(format string, args ...any) judgement {
	return judgement{unjudged, fmt.Sprintf(format, args...)}
}

// tally is what came of all the rules.
type tally struct {
	strict bool
	waived map[string]string

	mu  sync.Mutex
	got map[string]judgement // of each rule: judged, where it was with one of the documents
}

func (a *tally) add(rule string, j judgement) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.got == nil {
		a.got = map[string]judgement{}
	}
	if former, there := a.got[rule]; !there || j.verdict < former.verdict {
		a.got[rule] = j
	}
}

// report logs what was judged and what was not, and fails the test for the latter where that is wanted.
func (a *tally) report(t testing.TB) {
	a.mu.Lock()
	defer a.mu.Unlock()
	count := 0
	for _, r := range rules {
		j, there := a.got[r.Name]
		switch {
		case !there: // not chosen by go test's flag -run
		case j.verdict == judged:
			count++
		case j.verdict == inapplicable:
			t.Logf("rule %s does not apply: %s", r.Name, j.why)
		case a.waived[r.Name] != "":
			t.Logf("rule %s is not judged here: %s (%s)", r.Name, a.waived[r.Name], j.why)
		case a.strict:
			t.Errorf("rule %s was not judged: %s\nwhere: %s\nhint: %s", r.Name, j.why, r.Says, toBeJudged)
		default:
			t.Logf("rule %s WAS NOT JUDGED: %s", r.Name, j.why)
		}
	}
	t.Logf("%d of %d rules were judged", count, len(rules))
	for name := range a.waived {
		if !slices.ContainsFunc(rules, func(r Rule) bool { return r.Name == name }) {
			t.Errorf("there is no rule %s that need not be judged", name)
		}
	}
}

const toBeJudged = "give Conformance what has the module do it: Settings as an operator has them, Grant, Service and Local; " +
	"or say by Unjudged why it cannot be judged here"
