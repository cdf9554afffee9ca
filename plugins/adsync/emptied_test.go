package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/roster"
	"github.com/culvert-pbx/culvert/plugins/internal/slapdtest"
	"github.com/culvert-pbx/culvert/sdk/sdktest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// A group of the directory that is emptied takes nobody's rights and no group's members, until somebody accepts it; and then
// each who loses something is named.
func TestAnEmptiedGroupStops(t *testing.T) {
	b := newBed(t, three+slapdtest.Group("sales", dn("bob"), dn("carl")))
	b.set("who.admins", cn("admins"))
	b.set("groups", map[string]string{"sales": cn("sales")})
	b.sync()
	nobody := "cn=nobody," + slapdtest.Base
	for _, c := range []struct {
		group, setting, loses string
		members, who          []string
	}{
		{"admins", "who.admins", "is no administrator any more", []string{dn("alice")}, []string{"alice"}},
		{"sales", "groups.sales", "leaves the group sales", []string{dn("bob"), dn("carl")}, []string{"bob", "carl"}},
	} {
		before := b.files()
		b.servers[0].Set(cn(c.group), "member", nobody)
		r, err := b.try(false, false)
		var blocked *roster.Blocked
		if !errors.As(err, &blocked) || blocked.Emptied != c.setting || r.Outcome != tunnel.ResultFailed || !strings.Contains(r.Error, c.setting) {
			t.Errorf("%s: %v, %+v", c.setting, err, r)
		}
		if b.files() != before {
			t.Errorf("%s: a run that stopped changed something", c.setting)
		}
		r, err = b.try(false, true)
		var who []string
		for _, i := range r.Items {
			if strings.Contains(i.Reason, c.loses) {
				who = append(who, i.Login)
			}
		}
		if err != nil || !slices.Equal(who, c.who) || b.files() == before {
			t.Errorf("%s accepted: %v, %+v", c.setting, err, r.Items)
		}
		if r := b.sync(); r.Counts.Updated != 0 {
			t.Errorf("%s once it is accepted: %+v", c.setting, r)
		}
		b.servers[0].Set(cn(c.group), "member", c.members...)
		b.sync()
	}
}

// What is to be typed is in the answer.
func TestAnEmptiedGroupSaysHowToAcceptIt(t *testing.T) {
	b := newBed(t, three)
	b.set("who.admins", cn("admins"))
	w := b.world()
	settled(t, w)
	if got, err := w.Act(t.Context(), "sync-now", sdktest.Ask{}); err != nil || got.Outcome != tunnel.ResultOK {
		t.Fatalf("%+v, %v", got, err)
	}
	b.servers[0].Set(cn("admins"), "member", "cn=nobody,"+slapdtest.Base)
	got, err := w.RunJob(t.Context(), "sync", sdktest.Ask{})
	if err != nil || got.Outcome != tunnel.ResultFailed || !strings.Contains(got.Message, "who.admins") || !strings.Contains(got.Remedy, "culvert action run adsync/default sync-now accept=true") {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := w.Act(t.Context(), "sync-now", sdktest.Ask{Arguments: `{"accept":true}`}); err != nil || got.Outcome != tunnel.ResultOK {
		t.Errorf("accepted: %+v, %v", got, err)
	}
}

// Who is on a list of the operator's leaves no run partial; who has the login of another does.
func TestWhoIsPassedOverAsWishedLeavesARunOK(t *testing.T) {
	b := newBed(t, three)
	b.sync()
	b.set("who.ignore", []string{"carl"})
	b.set("users.alone", []string{"bob"})
	if r := b.sync(); r.Outcome != tunnel.ResultOK || r.Counts.Skipped != 2 {
		t.Errorf("it is %s: %+v", r.Outcome, r.Items)
	}
	b.servers[0].Set(dn("alice"), "mail", "bob@corp.example")
	if r := b.sync(); r.Outcome != tunnel.ResultPartial || r.Counts.Skipped != 3 || r.Items[0].Login != "alice" {
		t.Errorf("it is %s: %+v", r.Outcome, r.Items)
	}
}

// However many rows there are, those that matter are among the ones that are kept.
func TestWhatMattersIsNotCutOff(t *testing.T) {
	made := &roster.Roster{}
	for i := range maxItems + 10 {
		made.Items = append(made.Items, roster.Item{Login: fmt.Sprintf("u%05d", i), Action: roster.Created})
	}
	made.Items = append(made.Items, roster.Item{Login: "zoe", Action: roster.Skipped})
	r := report{Warnings: []string{"passed over"}, Refused: []refusal{{Of: "group sales", Field: "numbers"}}}
	r.take(made)
	if len(r.Items) != maxItems || r.LeftOff != 11 || r.Items[0].Login != "zoe" || r.Items[1].Login != "u00000" {
		t.Errorf("%d are kept, %d are not: %+v", len(r.Items), r.LeftOff, r.Items[:2])
	}
	rows := r.shown().Rows
	if len(rows) != maxItems+2 || rows[0][0] != "zoe" || rows[1][1] != "warning" || rows[2][0] != "group sales" || rows[3][0] != "u00000" {
		t.Errorf("of %d rows the first are %q", len(rows), rows[:4])
	}
}

// Half a filter is refused where it is set: among other filters it would be a whole one.
func TestHalfAFilterIsRefused(t *testing.T) {
	for filter, bad := range map[string]bool{"(sn=*": true, "sn=A*": true, "(sn=A*)(uid=*)": true, "": false, "(sn=A*)": false} {
		fs := settings{Who: who{Filter: filter}}.Validate()
		i := slices.IndexFunc(fs, func(f tunnel.Finding) bool { return f.Field == "who.filter" })
		if (i >= 0) != bad || bad && !strings.HasPrefix(fs[i].Message, "this is not an LDAP filter: ") {
			t.Errorf("%q: %v", filter, fs)
		}
	}
}
