package registry

import (
	"context"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// SuspendTunnel switches a tunnel of either sort off, or on again.
func (r *Registry) SuspendTunnel(ctx context.Context, by string, ref tunnel.Ref, suspended bool) error {
	return r.change(ctx, by, func(d *draft) error {
		f, _, err := d.tunnel(ref)
		if err != nil {
			return err
		}
		o := f.overlays[ref.Name]
		o.Suspended = suspended
		f.setOverlay(ref.Name, o)
		return nil
	})
}

// wider allows mappings of a tunnel of either sort to be bound wider than declared, and takes that leave from others.
func wider(ref tunnel.Ref, accepted, refused []string) func(*draft) error {
	return func(d *draft) error {
		if len(accepted)+len(refused) == 0 {
			return nil
		}
		f, t, err := d.tunnel(ref)
		if err != nil {
			return err
		}
		d.findings = append(d.findings, checkWider("accept_wider", t, accepted)...)
		d.findings = append(d.findings, checkWider("refuse_wider", t, refused)...)
		o := f.overlays[ref.Name]
		o.AcceptWider = slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(o.AcceptWider), accepted...))))
		o.AcceptWider = slices.DeleteFunc(o.AcceptWider, func(name string) bool { return slices.Contains(refused, name) })
		f.setOverlay(ref.Name, o)
		return nil
	}
}

func checkWider(field string, t tunnel.Tunnel, names []string) tunnel.Findings {
	var fs tunnel.Findings
	for _, name := range names {
		if m, ok := mappingNamed(t, name); !ok {
			fs = append(fs, noMapping(field, t.Ref, name))
		} else if !m.Kind.Exposes() {
			fs = append(fs, tunnel.Finding{
				Code: tunnel.Malformed, Field: field, Value: name,
				Message: "mapping " + name + " has no remote port that could be bound wider", WayOut: "name an expose mapping",
			})
		}
	}
	return fs
}

// setOverlay keeps what an operator says of one tunnel of the family. Where the record could not be read, the others of
// the family stay suspended.
func (f *family) setOverlay(name tunnel.Name, o overlay) {
	if f.damaged[overlayPrefix] {
		f.overlays = nil
		for other := range f.declared {
			assign(&f.overlays, other, overlay{Suspended: true})
		}
		f.repaired(overlayPrefix)
	}
	if !o.Suspended && len(o.AcceptWider) == 0 {
		delete(f.overlays, name)
		return
	}
	assign(&f.overlays, name, o)
}

// forgetWider drops the leave to be bound wider from mappings that are no longer what it was given for.
func (r reading) forgetWider(was, now []tunnel.Tunnel) {
	for _, mv := range pair(was, now, r.family) {
		name := mv.now.Ref.Name
		if name == "" {
			name = mv.was.Ref.Name
		}
		o := r.overlays[name]
		kept := slices.DeleteFunc(slices.Clone(o.AcceptWider), func(mapping string) bool {
			b, ok := mappingNamed(mv.now, mapping)
			a, before := mappingNamed(mv.was, mapping)
			given := before && slices.Contains(mv.was.AcceptWider, mapping)
			return !ok || given && (a.Kind != b.Kind || a.Remote != b.Remote || tunnel.ScopeRemote(mv.was.Server) != tunnel.ScopeRemote(mv.now.Server))
		})
		if len(kept) != len(o.AcceptWider) {
			o.AcceptWider = kept
			r.setOverlay(name, o)
		}
	}
}
