package registry_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/tunnel/tunneltest"
)

func TestService(t *testing.T) {
	tunneltest.Run(t, func(t *testing.T) tunneltest.Fixture {
		return &fixture{host: newFileHost(t), present: map[tunnel.Owner]bool{}}
	})
}

// fixture is the registry with the hands of operator, module host and supervisor.
type fixture struct {
	*host
	present map[tunnel.Owner]bool
}

func (f *fixture) AddModule(d tunnel.Description) error {
	if err := f.PinModule(f.ctx(), "host", tunnel.Owner(d.Name), checksum, d); err != nil {
		return err
	}
	f.Miss(tunnel.Owner(d.Name), false)
	return nil
}

func (f *fixture) Miss(module tunnel.Owner, missing bool) {
	if missing {
		delete(f.present, module)
	} else {
		f.present[module] = true
	}
	f.SetPresent(slices.Collect(maps.Keys(f.present)))
}

func (f *fixture) Configure(ref tunnel.ConfigurationRef, settings json.RawMessage) error {
	_, err := f.SetConfiguration(f.ctx(), by, ref, settings, 0)
	if errors.Is(err, tunnel.ErrNotFound) {
		_, err = f.AddConfiguration(f.ctx(), by, ref, settings, true)
	}
	return err
}

func (f *fixture) Enable(ref tunnel.ConfigurationRef, enabled bool) error {
	return f.EnableConfiguration(f.ctx(), by, ref, enabled)
}

func (f *fixture) RemoveConfiguration(ref tunnel.ConfigurationRef) error {
	return f.host.RemoveConfiguration(f.ctx(), by, ref, false)
}

func (f *fixture) AddTunnel(t tunnel.Tunnel) error {
	_, err := f.host.AddTunnel(f.ctx(), by, t, tunnel.Credential{Login: t.Login, Password: canary})
	return err
}

func (f *fixture) RemoveTunnel(ref tunnel.Ref) error { return f.host.RemoveTunnel(f.ctx(), by, ref) }

func (f *fixture) Suspend(ref tunnel.Ref, suspended bool) error {
	return f.SuspendTunnel(f.ctx(), by, ref, suspended)
}

func (f *fixture) Reopen(testing.TB) tunneltest.Fixture {
	f.reopen()
	f.SetPresent(slices.Collect(maps.Keys(f.present)))
	return f
}
