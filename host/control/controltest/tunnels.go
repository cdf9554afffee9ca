package controltest

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// AddTunnel adds it to the World; warnings are those of sdk/tunnel.
func (f *Fake) AddTunnel(_ context.Context, by string, t tunnel.Tunnel, cred tunnel.Credential) ([]string, error) {
	if err := f.World.AddTunnel(t); err != nil {
		return nil, err
	}
	f.called(by, "add %s login %s", t.Ref, cred.Login)
	f.keep(t.Ref, cred)
	return tunnel.Warnings(t), nil
}

// EditTunnel puts the edited tunnel into the place of the old one. Of a declared one it takes AcceptWider and RefuseWider
// alone.
func (f *Fake) EditTunnel(ctx context.Context, by string, ref tunnel.Ref, e tunnel.Edit) ([]string, error) {
	v, err := f.service().Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	if fs := f.widen(v.Tunnel, e); len(fs) > 0 {
		return nil, fs
	}
	if onlyWider(e) {
		f.called(by, "edit %s", ref)
		return tunnel.Warnings(v.Tunnel), nil
	}
	old, t := v.Tunnel, v.Tunnel
	if e.IfRevision != 0 && e.IfRevision != t.Revision {
		return nil, tunnel.Findings{{Code: tunnel.StaleRevision, Field: "if_revision", Value: fmt.Sprint(e.IfRevision), Message: fmt.Sprintf("%s has revision %d by now", ref, t.Revision), WayOut: "look at it again"}}
	}
	if err := edit(&t, e); err != nil {
		return nil, err
	}
	if err := f.World.RemoveTunnel(ref); err != nil {
		return nil, err
	}
	if err := f.World.AddTunnel(t); err != nil {
		return nil, fmt.Errorf("%w (put back: %v)", err, f.World.AddTunnel(old))
	}
	f.called(by, "edit %s", ref)
	if e.ViaPassword != nil {
		cred := f.Credential(ref)
		cred.Via = *e.ViaPassword
		f.keep(ref, cred)
	}
	return tunnel.Warnings(t), nil
}

// onlyWider reports whether e changes nothing but how wide ports may be bound.
func onlyWider(e tunnel.Edit) bool {
	e.AcceptWider, e.RefuseWider = nil, nil
	return reflect.ValueOf(e).IsZero()
}

// widen keeps which mappings of t may be bound wider than declared.
func (f *Fake) widen(t tunnel.Tunnel, e tunnel.Edit) (fs tunnel.Findings) {
	for field, names := range map[string][]string{"accept_wider": e.AcceptWider, "refuse_wider": e.RefuseWider} {
		for _, name := range names {
			if !slices.ContainsFunc(t.Mappings, named(name)) {
				fs = append(fs, noMapping(field, name))
			}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(fs) == 0 {
		f.wider[t.Ref] = slices.DeleteFunc(append(slices.Clone(f.wider[t.Ref]), e.AcceptWider...), func(name string) bool { return slices.Contains(e.RefuseWider, name) })
	}
	return fs
}

func named(name string) func(tunnel.Mapping) bool {
	return func(m tunnel.Mapping) bool { return m.Name == name }
}

func noMapping(field, name string) tunnel.Finding {
	return tunnel.Finding{Code: tunnel.NotFound, Field: field, Value: name, Message: "there is no mapping " + name, WayOut: "culvert tunnel show lists them"}
}

// edit applies e to t.
func edit(t *tunnel.Tunnel, e tunnel.Edit) error {
	if e.Server != nil {
		t.Server = *e.Server
	}
	if e.Via != nil {
		t.Via = *e.Via
	}
	if e.LAN != nil {
		t.LAN = *e.LAN
	}
	if e.Credential != nil {
		t.Login, t.OwnKey = e.Credential.Login, e.Credential.PrivateKey != ""
	}
	if e.Fingerprint != nil {
		t.Fingerprint = *e.Fingerprint
	}
	if e.Comment != nil {
		t.Comment = *e.Comment
	}
	t.Mappings = slices.Clone(t.Mappings)
	for _, name := range e.Drop {
		if !slices.ContainsFunc(t.Mappings, named(name)) {
			return tunnel.Findings{noMapping("drop", name)}
		}
		t.Mappings = slices.DeleteFunc(t.Mappings, named(name))
	}
	for _, m := range e.Set {
		if i := slices.IndexFunc(t.Mappings, named(m.Name)); i >= 0 {
			m.Lane = t.Mappings[i].Lane
			t.Mappings[i] = m
			continue
		}
		t.Mappings = append(t.Mappings, m)
	}
	for name, lane := range e.Lanes {
		i := slices.IndexFunc(t.Mappings, named(name))
		if i < 0 {
			return tunnel.Findings{noMapping("lanes", name)}
		}
		t.Mappings[i].Lane = lane
	}
	return nil
}

// RemoveTunnel is the World's.
func (f *Fake) RemoveTunnel(_ context.Context, by string, ref tunnel.Ref) error {
	if err := f.World.RemoveTunnel(ref); err != nil {
		return err
	}
	f.called(by, "remove %s", ref)
	return nil
}

// SuspendTunnel is the World's.
func (f *Fake) SuspendTunnel(_ context.Context, by string, ref tunnel.Ref, suspended bool) error {
	if err := f.World.Suspend(ref, suspended); err != nil {
		return err
	}
	f.called(by, "suspend %s %t", ref, suspended)
	return nil
}

// SetSecret keeps it for Credential.
func (f *Fake) SetSecret(ctx context.Context, by string, ref tunnel.Ref, cred tunnel.Credential) error {
	if _, err := f.Get(ctx, ref); err != nil {
		return err
	}
	f.called(by, "secret %s login %s", ref, cred.Login)
	f.keep(ref, cred)
	return nil
}

func (f *Fake) keep(ref tunnel.Ref, cred tunnel.Credential) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.credentials[ref] = cred
}

// Credential is what a tunnel was given to log in with.
func (f *Fake) Credential(ref tunnel.Ref) tunnel.Credential {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.credentials[ref]
}

// OfferedKey is the pin set by Pin.
func (f *Fake) OfferedKey(ctx context.Context, ref tunnel.Ref) (tunnel.Pin, error) {
	v, err := f.Get(ctx, ref)
	return v.Pin, err
}

// AcceptKey confirms the pin set by Pin.
func (f *Fake) AcceptKey(ctx context.Context, by string, ref tunnel.Ref, fingerprint string) (before, after tunnel.Pin, err error) {
	v, err := f.Get(ctx, ref)
	if err != nil {
		return before, after, err
	}
	if fingerprint != v.Pin.Fingerprint {
		return before, after, tunnel.Findings{{Code: tunnel.StaleRevision, Field: "fingerprint", Value: fingerprint, Message: "it is " + v.Pin.Fingerprint + " by now", WayOut: "look at it again"}}
	}
	before, after = v.Pin, v.Pin
	after.State = tunnel.PinConfirmed
	f.Pin(ref, after)
	f.called(by, "accept-key %s", ref)
	return before, after, nil
}
