package main

import (
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/netbed"
)

// A percentile is a value that was measured; nothing measured is no figure.
func TestStat(t *testing.T) {
	values := []float64{3, 1, 2, 4}
	for name, want := range map[string]float64{"p50": 2, "p99": 4, "max": 4, "sum": 10} {
		if got := stat(values, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if got := stat(nil, "p99"); !math.IsNaN(got) {
		t.Errorf("of nothing it is %v", got)
	}
	if values[0] != 3 {
		t.Error("the values were sorted in place")
	}
}

func sec(n int) time.Time { return time.Unix(1000+int64(n), 0) }

// What the daemon says and what the probers say, joined: up from 0 to 10 and from 20, data from 0 to 4 and from 15.
func TestWordsAreComparedWithTheTruth(t *testing.T) {
	said := []word{{At: sec(0), State: "up"}, {At: sec(10), State: "waiting"}, {At: sec(20), State: "up"}}
	expose := []netbed.Answer{{Asked: sec(15), At: sec(15), OK: true}, {Asked: sec(1), At: sec(1), OK: true}, {Asked: sec(4), At: sec(6)}, {Asked: sec(7), At: sec(9)}}
	reach := []netbed.Answer{{Asked: sec(1), At: sec(1), OK: true}, {Asked: sec(5), At: sec(7)}, {Asked: sec(12), At: sec(13), OK: true}}
	from, to := sec(0), sec(30)
	dead, up := broken(from, to, expose, reach), called(said, from, to)
	if want := []span{{sec(4), sec(15)}}; !reflect.DeepEqual(dead, want) {
		t.Fatalf("no data flowed %v, want %v", dead, want)
	}
	if want := []span{{sec(0), sec(10)}, {sec(20), sec(30)}}; !reflect.DeepEqual(up, want) {
		t.Fatalf("it was called up %v, want %v", up, want)
	}
	if got := longest(overlap(up, dead)); got != 6*time.Second {
		t.Errorf("it was falsely up for %v", got)
	}
	if got := longest(overlap(others(up, from, to), others(dead, from, to))); got != 5*time.Second {
		t.Errorf("it was falsely down for %v", got)
	}
}

// An interrupted run goes on with its seed, its trials and the time it had spent.
func TestARunGoesOn(t *testing.T) {
	o := options{seed: 7, state: filepath.Join(t.TempDir(), "state")}
	l, err := openLog(o)
	if err != nil {
		t.Fatal(err)
	}
	l.add(Trial{Goal: "G3", Case: "5 s", Figures: map[string]float64{"back": 1.5}})
	if err := l.spend(time.Minute); err != nil {
		t.Fatal(err)
	}
	l.close()
	o.seed, o.resume = 8, true
	if l, err = openLog(o); err != nil {
		t.Fatal(err)
	}
	defer l.close()
	if got := figure(l.of("G3", "5 s"), "back"); l.seed != 7 || l.spent != time.Minute || len(got) != 1 || got[0] != 1.5 {
		t.Errorf("seed %d, spent %v, figures %v", l.seed, l.spent, got)
	}
	o.resume = false
	again, err := openLog(o)
	if err != nil {
		t.Fatal(err)
	}
	defer again.close()
	if again.seed != 8 || len(again.trials) != 0 {
		t.Errorf("a new run has seed %d and %d trials", again.seed, len(again.trials))
	}
}

// Every promise has work that measures it, and every piece of work a promise.
func TestPromisesAndWorkMatch(t *testing.T) {
	done := map[string]bool{"G8": true, "S6": true} // measured beside all others
	for _, b := range batches() {
		done[b.goal+" "+b.kind], done[b.goal] = true, true
		if b.also != "" {
			done[b.also+" "+b.kind] = true
		}
		if b.want == 0 || b.takes == 0 || b.run == nil {
			t.Errorf("batch %s %s is incomplete", b.goal, b.kind)
		}
	}
	promised := map[string]bool{"baseline": true}
	for _, l := range asked() {
		promised[l.goal] = true
		if l.kinds == nil && !done[l.goal] {
			t.Errorf("nothing measures %s", l.goal)
		}
		for _, k := range l.kinds {
			if !done[l.goal+" "+k] {
				t.Errorf("nothing measures %s %s", l.goal, k)
			}
		}
	}
	for _, b := range batches() {
		if !promised[b.goal] {
			t.Errorf("%s promises nothing", b.goal)
		}
	}
}

// A run can be of single goals and of single cases.
func TestOnlyWhatIsAskedForRuns(t *testing.T) {
	nat := batch{goal: "G3", kind: "NAT"}
	cut := batch{goal: "G3", kind: "5 s", also: "G5"}
	for _, c := range []struct {
		only     []string
		nat, cut bool
	}{
		{nil, true, true}, {[]string{"G3"}, true, true}, {[]string{"G5"}, false, true}, {[]string{"G1", "G3/NAT"}, true, false}, {[]string{""}, false, false},
	} {
		s := &session{options: options{only: c.only}}
		if s.wants(nat) != c.nat || s.wants(cut) != c.cut {
			t.Errorf("%q: NAT %v, 5 s %v", c.only, s.wants(nat), s.wants(cut))
		}
	}
}

// The table says what was kept, what was missed and what was not measured.
func TestTheTableTellsKeptFromMissed(t *testing.T) {
	s := &session{log: &trialLog{trials: []Trial{
		{Goal: "G1", Case: "idle", Figures: map[string]float64{"gap": 20.1}},
		{Goal: "G3", Case: "NAT", Figures: map[string]float64{"back": 240}, Failed: "no data | at\nall"},
	}}}
	file := filepath.Join(t.TempDir(), "RESULTS.md")
	missed, err := writeResults(file, s)
	if err != nil || missed != 1 {
		t.Fatalf("%d missed, %v", missed, err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| 20.1 | 20.1 | 20.1 | 1 | kept |", "| 240 | 240 | 240 | 1 | **missed** |", "not measured", "| G3 NAT | 1 | no data / at all |"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in the table", want)
		}
	}
}
