package main

import (
	"context"
	"net"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/directory"
	"github.com/culvert-pbx/culvert/sdk"
)

// inward is a slot for a server of the directory. Telephones may use it as well, where the operator makes it a gateway.
func inward(name, title, spec string, on bool) sdk.Slot {
	return sdk.Slot{Name: name, Title: title, Kinds: []sdk.Kind{sdk.Reach, sdk.ReachGateway}, Spec: spec, On: on}
}

// The second server takes over when the first does not answer. Of both sorts those are declared that directory.security
// speaks to. A global catalogue is at other ports of the same servers.
var (
	dc1TLS   = inward("dc1-ldaps", "Directory, TLS from the start", ":636", true)
	dc2TLS   = inward("dc2-ldaps", "Second server of the directory, TLS from the start", ":636", false)
	dc1Plain = inward("dc1-ldap", "Directory, StartTLS", ":389", true)
	dc2Plain = inward("dc2-ldap", "Second server of the directory, StartTLS", ":389", false)

	allSlots = []sdk.Slot{dc1TLS, dc2TLS, dc1Plain, dc2Plain}
)

// slots are those that the settings speak to, in the order in which servers are tried.
func (s settings) slots() []sdk.Slot {
	if s.Directory.Security == directory.LDAPS {
		return []sdk.Slot{dc1TLS, dc2TLS}
	}
	return []sdk.Slot{dc1Plain, dc2Plain}
}

// servers are the servers of the directory, at the other ends of the slots that are on.
func servers(in *sdk.Instance[settings]) (all []directory.Server) {
	for _, slot := range in.Settings.slots() {
		if in.Settings.Site.On(slot) {
			m := in.Settings.Site.Mapping(slot)
			all = append(all, directory.Server{Name: slot.Name, Dial: func(ctx context.Context) (net.Conn, error) { return in.Dial(ctx, m) }})
		}
	}
	return all
}
