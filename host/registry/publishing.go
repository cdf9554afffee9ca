package registry

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// An expose mapping publishes at a site whatever answers at its local port. What one module serves there is not another's
// to publish: only a module that the operator granted to dial that port may. The operator's own tunnels may.

// mayPublish reports whether a module, granted these, may publish a port that another one serves.
func mayPublish(owner tunnel.Owner, granted []tunnel.Grant, port int) bool {
	dial := tunnel.Right{Kind: tunnel.GrantDial, Port: port}.Grant()
	return owner == tunnel.Operator || slices.Contains(granted, dial)
}

// notPublished is the refusal of a mapping of t that publishes what module serves.
func notPublished(t tunnel.Tunnel, m tunnel.Mapping, module tunnel.Owner, asks []tunnel.Grant) tunnel.Finding {
	dial := tunnel.Right{Kind: tunnel.GrantDial, Port: m.Local.Port}.Grant()
	f := tunnel.Finding{
		Code: tunnel.PolicyRefused, Field: "mappings[" + m.Name + "].local.port", Value: strconv.Itoa(m.Local.Port),
		Message: fmt.Sprintf("module %s serves local port %d, and %s has not been granted to connect to it", module, m.Local.Port, t.Ref.Owner),
		WayOut:  "choose another local port; or, if the site shall reach it, make that tunnel the operator's own: culvert tunnel add operator/NAME",
	}
	if slices.Contains(asks, dial) {
		f.WayOut = "choose another local port; or, if the site shall reach it: " + tunnel.GrantLine(t.Ref.Owner, dial)
	}
	return f
}

// checkPublishes keeps the mappings of t off what other modules serve.
func (d *draft) checkPublishes(t tunnel.Tunnel) (fs tunnel.Findings, err error) {
	served, err := d.granted(tunnel.GrantServe)
	if err != nil || len(served) == 0 || t.Ref.Owner == tunnel.Operator {
		return nil, err
	}
	g, err := d.grantsOf(t.Ref.Owner)
	if err != nil {
		return nil, err
	}
	var asks []tunnel.Grant
	if m, err := d.module(t.Ref.Owner); err == nil && m != nil {
		asks = m.Description.Grants
	}
	for _, m := range t.Mappings {
		port, ok := m.Publishes()
		if other := served[port]; ok && other != "" && other != t.Ref.Owner && !mayPublish(t.Ref.Owner, g.Grants, port) {
			fs = append(fs, notPublished(t, m, other, asks))
		}
	}
	return fs, nil
}

// checkPublished keeps a port that a module would serve off those that other modules publish already.
func (d *draft) checkPublished(name tunnel.Owner, right tunnel.Right) (tunnel.Findings, error) {
	held, err := d.scope(tunnel.ScopeTargets)
	if err != nil {
		return nil, err
	}
	for _, h := range held.reservations(tunnel.ScopeTargets) {
		if h.Port != right.Port || h.Ref.Owner == name {
			continue
		}
		g, err := d.grantsOf(h.Ref.Owner)
		if err != nil {
			return nil, err
		}
		if !mayPublish(h.Ref.Owner, g.Grants, right.Port) {
			return tunnel.Findings{{
				Code: tunnel.PortCollision, Field: "grant", Value: strconv.Itoa(right.Port),
				Message: fmt.Sprintf("mapping %s of %s leads from a site to local port %d: what %s serves there would be published", h.Mapping, h.Ref, right.Port, name),
				WayOut:  "have that mapping removed first",
			}}, nil
		}
	}
	return nil, nil
}

// servedBy is the module that was granted to serve a port, "" where none was.
func (x *index) servedBy(port int) tunnel.Owner {
	serve := tunnel.Right{Kind: tunnel.GrantServe, Port: port}.Grant()
	for name, g := range x.grants {
		if g.has(serve) {
			return name
		}
	}
	return ""
}

// unpublished is why a tunnel that passed its checks may publish one of its ports no more: what its module was granted
// was taken back since. nil where it may.
func (x *index) unpublished(t tunnel.Tunnel) *tunnel.Finding {
	if t.Ref.Owner == tunnel.Operator {
		return nil
	}
	var granted, asks []tunnel.Grant
	if g := x.grants[t.Ref.Owner]; g != nil {
		granted = g.Grants
	}
	if m := x.modules[t.Ref.Owner]; m != nil {
		asks = m.Description.Grants
	}
	for _, m := range t.Mappings {
		port, ok := m.Publishes()
		if !ok || mayPublish(t.Ref.Owner, granted, port) {
			continue
		}
		if other := x.servedBy(port); other != "" && other != t.Ref.Owner {
			f := notPublished(t, m, other, asks)
			return &f
		}
	}
	return nil
}

// MayPublish reports whether a tunnel of owner may lead to a port of the PBX's loopback, for whoever connects to it: a
// name may turn out to lead there only then. The error is the refusal.
func (r *Registry) MayPublish(t tunnel.Ref, m tunnel.Mapping) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	m.Local.Host = "" // wherever its text leads, it came to the loopback
	if f := r.unpublished(tunnel.Tunnel{Ref: t, Mappings: []tunnel.Mapping{m}}); f != nil {
		return tunnel.Findings{*f}
	}
	return nil
}
