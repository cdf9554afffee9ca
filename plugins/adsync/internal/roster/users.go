package roster

import (
	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
)

// update makes each candidate the user it shall be, without numbers yet. What cannot be kept of a text is left out and
// noted.
func (w *work) update() {
	for _, c := range w.all {
		if c.skip != "" {
			continue
		}
		p, u := c.person, c.before
		if !c.known {
			u.ID = pbx.ID(p.ID)
		}
		u.External, u.Login, u.Admin, u.Status = p.ID, p.Login, p.Admin, pbx.Active
		u.GivenName, u.Surname, u.DisplayName, u.Mail = p.Given, p.Surname, p.Display, p.Mail
		u.Company, u.Department, u.Title, u.Numbers = p.Company, p.Department, p.Title, nil
		fit, fs, ok := u.Fit()
		for _, f := range fs {
			c.note("%s: %s", f.Field, f.Message)
		}
		if !ok {
			c.skip = "it cannot be a user of the PBX"
			continue
		}
		c.user = fit
	}
}

// orphans are users who came from the directory and are not in it any more, nor only passed over in it. They keep their
// internal number, and what makes them known again.
func (w *work) orphans() {
	if w.rules.Orphans == Keep {
		return
	}
	for _, u := range w.have.Users {
		if u.External == "" || w.byUser[u.ID] != nil || w.leftAlone(u) {
			continue
		}
		u.Numbers, u.Admin, u.Status = nil, false, pbx.Orphaned
		if w.rules.Orphans == Disable {
			u.Status = pbx.Disabled
		}
		w.gone[u.ID] = u
	}
}

// settle puts everybody in place.
func (w *work) settle() {
	for _, c := range w.all {
		if c.skip == "" {
			w.want.PutUser(c.user)
		}
	}
	for _, u := range w.gone {
		w.want.PutUser(u)
	}
	w.want.Sort()
}
