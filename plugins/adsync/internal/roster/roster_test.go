package roster_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/directory"
	"github.com/culvert-pbx/culvert/plugins/adsync/internal/roster"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/phone"
)

func plan(t *testing.T) *phone.Plan {
	t.Helper()
	p, fs := phone.New(phone.Settings{
		Country: "49", Area: "721", Trunk: "0", International: "00", MinExtension: 2, MaxExtension: 4,
		Main: []string{"+49 721 50000"}, Blocks: []string{"+49 721 5000 100-199"},
	})
	if len(fs) > 0 {
		t.Fatal(fs)
	}
	return p
}

func rules(t *testing.T) roster.Rules {
	return roster.Rules{Phone: plan(t), Conflicts: roster.Skip, Orphans: roster.Mark, Limits: roster.Limits{Percent: 20, Always: 5}}
}

// person is somebody in the directory: login, and further "field=value".
func person(login string, fields ...string) directory.Member {
	m := directory.Member{Person: directory.Person{
		ID: "id-" + strings.ToLower(login), Login: login, Given: "Jo", Surname: "Doe", Mail: strings.ToLower(login) + "@corp.example",
	}}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		switch name {
		case "id":
			m.ID = value
		case "mail":
			m.Mail = value
		case "surname":
			m.Surname = value
		case "ext":
			m.Extension = value
		case "admin":
			m.Admin = true
		case "group":
			m.Groups = append(m.Groups, value)
		case "fax":
			m.Faxes = append(m.Faxes, directory.Number{Attribute: "facsimileTelephoneNumber", Text: value})
		case "mobile", "telephoneNumber":
			m.Phones = append(m.Phones, directory.Number{Attribute: name, Text: value})
		default:
			panic(name)
		}
	}
	return m
}

// synced is a PBX after a sync of these people.
func synced(t *testing.T, r roster.Rules, people ...directory.Member) pbx.State {
	t.Helper()
	return apply(t, pbx.State{}, r, people...)
}

func apply(t *testing.T, have pbx.State, r roster.Rules, people ...directory.Member) pbx.State {
	t.Helper()
	made, err := roster.Make(have, people, r)
	if err != nil {
		t.Fatal(err)
	}
	after := made.Plan.After(have)
	if fs := after.Check(); len(fs) > 0 {
		t.Fatalf("the PBX would refuse it: %v", fs)
	}
	return after
}

// text is a state in lines: login, name, extension, numbers, and marks.
func text(s pbx.State) string {
	var lines []string
	for _, u := range s.Users {
		line := u.Login + " " + u.Surname
		if u.Extension != "" {
			line += " " + u.Extension
		}
		for _, n := range u.Numbers {
			line += fmt.Sprintf(" %s(%s)", n.E164, n.Use)
		}
		if u.Admin {
			line += " admin"
		}
		if u.Status != pbx.Active {
			line += " " + string(u.Status)
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	for _, g := range s.Groups {
		line := "group " + g.Name
		for _, n := range g.Numbers {
			line += fmt.Sprintf(" %s(%s)", n.E164, n.Use)
		}
		for _, id := range g.Members {
			u, _ := s.User(id)
			line += " " + u.Login
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func lines(s ...string) string { return strings.Join(s, "\n") }

// Each case is a PBX after one sync, what the directory has then, and what the PBX has after the next.
func TestWhatThePBXShallHave(t *testing.T) {
	own := pbx.State{Users: []pbx.User{
		{ID: "boss", Login: "boss", Surname: "Boss", Mail: "boss@corp.example", Admin: true, Status: pbx.Active},
		{ID: "door", Login: "door", Surname: "Door", Extension: "111", Status: pbx.Active},
		{ID: "old", Login: "jd", Surname: "Doe", Mail: "Jo@corp.example", Extension: "112", Status: pbx.Active},
	}}
	ownText := []string{"boss Boss admin", "door Door 111", "jd Doe 112"}
	for _, c := range []struct {
		name   string
		have   pbx.State
		before []directory.Member // synced into have
		people []directory.Member
		rules  func(*roster.Rules)
		want   string
		items  string // LOGIN ACTION REASON, where there is something to say
	}{
		{name: "somebody new", people: []directory.Member{person("jo", "telephoneNumber=0721 5000-101", "mobile=0171 2345678", "fax=0721 5000 102")},
			want: "jo Doe 101 +497215000101(phone) +491712345678(mobile) +497215000102(fax)", items: "jo created"},
		{name: "nothing new", before: []directory.Member{person("jo", "ext=101")}, people: []directory.Member{person("jo", "ext=101")}, want: "jo Doe 101"},
		{name: "another login, name and place", before: []directory.Member{person("jo")}, people: []directory.Member{person("joanna", "id=id-jo", "surname=Ray")},
			want: "joanna Ray", items: "joanna updated login, surname, mail"},
		{name: "gone", before: []directory.Member{person("jo", "admin", "telephoneNumber=5000101"), person("al")}, people: []directory.Member{person("al")},
			want: lines("al Doe", "jo Doe 101 orphaned"), items: "jo marked not in the directory any more, or not among those who count"},
		{name: "gone, and kept", before: []directory.Member{person("jo", "admin"), person("al")}, people: []directory.Member{person("al")},
			rules: func(r *roster.Rules) { r.Orphans = roster.Keep }, want: lines("al Doe", "jo Doe admin")},
		{name: "gone, and disabled", before: []directory.Member{person("jo"), person("al")}, people: []directory.Member{person("al")},
			rules: func(r *roster.Rules) { r.Orphans = roster.Disable }, want: lines("al Doe", "jo Doe disabled"), items: "jo marked not in"},
		{name: "gone, and left alone", before: []directory.Member{person("jo", "admin"), person("al")}, people: []directory.Member{person("al")},
			rules: func(r *roster.Rules) { r.Alone = []string{"JO"} }, want: lines("al Doe", "jo Doe admin")},
		{name: "the PBX's own stay", have: own, people: []directory.Member{person("jo2", "mail=other@corp.example")},
			want: lines(append(slices.Clone(ownText), "jo2 Doe")...), items: "jo2 created"},
		{name: "known by the mail address", have: own, people: []directory.Member{person("jo")},
			want: lines("boss Boss admin", "door Door 111", "jo Doe 112"), items: "jo updated known by its mail address; identity, login"},
		{name: "admins of the PBX stay", have: own, people: []directory.Member{person("chef", "mail=boss@corp.example")},
			want: lines(ownText...), items: "chef skipped the user is protected, or on the list of those left alone"},
		{name: "a login of the PBX's own", have: own, people: []directory.Member{person("Door")}, want: lines(ownText...), items: "Door skipped another user of the PBX has its login"},
		{name: "an extension of the PBX's own", have: own, people: []directory.Member{person("jo", "mail=", "ext=111")},
			want: lines(append(slices.Clone(ownText), "jo Doe")...), items: "jo created 111 is used by the PBX"},
		{name: "one login twice", people: []directory.Member{person("jo", "id=a", "mail=a@corp.example"), person("JO", "id=b", "mail=b@corp.example"), person("al")},
			want: "al Doe", items: lines("JO skipped several people have the same login", "al created", "jo skipped several people have the same login")},
		{name: "one mail address twice", before: []directory.Member{person("jo")}, people: []directory.Member{person("jo"), person("al", "mail=JO@corp.example")},
			want: "jo Doe", items: "al skipped several people have the same mail address"},
		{name: "logins change places", before: []directory.Member{person("a", "id=1"), person("b", "id=2")},
			people: []directory.Member{person("b", "id=1", "mail=1@corp.example"), person("a", "id=2", "mail=2@corp.example")},
			want:   lines("a Doe", "b Doe"), items: lines("a updated login, mail", "b updated login, mail")},
		{name: "a login that somebody passed over keeps", before: []directory.Member{person("a", "id=1"), person("b", "id=2")},
			people: []directory.Member{person("", "id=1"), person("a", "id=2")},
			want:   lines("a Doe", "b Doe"), items: lines(" skipped it has no login", "a skipped another user of the PBX has its login")},
		{name: "made anew in the directory", before: []directory.Member{person("jo", "id=1", "ext=101")}, people: []directory.Member{person("jo", "id=2")},
			want: "jo Doe 101", items: "jo updated known by its mail address; identity"},
		{name: "ignored", people: []directory.Member{person("jo"), person("al")}, rules: func(r *roster.Rules) { r.Ignored = []string{"Jo"} },
			want: "al Doe", items: lines("al created", "jo skipped it is on the list of those passed over")},
		{name: "no room", before: []directory.Member{person("al")}, people: []directory.Member{person("al"), person("bo"), person("zoe", "admin")},
			rules: func(r *roster.Rules) { r.Users = 2 }, want: lines("al Doe", "zoe Doe admin"), items: lines("bo skipped the PBX has no room for another user", "zoe created")},
		{name: "numbers of others, and for help", people: []directory.Member{person("jo", "telephoneNumber=110", "telephoneNumber=+44 20 7946 0958", "telephoneNumber=+49 721 50000", "ext=112")},
			want: "jo Doe", items: `jo created "112": emergency and service numbers are nobody's own; "110": emergency`},
		{name: "a number of two", people: []directory.Member{person("al", "telephoneNumber=5000101", "ext=120"), person("bo", "telephoneNumber=5000101", "ext=121")},
			want: lines("al Doe 120", "bo Doe 121"), items: lines("al created +497215000101 is that of several people", "bo created +497215000101 is that of several people")},
		{name: "a number of two, one has it", before: []directory.Member{person("bo", "telephoneNumber=5000101")},
			people: []directory.Member{person("al", "telephoneNumber=5000101", "ext=120"), person("bo", "telephoneNumber=5000101")},
			want:   lines("al Doe 120", "bo Doe 101 +497215000101(phone)"), items: "al created"},
		{name: "a number of two, the first wins", people: []directory.Member{person("al", "telephoneNumber=5000101"), person("bo", "admin", "telephoneNumber=5000101")},
			rules: func(r *roster.Rules) { r.Conflicts = roster.FirstWins }, want: lines("al Doe", "bo Doe 101 +497215000101(phone) admin"), items: lines("al created", "bo created")},
		{name: "a number of two rings both", people: []directory.Member{person("al", "telephoneNumber=5000101", "ext=120"), person("bo", "telephoneNumber=5000101", "ext=121")},
			rules: func(r *roster.Rules) { r.Conflicts = roster.MakeGroup },
			want:  lines("al Doe 120", "bo Doe 121", "group +497215000101 +497215000101(phone) al bo"), items: lines("al created", "bo created")},
		{name: "and no longer", before: []directory.Member{person("al", "telephoneNumber=5000101", "ext=120"), person("bo", "telephoneNumber=5000101", "ext=121")},
			people: []directory.Member{person("al", "telephoneNumber=5000101", "ext=120"), person("bo", "ext=121")},
			rules:  func(r *roster.Rules) { r.Conflicts = roster.MakeGroup },
			want:   lines("al Doe 120 +497215000101(phone)", "bo Doe 121"), items: "al updated numbers"},
		{name: "an extension that another has", before: []directory.Member{person("al", "ext=120"), person("bo", "ext=121")},
			people: []directory.Member{person("al", "ext=121"), person("bo", "ext=121")},
			want:   lines("al Doe 120", "bo Doe 121"), items: "al unchanged 121 is that of several people"},
		{name: "groups", people: []directory.Member{person("al", "group=sales"), person("bo", "group=sales", "group=it")},
			rules: func(r *roster.Rules) { r.Groups = []string{"sales", "it"} }, want: lines("al Doe", "bo Doe", "group it bo", "group sales al bo"), items: lines("al created", "bo created")},
		{name: "who leaves a group", before: []directory.Member{person("al", "group=sales"), person("bo", "group=sales")}, people: []directory.Member{person("al", "group=sales"), person("bo")},
			rules: func(r *roster.Rules) { r.Groups = []string{"sales"} }, want: lines("al Doe", "bo Doe", "group sales al"), items: "bo updated leaves the group sales"},
		{name: "who has gone leaves a group", before: []directory.Member{person("al", "group=sales"), person("bo", "group=sales")}, people: []directory.Member{person("al", "group=sales")},
			rules: func(r *roster.Rules) { r.Groups, r.Orphans = []string{"sales"}, roster.Keep }, want: lines("al Doe", "bo Doe", "group sales al"),
			items: "bo updated not in the directory any more, or not among those who count; leaves the group sales"},
		{name: "who is passed over leaves none", have: pbx.State{Groups: []pbx.Group{{ID: "sales", Name: "Sales"}}},
			before: []directory.Member{person("al", "group=sales"), person("bo", "group=sales")}, people: []directory.Member{person("al", "group=sales"), person("", "id=id-bo", "group=sales")},
			rules: func(r *roster.Rules) { r.Groups = []string{"sales"} }, want: lines("al Doe", "bo Doe", "group Sales al bo"), items: " skipped it has no login"},
		{name: "who is an admin no longer", before: []directory.Member{person("al", "admin"), person("bo", "admin")}, people: []directory.Member{person("al", "admin"), person("bo")},
			rules: func(r *roster.Rules) { r.Admins = true }, want: lines("al Doe admin", "bo Doe"), items: "bo updated admin; is no administrator any more"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rules(t)
			if c.rules != nil {
				c.rules(&r)
			}
			have := c.have
			have.Sort()
			if len(c.before) > 0 {
				have = apply(t, have, r, c.before...)
			}
			made, err := roster.Make(have, c.people, r)
			if err != nil {
				t.Fatal(err)
			}
			after := apply(t, have, r, c.people...)
			if got := text(after); got != c.want {
				t.Errorf("the PBX has\n%s\nand should have\n%s", got, c.want)
			}
			sameItems(t, made.Items, c.items)
			if again, err := roster.Make(after, c.people, r); err != nil || !again.Plan.Empty() {
				t.Errorf("the same again changes %+v, %v", again.Plan.Steps, err)
			}
		})
	}
}

// sameItems compares what is said of each; reasons are given by how they begin.
func sameItems(t *testing.T, items []roster.Item, want string) {
	t.Helper()
	var got []string
	for _, i := range items {
		got = append(got, strings.TrimSuffix(fmt.Sprintf("%s %s %s", i.Login, i.Action, i.Reason), " "))
	}
	wants := strings.Split(want, "\n")
	ok := len(got) == len(wants) || want == "" && len(got) == 0
	for i := range min(len(got), len(wants)) {
		ok = ok && (strings.HasPrefix(got[i], wants[i]))
	}
	if !ok {
		t.Errorf("it says\n%s\nand should say\n%s", strings.Join(got, "\n"), want)
	}
}

// By a mail address in another case a person is known. One that is nearly a user's makes nobody that user, and is noted.
func TestMailAddressesThatAreNearlyAUsers(t *testing.T) {
	have := pbx.State{Users: []pbx.User{{ID: "old", Login: "jd", Surname: "Doe", Mail: "Jo.Doe@corp.example", Status: pbx.Active}}}
	for mail, want := range map[string]string{
		"Jo.Doe@corp.example": "same", "jo.doe@CORP.example": "same",
		"jo.doe @corp.example": "near", " jo.doe@corp.example": "near", "jo.doe@corp.example\t": "near", "jo.doe\u00a0@corp.example": "near",
		"jo\u200b.doe@corp.example": "near", "j\u00f6.doe@corp.example": "near", "\uff4ao.doe@corp.example": "near", "Jo.Doe@corp.example.": "near", "JO.DOE@corp. example": "near",
		"jo.doe@corp.example.org": "other", "jodoe@corp.example": "other", "jo.doe@corpexample": "other", "": "other",
	} {
		made, err := roster.Make(have, []directory.Member{person("jo", "mail="+mail)}, rules(t))
		if err != nil || len(made.Items) != 1 {
			t.Fatalf("%q: %+v, %v", mail, made.Items, err)
		}
		got, i := "other", made.Items[0]
		switch {
		case i.Action == roster.Updated && strings.HasPrefix(i.Reason, "known by its mail address"):
			got = "same"
		case i.Action == roster.Created && strings.Contains(i.Reason, "nearly that of the user jd"):
			got = "near"
		}
		if u, _ := made.Want.User("old"); got != want || (u.Login == "jo") != (want == "same") {
			t.Errorf("%q is %s: %+v", mail, got, i)
		}
	}
}

func TestStopsWhereTooMuchWouldChange(t *testing.T) {
	var people []directory.Member
	for i := range 20 {
		people = append(people, person(fmt.Sprintf("u%02d", i)))
	}
	have := synced(t, rules(t), people...)
	for _, c := range []struct {
		gone   int
		limits roster.Limits
		stops  bool
	}{
		{4, roster.Limits{Percent: 20}, false}, {5, roster.Limits{Percent: 20}, true}, {5, roster.Limits{Percent: 20, Always: 5}, false},
		{5, roster.Limits{Users: 4}, true}, {4, roster.Limits{Users: 4}, false}, {19, roster.Limits{}, false},
	} {
		r := rules(t)
		r.Limits = c.limits
		made, err := roster.Make(have, people[c.gone:], r)
		var b *roster.Blocked
		if errors.As(err, &b) != c.stops || made == nil {
			t.Errorf("with %d gone and limits %+v: %v", c.gone, c.limits, err)
		}
	}
}

// A group that had people and has nobody any more changes nothing, until that is accepted; whoever loses by it is named.
func TestAGroupWithNobodyAnyMoreStops(t *testing.T) {
	r := rules(t)
	r.Groups, r.Admins = []string{"it", "sales"}, true
	have := synced(t, r, person("al", "admin", "group=sales"), person("bo", "group=sales"), person("cy", "admin"))
	for _, c := range []struct {
		name    string
		people  []directory.Member
		edit    func(*roster.Rules)
		setting string
		would   int
		says    string
	}{
		{"all as it was", []directory.Member{person("al", "admin", "group=sales"), person("bo", "group=sales"), person("cy", "admin")}, nil, "", 0, ""},
		{"no admins", []directory.Member{person("al", "group=sales"), person("bo", "group=sales"), person("cy")}, nil, "who.admins", 2, "2 of 3 users would administer the PBX no longer"},
		{"nobody in sales", []directory.Member{person("al", "admin"), person("bo"), person("cy", "admin")}, nil, "groups.sales", 2, "2 of 3 users would leave the group sales"},
		{"who was in it has gone", []directory.Member{person("cy", "admin")}, nil, "groups.sales", 2, "nothing was changed"},
		{"one who is passed over is in it", []directory.Member{person("al", "admin"), person("bo"), person("cy", "admin"), person("", "id=x", "group=sales")}, nil, "groups.sales", 2, "groups.sales names"},
		{"one has left", []directory.Member{person("al", "admin"), person("bo", "group=sales"), person("cy", "admin")}, nil, "", 0, ""},
		{"accepted", []directory.Member{person("al"), person("bo"), person("cy")}, func(r *roster.Rules) { r.Accept = true }, "", 0, ""},
		{"nothing says who is an admin", []directory.Member{person("al", "group=sales"), person("bo"), person("cy")}, func(r *roster.Rules) { r.Admins = false }, "", 0, ""},
		{"others are in it", []directory.Member{person("al", "admin"), person("bo"), person("cy", "admin"), person("di", "group=sales")}, nil, "", 0, ""},
	} {
		now := r
		if c.edit != nil {
			c.edit(&now)
		}
		made, err := roster.Make(have, c.people, now)
		var b *roster.Blocked
		if !errors.As(err, &b) {
			b = &roster.Blocked{}
		}
		if b.Emptied != c.setting || b.Would != c.would || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
		lost := 0
		for _, i := range made.Items {
			if strings.Contains(i.Reason, "leaves the group sales") || strings.Contains(i.Reason, "is no administrator any more") {
				lost++
			}
		}
		if lost < c.would {
			t.Errorf("%s: %d are named of %d who lose something: %+v", c.name, lost, c.would, made.Items)
		}
	}
}

// Who leaves a group counts for the limits, whatever becomes of the group.
func TestWhoLeavesAGroupCountsForTheLimits(t *testing.T) {
	r := rules(t)
	r.Groups = []string{"sales"}
	var people, few []directory.Member
	for i := range 20 {
		people = append(people, person(fmt.Sprintf("u%02d", i), "group=sales"))
		few = append(few, person(fmt.Sprintf("u%02d", i)))
	}
	few[0] = people[0]
	have := synced(t, r, people...)
	unset := r
	unset.Groups = nil
	for _, c := range []struct {
		people []directory.Member
		rules  roster.Rules
		would  int
	}{{people, r, 0}, {few, r, 19}, {people, unset, 20}} {
		_, err := roster.Make(have, c.people, c.rules)
		var b *roster.Blocked
		if errors.As(err, &b) != (c.would > 0) || c.would > 0 && (b.Would != c.would || b.Of != 20 || b.Emptied != "") {
			t.Errorf("where %d would leave: %v", c.would, err)
		}
	}
}

// Who is passed over as somebody wished it is told from who is not, and what matters comes first.
func TestWhoIsPassedOverAsWished(t *testing.T) {
	r := rules(t)
	r.Ignored, r.Alone, r.Groups = []string{"ig", "box@corp.example"}, []string{"door"}, []string{"sales"}
	have := synced(t, rules(t), person("door"), person("gone"), person("re"))
	people := []directory.Member{person("door", "surname=New"), person("ig"), person("", "id=box", "mail=box@corp.example"), person("a1"), person("a2", "ext=112"), person("re", "surname=Ray"), person("zz", "mail=a1@corp.example")}
	made, err := roster.Make(have, people, r)
	if err != nil {
		t.Fatal(err)
	}
	if made.Count.Skipped != 5 || made.Count.Wanted != 3 {
		t.Errorf("it counts %+v", made.Count)
	}
	var got []string
	for _, i := range roster.ByWeight(made.Items) {
		got = append(got, i.Login)
		if i.Wanted != (i.Login == "door" || i.Login == "ig" || i.Login == "") || i.Urgent() != (i.Login == "a1" || i.Login == "zz") {
			t.Errorf("of %s it says %+v", i.Login, i)
		}
	}
	if want := "a1 zz gone a2  door ig re"; strings.Join(got, " ") != want {
		t.Errorf("they are in the order %q", got)
	}
}
