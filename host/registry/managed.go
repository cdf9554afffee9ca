package registry

import (
	"fmt"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// managed refuses an edit of a declared tunnel, each part with the line that does it.
func managed(t tunnel.Tunnel, e tunnel.Edit) tunnel.Findings {
	var fs tunnel.Findings
	add := func(field, setting string) { fs = append(fs, managedByModule(t, field, setting)) }
	if e.Server != nil {
		add("server", "server="+e.Server.String())
	}
	if e.Via != nil {
		add("via", "via="+e.Via.String())
	}
	if e.ViaPassword != nil {
		f := managedByModule(t, "via_password", "")
		f.WayOut = viaRemedy(t)
		fs = append(fs, f)
	}
	if e.LAN != nil {
		add("lan", "lan="+tunnel.Clean(*e.LAN, 80))
	}
	if e.Credential != nil {
		fs = append(fs, passwordByModule(t))
	}
	if e.Fingerprint != nil {
		add("fingerprint", "fingerprint="+tunnel.Clean(*e.Fingerprint, 80))
	}
	if e.Comment != nil {
		add("comment", "")
	}
	for _, m := range e.Set {
		add("mappings["+tunnel.Clean(m.Name, tunnel.MaxName)+"]", "slots."+tunnel.Clean(m.Name, tunnel.MaxName)+".spec="+m.Spec())
	}
	for _, name := range e.Drop {
		add("drop", "slots."+tunnel.Clean(name, tunnel.MaxName)+".on=false")
	}
	for _, name := range sortedKeys(e.Lanes) {
		add("lanes", "slots."+tunnel.Clean(name, tunnel.MaxName)+".lane="+e.Lanes[name].String())
	}
	return fs
}

// managedByModule refuses what would write a declared tunnel and names the setting that does it, "" where none does.
func managedByModule(t tunnel.Tunnel, field, setting string) tunnel.Finding {
	configuration := fmt.Sprintf("%s/%s", t.Ref.Owner, t.Configuration)
	f := tunnel.Finding{
		Code: tunnel.ManagedByModule, Field: field, Value: t.Ref.String(),
		Message: fmt.Sprintf("%s is made by module %s from configuration %s", t.Ref, t.Ref.Owner, configuration),
		WayOut:  "culvert config show " + configuration,
	}
	if setting != "" {
		f.WayOut = fmt.Sprintf("culvert config set %s %s.%s", configuration, t.Settings, setting)
	}
	return f
}

// passwordByModule refuses a credential for a declared tunnel: its password goes into its settings, over standard input.
func passwordByModule(t tunnel.Tunnel) tunnel.Finding {
	f := managedByModule(t, "credential", "password")
	f.WayOut = secretRemedy(t)
	return f
}
