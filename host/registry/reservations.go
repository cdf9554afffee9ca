package registry

import (
	"errors"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/store"
)

// reserve checks every tunnel that is new or changed by the rules over several tunnels and moves its reservations. All
// ports the change gives up are free before any is taken, so two tunnels may swap theirs.
func (d *draft) reserve(moves []move) (tunnel.Findings, error) {
	for _, mv := range moves {
		if err := d.release(mv); err != nil {
			return nil, err
		}
	}
	var fs tunnel.Findings
	for _, mv := range moves {
		mfs, err := d.check(mv)
		switch {
		case err != nil:
			return nil, err
		case len(mfs) > 0 && d.yielding && mv.now.Configuration != "":
			d.withdraw(mv.in, mv.now.Ref.Name, mfs[0])
		case len(mfs) > 0:
			fs = append(fs, mv.now.InSettings(mfs)...)
		default:
			if err := d.take(mv); err != nil {
				return nil, err
			}
		}
	}
	return fs, nil
}

// check is every rule for one tunnel of the change. One that stays as it was had passed them.
func (d *draft) check(mv move) (tunnel.Findings, error) {
	if mv.now.Ref.Name == "" || sameShape(mv.was, mv.now) {
		return nil, nil
	}
	m, err := d.module(mv.now.Ref.Owner)
	if err != nil {
		return nil, err
	}
	fs := tunnel.Check(mv.now)
	if m != nil {
		fs = append(fs, tunnel.CheckPolicy(mv.now, m.Description.Policy, m.Description.Slots)...)
	}
	fs = append(fs, checkReserved(mv.now, d.reg.reserved())...)
	gfs, err := d.checkGranted(mv.now)
	if err != nil {
		return nil, err
	}
	fs = append(fs, gfs...)
	pfs, err := d.checkPublishes(mv.now)
	if err != nil {
		return nil, err
	}
	fs = append(fs, pfs...)
	held, err := d.heldBeside(mv.now)
	return append(fs, tunnel.Conflicts(tunnel.Reservations(mv.now), held)...), err
}

// sameShape reports whether the rules see no difference between a and b.
func sameShape(a, b tunnel.Tunnel) bool {
	return a.Ref == b.Ref && a.Server == b.Server && a.Via == b.Via && a.LAN == b.LAN && a.Login == b.Login && a.OwnKey == b.OwnKey &&
		a.Fingerprint == b.Fingerprint && a.Comment == b.Comment && slices.Equal(a.Mappings, b.Mappings)
}

// scope returns the reservations of one scope, to be changed in place. A damaged record is made anew from the tunnels.
func (d *draft) scope(name string) (*portsRecord, error) {
	if rec, ok := d.ports[name]; ok {
		return rec, nil
	}
	rec, err := read[portsRecord](d.tx, portsPrefix+name)
	switch {
	case errors.Is(err, store.ErrDamaged):
		d.reg.tellDamage(err)
		rec = d.reg.portsOf(name)
	case err != nil:
		return nil, err
	case rec == nil:
		rec = &portsRecord{Node: tunnel.Node}
	}
	d.ports[name] = rec
	return rec, nil
}

// keepsPorts reports whether the change leaves the tunnel's reservations as they are.
func (mv move) keepsPorts() bool {
	return slices.Equal(tunnel.Reservations(mv.was), tunnel.Reservations(mv.now))
}

func (d *draft) release(mv move) error {
	if mv.keepsPorts() {
		return nil
	}
	former := tunnel.Reservations(mv.was)
	if mv.was.Ref.Name == "" {
		former = tunnel.Reservations(mv.now) // one that is seen again, see hidden, may hold other ports there
	}
	for _, r := range former {
		rec, err := d.scope(r.Scope)
		if err != nil {
			return err
		}
		delete(rec.Held, r.Ref.String())
	}
	return nil
}

func (d *draft) take(mv move) error {
	if mv.keepsPorts() {
		return nil
	}
	for _, r := range tunnel.Reservations(mv.now) {
		rec, err := d.scope(r.Scope)
		if err != nil {
			return err
		}
		rec.hold(r)
	}
	return nil
}

func (p *portsRecord) hold(r tunnel.Reservation) {
	mine := p.Held[r.Ref.String()]
	assign(&mine, r.Mapping, r.Port)
	assign(&p.Held, r.Ref.String(), mine)
}

// heldBeside is what others hold in the scopes of t and beside them.
func (d *draft) heldBeside(t tunnel.Tunnel) ([]tunnel.Reservation, error) {
	var held []tunnel.Reservation
	seen := map[string]bool{}
	for _, r := range tunnel.Reservations(t) {
		for _, scope := range tunnel.Beside(r.Scope) {
			if seen[scope] {
				continue
			}
			seen[scope] = true
			rec, err := d.scope(scope)
			if err != nil {
				return nil, err
			}
			held = append(held, rec.reservations(scope)...)
		}
	}
	return held, nil
}

func (p *portsRecord) reservations(scope string) []tunnel.Reservation {
	var rs []tunnel.Reservation
	for text, ports := range p.Held {
		ref, fs := tunnel.ParseRef(text)
		if len(fs) > 0 {
			continue
		}
		for mapping, port := range ports {
			rs = append(rs, tunnel.Reservation{Scope: scope, Port: port, Ref: ref, Mapping: mapping})
		}
	}
	return rs
}
