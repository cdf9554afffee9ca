package roster

import (
	"fmt"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
)

// Limits keep one run from changing more users than its operator would believe. New users do not count: they take nothing from
// anybody, and Rules.Users limits them.
type Limits struct {
	Percent int // of the users from the directory; 0: no such limit
	Users   int // 0: no such limit
	Always  int // so many may change in any case, for a percentage says little of a small PBX
}

// Blocked is a run that would change too much, and changes nothing.
type Blocked struct {
	Would, Of int // users that would change or go, and those that there are from the directory
	Limit     string
}

func (b *Blocked) Error() string {
	return fmt.Sprintf("%d of %d users would be changed, marked or disabled, which is more than %s: nothing was changed", b.Would, b.Of, b.Limit)
}

func (l Limits) check(have pbx.State, p pbx.Plan) error {
	of, would := 0, 0
	for _, u := range have.Users {
		if u.External != "" {
			of++
		}
	}
	for _, s := range p.Steps {
		if s.Op == pbx.UpdateUser && s.Before.External != "" {
			would++
		}
	}
	switch {
	case would <= l.Always:
	case l.Users > 0 && would > l.Users:
		return &Blocked{would, of, fmt.Sprintf("safety.users, %d", l.Users)}
	case l.Percent > 0 && would*100 > of*l.Percent:
		return &Blocked{would, of, fmt.Sprintf("safety.percent, %d %%", l.Percent)}
	}
	return nil
}
