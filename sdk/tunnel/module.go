package tunnel

import "encoding/json"

// Slot is a mapping that a module knows how to use. Kinds[0] and Spec are its defaults; the operator may choose another
// of Kinds, another spec, or switch it off.
type Slot struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Kinds []Kind `json:"kinds"`
	Spec  string `json:"spec"` // in the grammar of its kind: ":636", "9100:9100"
	On    bool   `json:"on"`

	// Ports are those that the service behind the mapping may have: of a reach kind the remote, of an expose kind the
	// local one. None: all.
	Ports []PortRange `json:"ports,omitempty"`
}

// Policy restricts the mappings of an owner's tunnels, operator-made ones included (R49). The zero Policy allows the
// module's slots and nothing else.
type Policy struct {
	Any   bool   `json:"any,omitempty"`   // everything is allowed
	Kinds []Kind `json:"kinds,omitempty"` // these kinds are allowed for mappings outside the slots

	// Ports are those that the services behind such mappings may have, as in a Slot. None: all.
	Ports []PortRange `json:"ports,omitempty"`
}

// Anything allows every mapping.
var Anything = Policy{Any: true}

// Grant is a right beyond the sandbox that a module asks for, such as "dial 5038"; the operator gives it.
type Grant string

// Description is what a module says of itself, kept by the checksum of its binary.
type Description struct {
	Name    string          `json:"name"`
	Version string          `json:"version"`
	Slots   []Slot          `json:"slots,omitempty"`
	Policy  Policy          `json:"policy"`
	Grants  []Grant         `json:"grants,omitempty"`
	Schema  json.RawMessage `json:"schema,omitempty"` // JSON Schema of its settings; the SDK derives it

	// Capabilities are what it can do besides Run, such as CapabilityTester; the SDK finds them. Unknown ones are passed over.
	Capabilities []string `json:"capabilities,omitempty"`
	Actions      []Action `json:"actions,omitempty"`
	Jobs         []Job    `json:"jobs,omitempty"`

	// Contract is the version of the contract that it speaks. The host fills it in, 0 is not known.
	Contract int `json:"contract,omitempty"`
}

// Site is the part of a configuration's settings that one tunnel is made from; it looks the same in every module (R54).
// The passwords of login and proxy are not here: they are sealed and never leave the host.
type Site struct {
	Server      string                  `json:"server,omitempty"` // SERVER text; "" is no tunnel
	Login       Login                   `json:"login,omitempty"`  // default key
	Fingerprint string                  `json:"fingerprint,omitempty"`
	Via         string                  `json:"via,omitempty"` // proxy, as ParseVia reads it
	LAN         string                  `json:"lan,omitempty"` // as ParseLAN reads it
	Slots       map[string]SlotSettings `json:"slots,omitempty"`

	// Offered are the slots that the module's settings offer at this site, nil: all it has. It is the module's to say, so
	// it is no part of the settings' text.
	Offered []string `json:"-"`
}

// SlotSettings are the operator's choices for one slot; nil and "" mean the slot's own default.
type SlotSettings struct {
	On   *bool  `json:"on,omitempty"`
	Kind Kind   `json:"kind,omitempty"`
	Spec string `json:"spec,omitempty"`
	Lane string `json:"lane,omitempty"` // main or bulk
}
