package pbx

import "slices"

// ID names a user or a group of the PBX for ever. The module that makes one chooses it, best from what never changes at
// the source, like an objectGUID: letters a-z, digits and hyphens, at most 64, beginning with a letter or digit.
type ID string

// Status says how far a user takes part.
type Status string

// The states of a user. An orphan is somebody whose source has gone: kept, shown as such, never deleted.
const (
	Active   Status = "active"
	Orphaned Status = "orphaned"
	Disabled Status = "disabled"
)

// User is a person or a device with a place in the PBX. Texts are one line of at most MaxText characters; Check has the
// rules of each field.
type User struct {
	ID       ID     `json:"id"`
	External string `json:"external,omitempty"` // who it is at the source that keeps it; empty for users of the PBX's own
	Login    string `json:"login"`

	GivenName   string `json:"given_name,omitempty"`
	Surname     string `json:"surname,omitempty"`
	DisplayName string `json:"display_name,omitempty"`
	Mail        string `json:"mail,omitempty"`
	Company     string `json:"company,omitempty"`
	Department  string `json:"department,omitempty"`
	Title       string `json:"title,omitempty"`

	Extension string   `json:"extension,omitempty"` // the internal number: digits alone
	Numbers   []Number `json:"numbers,omitempty"`
	Admin     bool     `json:"admin,omitempty"`
	Status    Status   `json:"status"`

	// Protected users belong to the PBX: no plan changes them. Adapters set it, modules only read it.
	Protected bool `json:"protected,omitempty"`
}

// Name is what people call the user: the display name, the names joined, or the login.
func (u User) Name() string {
	switch {
	case u.DisplayName != "":
		return u.DisplayName
	case u.GivenName != "" && u.Surname != "":
		return u.GivenName + " " + u.Surname
	case u.Surname != "":
		return u.Surname
	case u.GivenName != "":
		return u.GivenName
	}
	return u.Login
}

// Equal reports whether nothing differs; the order of the numbers counts.
func (u User) Equal(o User) bool {
	return u.plain() == o.plain() && slices.Equal(u.Numbers, o.Numbers)
}

// plain is all of a user but the numbers, in a form that compares.
func (u User) plain() [14]any {
	return [...]any{u.ID, u.External, u.Login, u.GivenName, u.Surname, u.DisplayName, u.Mail, u.Company, u.Department, u.Title,
		u.Extension, u.Admin, u.Status, u.Protected}
}

// Use says what a number is for.
type Use string

// The uses of a number. A mobile number is the user's own, not one of the PBX: it is listed, never routed.
const (
	Phone  Use = "phone"
	Fax    Use = "fax"
	Mobile Use = "mobile"
)

// Number is an outside number: E.164 with its plus sign.
type Number struct {
	E164 string `json:"e164"`
	Use  Use    `json:"use"`
}

// Group is several users who are called together, or who share a right.
type Group struct {
	ID       ID       `json:"id"`
	External string   `json:"external,omitempty"` // what it is at its source
	Name     string   `json:"name"`
	Members  []ID     `json:"members,omitempty"` // sorted, each once, all of them users of the state
	Numbers  []Number `json:"numbers,omitempty"` // outside numbers that ring all members

	// Protected groups belong to the PBX, as with users.
	Protected bool `json:"protected,omitempty"`
}

// Equal reports whether nothing differs.
func (g Group) Equal(o Group) bool {
	return g.ID == o.ID && g.External == o.External && g.Name == o.Name && g.Protected == o.Protected &&
		slices.Equal(g.Members, o.Members) && slices.Equal(g.Numbers, o.Numbers)
}
