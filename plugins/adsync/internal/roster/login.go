package roster

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/directory"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// loginForm: what a login may be, wherever the PBX writes it.
var loginForm = regexp.MustCompile(`^[\p{L}\p{N}]([\p{L}\p{N}\p{Mn}._@+ -]{0,62}[\p{L}\p{N}\p{Mn}._@+-])?$`)

// excluded says why a person is no user of the PBX, whatever that has; "" where it may be one. ignored are the folded
// logins and mail addresses of those passed over.
func excluded(p directory.Person, ignored map[string]bool) string {
	switch {
	case ignored[fold(p.Login)] || p.Mail != "" && ignored[fold(p.Mail)]:
		return "it is on the list of those passed over"
	case p.Login == "":
		return "it has no login: give " + tunnel.Clean(p.DN, 150) + " one"
	case !loginForm.MatchString(p.Login):
		return "its login cannot be one of the PBX: give " + tunnel.Clean(p.DN, 150) +
			" one of at most 64 letters, digits and . _ - @ +, with spaces between them alone"
	}
	return ""
}

// Meant is whom a login means, of the people in the directory who have it: somebody who may be a user of the PBX, and of
// several the one who is an active one. ignored are the logins and mail addresses of those passed over; have reads the PBX,
// where that is needed. Errors are of the directory where nobody is meant: NotAMember, or Twice.
func Meant(people []directory.Person, ignored []string, have func() (pbx.State, error)) (directory.Person, error) {
	var may []directory.Person
	why, passedOver := "", folded(ignored)
	for _, p := range people {
		if trouble := excluded(p, passedOver); trouble != "" {
			why = trouble
			continue
		}
		may = append(may, p)
	}
	switch len(may) {
	case 0:
		return directory.Person{}, &directory.Error{Code: directory.NotAMember, Message: "the user is none of the PBX: " + why, Remedy: "see who.ignore: culvert config show " + directory.Unnamed}
	case 1:
		return may[0], nil
	}
	state, err := have()
	if err != nil {
		return directory.Person{}, fmt.Errorf("read the users of the PBX: %w", err)
	}
	return theirs(state, may)
}

// theirs is the one of several people who is an active user of the PBX.
func theirs(have pbx.State, people []directory.Person) (directory.Person, error) {
	active := map[string]bool{}
	for _, u := range have.Users {
		if u.External != "" && u.Status == pbx.Active {
			active[u.External] = true
		}
	}
	var found []directory.Person
	var all []string
	for _, p := range people {
		if active[p.ID] {
			found = append(found, p)
		}
		all = append(all, p.DN)
	}
	if len(found) == 1 {
		return found[0], nil
	}
	return directory.Person{}, &directory.Error{
		Code: directory.Twice, Message: fmt.Sprintf("%d people have one login, and %d of them are users of the PBX: %s", len(people), len(found), tunnel.Clean(strings.Join(all, "; "), 300)),
		Remedy: "give each a login of its own in the directory; or leave one of them alone among those who count (who.groups), and: culvert action run " + directory.Unnamed + " sync-now",
	}
}
