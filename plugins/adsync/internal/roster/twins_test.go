package roster_test

import (
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/directory"
	"github.com/culvert-pbx/culvert/plugins/adsync/internal/roster"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
)

// Of several people with one login it is said where they are in the directory, of many a few, and what to do.
func TestPeopleWithOneLoginAreNamed(t *testing.T) {
	var people []directory.Member
	for _, unit := range []string{"a", "b", "c", "d", "e"} {
		p := person("jo", "id="+unit, "mail="+unit+"@corp.example")
		p.DN = "uid=jo,ou=" + unit + "\u202e,dc=corp,dc=example"
		people = append(people, p)
	}
	r, err := roster.Make(pbx.State{}, people, rules(t))
	if err != nil || len(r.Items) != len(people) {
		t.Fatalf("%+v, %v", r.Items, err)
	}
	for _, i := range r.Items {
		for _, want := range []string{"uid=jo,ou=a", "uid=jo,ou=b", "uid=jo,ou=c", " and 2 more; ", "who.ignore"} {
			if !strings.Contains(i.Reason, want) || strings.ContainsRune(i.Reason, '\u202e') {
				t.Errorf("%q does not say %q", i.Reason, want)
			}
		}
	}
}
