package control

import "github.com/culvert-pbx/culvert/sdk/tunnel"

// Pin is a host key as it is expected of a server.
type Pin struct {
	State       string `json:"state"` // none, learned or confirmed
	KeyType     string `json:"key_type"`
	Fingerprint string `json:"fingerprint"`
}

// HostKey is a host key as a server showed it, whether anybody accepted it or not.
type HostKey struct {
	KeyType     string `json:"key_type"`
	Fingerprint string `json:"fingerprint"`
}

// KeyAcceptance accepts the host key that has this fingerprint, and no other.
type KeyAcceptance struct {
	Fingerprint string `json:"fingerprint"`
}

// AcceptedKey is what accept-key changed.
type AcceptedKey struct {
	Before Pin `json:"before"`
	After  Pin `json:"after"`
}

func pinOf(p tunnel.Pin) Pin {
	if p.State == "" {
		p.State = tunnel.PinNone
	}
	return Pin{State: string(p.State), KeyType: p.KeyType, Fingerprint: p.Fingerprint}
}
