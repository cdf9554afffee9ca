package pbx

import "github.com/culvert-pbx/culvert/sdk/tunnel"

// Capability is one thing that a telephone system can keep or do.
type Capability string

// What an adapter may be able to do.
const (
	Users       Capability = "users"        // keeps users with their names and mail
	Extensions  Capability = "extensions"   // an internal number for a user
	Numbers     Capability = "numbers"      // outside numbers that ring a user
	FaxNumbers  Capability = "fax-numbers"  // outside numbers for a user's faxes
	Groups      Capability = "groups"       // groups with members and numbers of their own
	Admins      Capability = "admins"       // users who may administer the PBX
	CallerNames Capability = "caller-names" // the user's name is shown to those called
	Reload      Capability = "reload"       // the PBX takes up changes at once, without a person
)

// Support says whether an adapter has a capability, and if not why, in words for the operator.
type Support struct {
	Capability Capability
	Supported  bool
	Why        string
}

// Capabilities is the whole list of an adapter, each capability once.
type Capabilities []Support

// Has reports whether a capability is supported.
func (cs Capabilities) Has(c Capability) bool {
	for _, s := range cs {
		if s.Capability == c {
			return s.Supported
		}
	}
	return false
}

// Unsupported is the code of a refusal for what the PBX cannot keep.
const Unsupported tunnel.Code = "unsupported"

// Refusal is one field that was left out: of a user or of a group, and for one file alone where the finding names it.
type Refusal struct {
	User    ID // or Group
	Group   ID
	Finding tunnel.Finding // Field is the JSON name of the field
}
