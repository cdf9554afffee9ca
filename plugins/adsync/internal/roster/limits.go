package roster

import (
	"fmt"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
)

// Limits keep one run from changing more users than its operator would believe. Who leaves a group counts as changed. New users
// do not count: they take nothing from anybody, and Rules.Users limits them.
type Limits struct {
	Percent int // of the users from the directory; 0: no such limit
	Users   int // 0: no such limit
	Always  int // so many may change in any case, for a percentage says little of a small PBX
}

// Blocked is a run that would change too much, or take at its word that a group has nobody any more, and changes nothing.
type Blocked struct {
	Would, Of int // users that would change or go, and those that there are from the directory
	Limit     string

	Emptied string // the setting that names the group with nobody; "" where it is a limit
	Loss    string // what would become of its users: "leave the group sales"
}

func (b *Blocked) Error() string {
	if b.Emptied != "" {
		return fmt.Sprintf("nobody of the group that %s names counts any more, and %d of %d users would %s: nothing was changed", b.Emptied, b.Would, b.Of, b.Loss)
	}
	return fmt.Sprintf("%d of %d users would be changed, marked or disabled, which is more than %s: nothing was changed", b.Would, b.Of, b.Limit)
}

func (l Limits) check(have pbx.State, p pbx.Plan, losses map[pbx.ID]*loss) error {
	of, would := fromThere(have), len(losses)
	for _, s := range p.Steps {
		if s.Op == pbx.UpdateUser && s.Before.External != "" && losses[s.User.ID] == nil {
			would++
		}
	}
	switch {
	case would <= l.Always:
	case l.Users > 0 && would > l.Users:
		return &Blocked{Would: would, Of: of, Limit: fmt.Sprintf("safety.users, %d", l.Users)}
	case l.Percent > 0 && would*100 > of*l.Percent:
		return &Blocked{Would: would, Of: of, Limit: fmt.Sprintf("safety.percent, %d %%", l.Percent)}
	}
	return nil
}

// fromThere is how many users are from the directory.
func fromThere(have pbx.State) (n int) {
	for _, u := range have.Users {
		if u.External != "" {
			n++
		}
	}
	return n
}
