package pbx

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Outcome is what every adapter does with a plan before it writes anything: it refuses one that is stale, touches what is
// protected, or leads to a state with findings, and counts. after is the state to keep. Versions after a plan that is not
// empty, files, refusals and the reload are the adapter's to add.
func Outcome(have State, p Plan) (after State, r Result, err error) {
	if p.Base != "" && p.Base != have.Version {
		return State{}, Result{}, ErrStale
	}
	if err := p.checkProtected(have); err != nil {
		return State{}, Result{}, err
	}
	after = have
	if !p.Empty() {
		after = p.After(have)
	}
	if fs := after.Check(); len(fs) > 0 {
		return State{}, Result{}, fs
	}
	r = p.count(have)
	r.Version = have.Version
	return after, r, nil
}

// checkProtected: a plan neither changes what is protected nor makes anything so.
func (p Plan) checkProtected(have State) error {
	for _, s := range p.Steps {
		user, _ := have.User(s.User.ID)
		group, _ := have.Group(s.Group.ID)
		switch {
		case user.Protected || s.User.Protected:
			return fmt.Errorf("user %s: %w", s.User.ID, ErrProtected)
		case group.Protected || s.Group.Protected:
			return fmt.Errorf("group %s: %w", s.Group.ID, ErrProtected)
		}
	}
	return nil
}

func (p Plan) count(have State) (r Result) {
	for _, s := range p.Steps {
		switch s.Op {
		case CreateUser:
			r.Created++
		case UpdateUser:
			r.Updated++
		default:
			r.Groups++
		}
	}
	r.Unchanged = len(have.Users) - r.Updated
	return r
}

// Digest is equal for equal users and groups, and differs otherwise.
func (s State) Digest() string {
	h := sha256.New()
	e := json.NewEncoder(h)
	for _, u := range s.Users {
		e.Encode(u) //nolint:errcheck // a hash takes everything, and a user always has a JSON form
	}
	for _, g := range s.Groups {
		e.Encode(g) //nolint:errcheck // as above
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
