package controltest

import (
	"context"
	"fmt"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Grants are what a module was granted here.
func (f *Fake) Grants(_ context.Context, module tunnel.Owner) ([]tunnel.Grant, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.grants[module]), nil
}

// Grant gives a module what it asks for.
func (f *Fake) Grant(ctx context.Context, by string, module tunnel.Owner, g tunnel.Grant) error {
	d, err := f.Description(ctx, module)
	if err != nil {
		return err
	}
	if !slices.Contains(d.Grants, g) {
		return tunnel.Findings{tunnel.NotAskedFor(module, g, d.Grants)}
	}
	f.called(by, "grant %s %s", module, g)
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Contains(f.grants[module], g) {
		f.grants[module] = append(f.grants[module], g)
	}
	return nil
}

// Revoke takes it back.
func (f *Fake) Revoke(_ context.Context, by string, module tunnel.Owner, g tunnel.Grant) error {
	f.called(by, "revoke %s %s", module, g)
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.Index(f.grants[module], g)
	if i < 0 {
		return tunnel.Findings{{Code: tunnel.NotFound, Field: "grant", Value: string(g), WayOut: "culvert module show " + string(module),
			Message: fmt.Sprintf("module %s has not been granted %q", module, g)}}
	}
	f.grants[module] = slices.Delete(f.grants[module], i, i+1)
	return nil
}
