package roster

import (
	"fmt"
	"regexp"
	"slices"
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

// Meant is whom a login means, of the people in the directory who have it, and which user of the PBX that is: the only one who
// may be a user, or of several the one who is an active one. ignored are the logins and mail addresses of those passed over;
// have reads the PBX, where that is needed. Errors are of the directory: NotAMember or Twice where nobody is meant, and
// NotAMember together with the person who is, but is no active user.
func Meant(people []directory.Person, ignored []string, have func() (pbx.State, error)) (directory.Person, pbx.User, error) {
	var may []directory.Person
	why, passedOver := "", folded(ignored)
	for _, p := range people {
		if trouble := excluded(p, passedOver); trouble != "" {
			why = trouble
			continue
		}
		may = append(may, p)
	}
	if len(may) == 0 {
		return directory.Person{}, pbx.User{}, &directory.Error{Code: directory.NotAMember, Message: "the user is none of the PBX: " + why, Remedy: "see who.ignore: culvert config show " + directory.Unnamed}
	}
	state, err := have()
	if err != nil {
		return directory.Person{}, pbx.User{}, fmt.Errorf("read the users of the PBX: %w", err)
	}
	return theirs(state, may)
}

// theirs is the one of the people, of whom there is one at least, who is an active user of the PBX.
func theirs(have pbx.State, people []directory.Person) (directory.Person, pbx.User, error) {
	var u pbx.User
	var found []directory.Person
	var all []string
	for _, p := range people {
		all = append(all, p.DN)
		is := func(u pbx.User) bool { return p.ID != "" && u.External == p.ID && u.Status == pbx.Active }
		if i := slices.IndexFunc(have.Users, is); i >= 0 {
			found, u = append(found, p), have.Users[i]
		}
	}
	switch {
	case len(found) == 1:
		return found[0], u, nil
	case len(people) == 1:
		return people[0], pbx.User{}, &directory.Error{
			Code: directory.NotAMember, Message: tunnel.Clean(people[0].DN, 150) + " is no active user of the PBX",
			Remedy: "culvert action run " + directory.Unnamed + " sync-now, which makes it one, or says why not",
		}
	}
	return directory.Person{}, pbx.User{}, &directory.Error{
		Code: directory.Twice, Message: fmt.Sprintf("%d people have one login, and %d of them are users of the PBX: %s", len(people), len(found), tunnel.Clean(strings.Join(all, "; "), 300)),
		Remedy: "give each a login of its own in the directory; or leave one of them alone among those who count (who.groups), and: culvert action run " + directory.Unnamed + " sync-now",
	}
}
