package settings

import "github.com/culvert-pbx/culvert/sdk/tunnel"

func newSecret() *node {
	return &node{Type: "string", Mark: Secret, WriteOnly: true, MaxLength: maxText}
}

// newSite is the same in every module (R54).
func newSite() *node {
	password, viaPassword := newSecret(), newSecret()
	password.MaxLength, viaPassword.MaxLength = maxString, maxString
	password.Title, viaPassword.Title = "Password", "Password of the proxy's user"
	return &node{Type: "object", Mark: Site, Others: &others{}, Properties: properties{
		{"server", &node{Type: "string", Title: "SSH server", Description: "[USER@]HOST[:PORT]; empty: no tunnel",
			MaxLength: 1024}},
		{"login", &node{Type: "string", Title: "Login", Enum: []string{string(tunnel.LoginKey),
			string(tunnel.LoginPassword)}}},
		{"password", password},
		{"fingerprint", &node{Type: "string", Title: "Fingerprint of the server", MaxLength: 128}},
		// Without a length of its own: a finding about that would show a password that somebody wrote into it.
		{"via", &node{Type: "string", Title: "Proxy",
			Description: "http://[USER@]HOST:PORT or socks5://[USER@]HOST:PORT; empty: none"}},
		{"via_password", viaPassword},
		{"lan", &node{Type: "string", Title: "Address of the server in its own network",
			Description: "to measure who else can connect to exposed ports, where the server is behind NAT", MaxLength: 64}},
		{"slots", &node{Type: "object", Title: "Mappings", Others: &others{newSlot()}}},
	}}
}

func newSlot() *node {
	kinds := make([]string, len(tunnel.Kinds))
	for i, k := range tunnel.Kinds {
		kinds[i] = string(k)
	}
	return &node{Type: "object", Others: &others{}, Properties: properties{
		{"on", &node{Type: "boolean", Title: "On"}},
		{"kind", &node{Type: "string", Title: "Kind", Enum: kinds}},
		{"spec", &node{Type: "string", Title: "Ports", MaxLength: 1024}},
		{"lane", &node{Type: "string", Title: "Link that carries it", Enum: []string{tunnel.LaneMain.String(), string(tunnel.LaneBulk)}}},
	}}
}

// closeSlots lets a site have the named slots only.
func (n *node) closeSlots(names []string) {
	n.Slots = names
	slots := n.Properties.get("slots")
	slots.Others = &others{}
	for _, name := range names {
		slots.Properties = append(slots.Properties, property{name, newSlot()})
	}
}
