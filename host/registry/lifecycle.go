package registry

import (
	"errors"
	"fmt"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// standingOf says whether a link shall stand for e's tunnel. Beside the lifecycle rule it has to be able to log in, and
// its mappings to be among those its module allows today.
func (r *Registry) standingOf(e *committed) tunnel.Wanted {
	own := r.families[familyOf(e.Tunnel.Ref)]
	w := tunnel.Stand(e.Tunnel, r.circumstances(e.Tunnel, own))
	w.Revision = own.revision()
	switch {
	case w.Reason == tunnel.SuspendedReason && own.damaged[overlayPrefix]:
		w.Message = "whether it is switched off cannot be read: the record is damaged"
	case w.Reason == tunnel.ModuleMissing:
		w.Remedy += fmt.Sprintf("; or culvert tunnel remove %s", e.Tunnel.Ref)
	case !w.Active:
	case r.refusal(e.Tunnel) != "":
		w.Active, w.State, w.Reason = false, tunnel.Blocked, tunnel.PolicyRefusedReason
		w.Message, w.Remedy = r.refusal(e.Tunnel), "culvert tunnel set "+e.Tunnel.Ref.String()+" --drop MAPPING"
	case r.unpublished(e.Tunnel) != nil:
		f := r.unpublished(e.Tunnel)
		w.Active, w.State, w.Reason = false, tunnel.Blocked, tunnel.PolicyRefusedReason
		w.Message, w.Remedy = f.Message, f.WayOut
	case e.unusable != nil:
		w.Active, w.State, w.Reason = false, tunnel.Blocked, e.unusable.Reason
		w.Message, w.Remedy = e.unusable.Message, e.unusable.Remedy
	}
	return w
}

// circumstances of a tunnel, given the family it belongs to.
func (r *Registry) circumstances(t tunnel.Tunnel, own *family) tunnel.Circumstances {
	if t.Ref.Owner == tunnel.Operator {
		return tunnel.Circumstances{Installed: true, Enabled: true}
	}
	c := tunnel.Circumstances{Installed: r.installed(t.Ref.Owner)}
	if t.Configuration != "" {
		c.Enabled = own.enabled()
		return c
	}
	for _, f := range r.configurations(t.Ref.Owner) {
		c.Enabled = c.Enabled || f.enabled()
		c.Idle = string(f.ref().Name)
	}
	return c
}

// installed reports whether a module is known and, as far as the module host has looked, has a usable binary.
func (x *index) installed(owner tunnel.Owner) bool {
	return x.modules[owner] != nil && (x.present == nil || x.present[owner])
}

// refusal is how the present description of its module refuses an operator-made tunnel, "" where it does not.
func (r *Registry) refusal(t tunnel.Tunnel) string {
	m := r.modules[t.Ref.Owner]
	if m == nil {
		return ""
	}
	fs := tunnel.CheckPolicy(t, m.Description.Policy, m.Description.Slots)
	if len(fs) == 0 {
		return ""
	}
	return fs[0].Field + ": " + fs[0].Message
}

// sameStanding reports whether a and b say the same of whether and why.
func sameStanding(a, b tunnel.Wanted) bool {
	return a.Active == b.Active && a.State == b.State && a.Reason == b.Reason && a.Message == b.Message && a.Remedy == b.Remedy
}

// asStatus is err as what a tunnel shows of it.
func asStatus(err error) *tunnel.StatusError {
	var s *tunnel.StatusError
	if errors.As(err, &s) {
		return s
	}
	return &tunnel.StatusError{State: tunnel.Blocked, Reason: tunnel.SecretUnreadable, Message: tunnel.Clean(err.Error(), 200)}
}
