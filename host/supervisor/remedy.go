package supervisor

import (
	"slices"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// named makes what f says to do lines to paste: the engine does not know for which tunnel it works.
func (k *keeper) named(f Failure) Failure {
	t := k.order().wanted.Tunnel
	f.Remedy = remedyFor(t, f.Remedy)
	if f.Diagnosis == nil {
		return f
	}
	d := *f.Diagnosis
	d.Fixes = slices.Clone(d.Fixes)
	for i := range d.Fixes {
		d.Fixes[i].Line = remedyFor(t, d.Fixes[i].Line)
	}
	f.Diagnosis = &d
	return f
}

// remedyFor names the tunnel in a remedy. A declared one gets its login and its proxy from its configuration.
func remedyFor(t tunnel.Tunnel, remedy string) string {
	lines := []string{"OWNER/NAME", t.Ref.String()}
	if t.ManagedBy() == tunnel.ByModule {
		remedy = strings.ReplaceAll(remedy, " "+t.Ref.String()+" ", " OWNER/NAME ") // where the engine named it already
		set := "culvert config set " + tunnel.ConfigurationRef{Module: t.Ref.Owner, Name: t.Configuration}.String()
		lines = append([]string{
			"culvert tunnel secret OWNER/NAME --password-stdin", set + " --secret-stdin " + t.Settings + ".password",
			"culvert tunnel set OWNER/NAME --server ", set + " " + t.Settings + ".server=",
			"culvert tunnel set OWNER/NAME --key host", set + " " + t.Settings + ".login=key",
			"culvert tunnel set OWNER/NAME --via ", set + " " + t.Settings + ".via=",
			" --via-password-file FILE", " && " + set + " --secret-stdin " + t.Settings + ".via_password",
		}, lines...)
	}
	return strings.NewReplacer(lines...).Replace(remedy)
}
