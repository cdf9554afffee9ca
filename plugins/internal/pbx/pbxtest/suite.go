package pbxtest

import (
	"errors"
	"testing"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Fixture is one telephone system under test, empty at first.
type Fixture interface {
	Open(t *testing.T) pbx.Adapter // anew each time: what was applied is there again; the caller closes it
}

// Run checks the contract of pbx.Adapter.
func Run(t *testing.T, fixture func(t *testing.T) Fixture) {
	for name, test := range map[string]func(*testing.T, Fixture){
		"BeginsEmpty":              beginsEmpty,
		"KeepsWhatWasApplied":      keeps,
		"PreviewChangesNothing":    previews,
		"AppliesAllOrNothing":      allOrNothing,
		"SecondTimeChangesNothing": idempotent,
		"RefusesStalePlans":        stale,
		"RefusesProtection":        protection,
		"DropsGroups":              dropsGroups,
		"TryChangesNothing":        tries,
	} {
		t.Run(name, func(t *testing.T) { test(t, fixture(t)) })
	}
}

// Sample is a state with one of everything.
func Sample() pbx.State {
	s := pbx.State{
		Users: []pbx.User{
			{ID: "anna", External: "8f817e55", Login: "anna", GivenName: "Anna", Surname: "Müller", Mail: "anna@example.com", Department: "Sales",
				Extension: "101", Numbers: []pbx.Number{{E164: "+4972112345101", Use: pbx.Phone}, {E164: "+491701234567", Use: pbx.Mobile}}, Admin: true, Status: pbx.Active},
			{ID: "bob", External: "8f817e56", Login: "bob", DisplayName: "Bob; [x] #include ${y}", Mail: "bob@example.com",
				Extension: "102", Numbers: []pbx.Number{{E164: "+4972112345102", Use: pbx.Phone}, {E164: "+4972112345902", Use: pbx.Fax}}, Status: pbx.Active},
			{ID: "carl", External: "8f817e57", Login: "carl", Extension: "103", Status: pbx.Orphaned},
			{ID: "dora", External: "8f817e58", Login: "dora", Extension: "104", Status: pbx.Disabled},
		},
		Groups: []pbx.Group{{ID: "sales", Name: "Sales", Members: []pbx.ID{"anna", "bob"}, Numbers: []pbx.Number{{E164: "+4972112345200", Use: pbx.Phone}}}},
	}
	s.Sort()
	return s
}

func beginsEmpty(t *testing.T, f Fixture) {
	a := open(t, f)
	if s := read(t, a); len(s.Users)+len(s.Groups) > 0 {
		t.Errorf("a new one holds %v", s)
	}
}

func keeps(t *testing.T, f Fixture) {
	a := open(t, f)
	r, err := a.Apply(t.Context(), pbx.Diff(read(t, a), Sample()))
	if err != nil || r.Created != 4 || r.Groups != 1 || r.Updated+r.Unchanged != 0 || r.Reloaded != a.Capabilities().Has(pbx.Reload) {
		t.Fatalf("%+v, %v", r, err)
	}
	holds(t, a, Sample())
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	a = open(t, f)
	holds(t, a, Sample())
	if s := read(t, a); s.Version != r.Version {
		t.Errorf("version %s, and the result said %s", s.Version, r.Version)
	}
}

func tries(t *testing.T, f Fixture) {
	a := open(t, f)
	if _, err := a.Apply(t.Context(), pbx.Diff(read(t, a), Sample())); err != nil {
		t.Fatal(err)
	}
	if err := a.Try(t.Context()); err != nil {
		t.Error(err)
	}
	holds(t, a, Sample())
	if r, err := a.Apply(t.Context(), pbx.Plan{}); err != nil || r.Changed() {
		t.Errorf("after it, %+v was left to do, %v", r, err)
	}
}

func previews(t *testing.T, f Fixture) {
	a := open(t, f)
	before := read(t, a)
	p := pbx.Diff(before, Sample())
	r, err := a.Preview(t.Context(), p)
	if err != nil || r.Created != 4 || r.Groups != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	holds(t, a, before)
	if _, err := a.Apply(t.Context(), p); err != nil {
		t.Errorf("the plan that was previewed: %v", err)
	}
}

func allOrNothing(t *testing.T, f Fixture) {
	a := open(t, f)
	apply(t, a, Sample())
	want := Sample()
	want.PutUser(pbx.User{ID: "eve", Login: "eve", Extension: "105", Status: pbx.Active})
	want.PutUser(pbx.User{ID: "fred", Login: "FRED", Extension: "101", Status: pbx.Active})
	_, err := a.Apply(t.Context(), pbx.Diff(read(t, a), want))
	var fs tunnel.Findings
	if !errors.As(err, &fs) || fs[0].Code != tunnel.Exists || fs[0].Field != "users[fred].extension" {
		t.Errorf("two users with one extension: %v", err)
	}
	holds(t, a, Sample())
}

func idempotent(t *testing.T, f Fixture) {
	a := open(t, f)
	apply(t, a, Sample())
	p := pbx.Diff(read(t, a), Sample())
	if !p.Empty() {
		t.Fatalf("still to do: %+v", p)
	}
	r, err := a.Apply(t.Context(), p)
	if err != nil || r.Changed() || r.Unchanged != 4 || r.Reloaded != a.Capabilities().Has(pbx.Reload) {
		t.Errorf("%+v, %v", r, err)
	}
}

func stale(t *testing.T, f Fixture) {
	a := open(t, f)
	p := pbx.Diff(read(t, a), Sample())
	apply(t, a, Sample())
	for name, do := range map[string]func() error{
		"Apply":   func() error { _, err := a.Apply(t.Context(), p); return err },
		"Preview": func() error { _, err := a.Preview(t.Context(), p); return err },
	} {
		if err := do(); !errors.Is(err, pbx.ErrStale) {
			t.Errorf("%s of a plan for the state before: %v", name, err)
		}
	}
}

func protection(t *testing.T, f Fixture) {
	a := open(t, f)
	want := Sample()
	want.Users[0].Protected = true
	if _, err := a.Apply(t.Context(), pbx.Diff(read(t, a), want)); !errors.Is(err, pbx.ErrProtected) {
		t.Errorf("a plan that makes protected users: %v", err)
	}
	holds(t, a, pbx.State{})
}

func dropsGroups(t *testing.T, f Fixture) {
	a := open(t, f)
	apply(t, a, Sample())
	want := Sample()
	want.Groups, want.Users = nil, want.Users[1:]
	r := apply(t, a, want)
	if r.Groups != 1 || r.Updated != 0 {
		t.Errorf("%+v", r)
	}
	want.Users = Sample().Users // nobody is deleted by being left out
	holds(t, a, want)
}

func open(t *testing.T, f Fixture) pbx.Adapter {
	t.Helper()
	a := f.Open(t)
	t.Cleanup(func() { a.Close() })
	return a
}

func read(t *testing.T, a pbx.Adapter) pbx.State {
	t.Helper()
	s, err := a.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func apply(t *testing.T, a pbx.Adapter, want pbx.State) pbx.Result {
	t.Helper()
	r, err := a.Apply(t.Context(), pbx.Diff(read(t, a), want))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// holds compares by what differs, which says more than two states beside each other.
func holds(t *testing.T, a pbx.Adapter, want pbx.State) {
	t.Helper()
	have := read(t, a)
	if p := pbx.Diff(have, want); !p.Empty() || len(have.Users) != len(want.Users) {
		t.Errorf("%d users, and to do: %+v", len(have.Users), p.Steps)
	}
}
