package registry

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/store"
)

// checkRight keeps a right to a port off the ports of mappings, the host and other modules.
func (d *draft) checkRight(name tunnel.Owner, right tunnel.Right) (tunnel.Findings, error) {
	if right.Port == 0 {
		return nil, nil
	}
	port := strconv.Itoa(right.Port)
	collision := func(message, wayOut string) tunnel.Findings {
		return tunnel.Findings{{Code: tunnel.PortCollision, Field: "grant", Value: port, Message: message, WayOut: wayOut}}
	}
	for _, own := range d.reg.reserved() {
		if own.Port == right.Port {
			return collision("Culvert itself listens on local port "+port, "have the module use another port"), nil
		}
	}
	held, err := d.scope(tunnel.ScopeLocal)
	if err != nil {
		return nil, err
	}
	for _, h := range held.reservations(tunnel.ScopeLocal) {
		if h.Port == right.Port {
			return collision(fmt.Sprintf("local port %s leads to a site: mapping %s of %s has it", port, h.Mapping, h.Ref),
				"give that mapping another local port first"), nil
		}
	}
	if right.Kind != tunnel.GrantServe {
		return nil, nil
	}
	served, err := d.granted(tunnel.GrantServe)
	if err != nil {
		return nil, err
	}
	if other, taken := served[right.Port]; taken && other != name {
		return collision(fmt.Sprintf("local port %s is granted to module %s, which answers there", port, other),
			fmt.Sprintf("take it back first: culvert module revoke %s %s", other, right.Grant())), nil
	}
	return d.checkPublished(name, right)
}

// granted are the ports that modules were granted, of one kind.
func (d *draft) granted(kind tunnel.GrantKind) (map[int]tunnel.Owner, error) {
	ports := map[int]tunnel.Owner{}
	for rec, err := range d.tx.Scan(grantPrefix) {
		if err != nil && !errors.Is(err, store.ErrDamaged) {
			return nil, err
		}
		name := tunnel.Owner(strings.TrimPrefix(rec.Key, grantPrefix))
		g, err := d.grantsOf(name)
		if err != nil {
			return nil, err
		}
		for _, grant := range g.Grants {
			if r, fs := tunnel.ParseGrant(grant); len(fs) == 0 && r.Kind == kind {
				ports[r.Port] = name
			}
		}
	}
	return ports, nil
}

// checkGranted keeps listeners of t off the ports that modules answer at, or dial for a service of the PBX: who dials
// 5038 for its manager must not meet a site there.
func (d *draft) checkGranted(t tunnel.Tunnel) (fs tunnel.Findings, err error) {
	for _, use := range []struct {
		kind  tunnel.GrantKind
		words string
	}{{tunnel.GrantServe, "which answers there"}, {tunnel.GrantDial, "which reaches a service of this machine there"}} {
		ports, err := d.granted(use.kind)
		if err != nil {
			return nil, err
		}
		for _, m := range t.Mappings {
			module, taken := ports[m.Local.Port]
			if !taken || !m.Kind.Reaches() || m.Private() {
				continue
			}
			fs = append(fs, tunnel.Finding{
				Code: tunnel.PortCollision, Field: "mappings[" + m.Name + "].local.port", Value: strconv.Itoa(m.Local.Port),
				Message: fmt.Sprintf("local port %d is granted to module %s, %s", m.Local.Port, module, use.words),
				WayOut:  "choose another local port",
			})
		}
	}
	return fs, nil
}
