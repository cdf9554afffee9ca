package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/adapter"
	"github.com/culvert-pbx/culvert/plugins/internal/slapdtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// A text that a spreadsheet would work out is left out of its files, which is said of whom, and nothing is wrong with the run.
func TestAFormulaIsLeftOutAndNothingIsWrong(t *testing.T) {
	b := newBed(t, three+slapdtest.Person("", "dora", "Dora", "Dahl", "displayName: =1+1"))
	for range 2 {
		r := b.sync()
		if r.Outcome != tunnel.ResultOK || len(r.Refused) != 1 || r.Refused[0].Of != "dora" || !r.Refused[0].Safe {
			t.Errorf("the run is %s with %+v", r.Outcome, r.Refused)
		}
		if first := r.shown().Rows[0]; first[0] != "dora" || first[1] != "left out" || !strings.Contains(first[2], "display_name: users.csv: ") {
			t.Errorf("it says %q", first)
		}
	}
	if text := b.files(); strings.Contains(text, `"=1+1"`) && !strings.Contains(text, `"display_name":"=1+1"`) || !strings.Contains(text, `"dora"`) {
		t.Errorf("the files are\n%s", text)
	}
}

// What a PBX cannot do leaves a run partial, however much else there is to say.
func TestWhatThePBXCannotDoIsNamed(t *testing.T) {
	has := pbx.State{Users: []pbx.User{{ID: "u", Login: "ida"}}, Groups: []pbx.Group{{ID: "g", Name: "sales"}}}
	text := pbx.Refusal{User: "u", Finding: tunnel.Finding{Code: tunnel.Malformed, Field: "title", Message: "a formula"}}
	number := pbx.Refusal{Group: "g", Finding: tunnel.Finding{Code: pbx.Unsupported, Field: "numbers", Message: "it leads nowhere"}}
	var many []pbx.Refusal
	for range maxRefusals + 7 {
		many = append(many, text)
	}
	for _, c := range []struct {
		refused []pbx.Refusal
		partial bool
		first   string
		more    int
	}{
		{nil, false, "", 0}, {[]pbx.Refusal{text}, false, "ida", 0}, {[]pbx.Refusal{text, number}, true, "group sales", 0},
		{many, false, "ida", 7}, {append(many, number), true, "group sales", 8}, {[]pbx.Refusal{{User: "gone"}}, true, "gone", 0},
	} {
		var r report
		if r.result(pbx.Result{Refused: c.refused}, has); r.incomplete() != c.partial || r.Unnamed != c.more || r.shown().More != c.more {
			t.Errorf("of %d refusals: %+v", len(c.refused), r)
		}
		if len(r.Refused) > 0 && r.Refused[0].Of != c.first {
			t.Errorf("of %d refusals the first is %s", len(c.refused), fmt.Sprintf("%+v", r.Refused[0]))
		}
	}
}

// A dry run writes nothing, and does not say that it did.
func TestADryRunSaysWhatWouldBe(t *testing.T) {
	b := newBed(t, three)
	for _, c := range []struct {
		dry  bool
		want string
	}{{true, "2 files would be written"}, {false, "2 files written"}} {
		if got := b.last(c.dry); got != c.want {
			t.Errorf("dry %v: it says %q", c.dry, got)
		}
	}
}

// last is what the last step of a synchronisation finds.
func (b *bed) last(dry bool) (found string) {
	b.t.Helper()
	s := b.settings()
	users, err := adapter.Open(s.PBX, b.dir, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	defer users.Close()
	run, err := s.synchronisation(b.dir, b.ends(s), users, false)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := run.run(func(_ string, do func(context.Context) (string, error), _ ...string) {
		found, err = do(b.t.Context())
	}, dry); err != nil {
		b.t.Fatal(err)
	}
	return found
}
