package controltest

import (
	"context"
	"fmt"
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

// EditTunnel puts the edited tunnel into the place of the old one.
func (f *Fake) EditTunnel(ctx context.Context, by string, ref tunnel.Ref, e tunnel.Edit) ([]string, error) {
	v, err := f.service().Get(ctx, ref)
	if err != nil {
		return nil, err
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
	return tunnel.Warnings(t), nil
}

// edit applies e to t.
func edit(t *tunnel.Tunnel, e tunnel.Edit) error {
	if e.Server != nil {
		t.Server = *e.Server
	}
	if e.Credential != nil {
		t.Login = e.Credential.Login
	}
	if e.Fingerprint != nil {
		t.Fingerprint = *e.Fingerprint
	}
	if e.Comment != nil {
		t.Comment = *e.Comment
	}
	named := func(name string) func(tunnel.Mapping) bool {
		return func(m tunnel.Mapping) bool { return m.Name == name }
	}
	t.Mappings = slices.Clone(t.Mappings)
	for _, name := range e.Drop {
		if !slices.ContainsFunc(t.Mappings, named(name)) {
			return tunnel.Findings{{Code: tunnel.NotFound, Field: "drop", Value: name, Message: "there is no mapping " + name, WayOut: "culvert tunnel show lists them"}}
		}
		t.Mappings = slices.DeleteFunc(t.Mappings, named(name))
	}
	for _, m := range e.Set {
		if i := slices.IndexFunc(t.Mappings, named(m.Name)); i >= 0 {
			t.Mappings[i] = m
			continue
		}
		t.Mappings = append(t.Mappings, m)
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
