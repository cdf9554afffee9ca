package control_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestGrantsThroughTheAPI(t *testing.T) {
	d, c := start(t)
	d.Module(t, tunnel.Description{Name: "tapi", Version: "1", Policy: tunnel.Anything, Grants: []tunnel.Grant{"dial 5038", "network"}})
	done := must(c.GrantModule(t.Context(), "tapi", "dial 5038"))
	want := []control.Grant{
		{Grant: "dial 5038", Granted: true, Words: tunnel.Grant("dial 5038").Words()},
		{Grant: "network", Words: tunnel.Grant("network").Words()},
	}
	if !slices.Equal(done.Grants, want) || len(done.Warnings) != 0 {
		t.Errorf("granted: %+v", done)
	}
	if m := must(c.Module(t.Context(), "tapi")); !slices.Equal(m.Grants, want) {
		t.Errorf("shown: %+v", m.Grants)
	}
	if acc := must(c.AcceptModule(t.Context(), "tapi", true)); !slices.Equal(acc.Grants, want) {
		t.Errorf("accepted: %+v", acc.Grants)
	}
	d.Effect = control.Effect{Process: control.ProcessKept, Message: "its process runs on without it: another binary lies there", Remedy: "culvert module accept tapi"}
	if done = must(c.GrantModule(t.Context(), "tapi", "network")); done.Effect != d.Effect || len(done.Warnings) != 1 || !strings.Contains(done.Warnings[0], "another binary lies there: culvert module accept tapi") {
		t.Errorf("with another binary waiting: %q", done.Warnings)
	}
	d.Effect, d.Hollow = control.Effect{Process: control.ProcessKept}, "nothing listens at port 5038 of this machine"
	if done = must(c.GrantModule(t.Context(), "tapi", "dial 5038")); !slices.Equal(done.Warnings, []string{d.Hollow}) {
		t.Errorf("of what opens nothing: %q", done.Warnings)
	}
	if done = must(c.RevokeModule(t.Context(), "tapi", "dial 5038")); len(done.Warnings) != 0 || done.Grants[0].Granted || done.Effect != d.Effect {
		t.Errorf("taken back: %+v", done)
	}
	if done = must(c.RevokeModule(t.Context(), "tapi", control.Unsandboxed)); done.Effect != d.Effect {
		t.Errorf("trusted no more: %+v", done)
	}
	if _, err := c.GrantModule(t.Context(), "tapi", control.Unsandboxed); !errors.Is(err, tunnel.ErrInvalid) {
		t.Errorf("nothing but accept has it run unsandboxed: %v", err)
	}
	d.Reserved = "/srv/culvert"
	if _, err := c.GrantModule(t.Context(), "tapi", "read /srv/culvert"); !errors.Is(err, tunnel.ErrPolicyRefused) || !strings.Contains(err.Error(), "it would open /srv/culvert, which is no module's") {
		t.Errorf("granted what is no module's: %v", err)
	}
	calls := strings.Join(d.Calls(), "\n")
	if strings.Contains(calls, "\ngrant tapi read") {
		t.Errorf("it was granted all the same: %s", calls)
	}
	for _, call := range []string{"grant tapi dial 5038 by operator:", "accept module tapi unsandboxed by operator:", "revoke tapi dial 5038 by operator:", "distrust module tapi by operator:"} {
		if !strings.Contains(calls, call) {
			t.Errorf("nobody was asked to %s: %s", call, calls)
		}
	}
}

func TestGrantsThroughTheAPIAreRefused(t *testing.T) {
	_, c := start(t)
	for _, call := range []struct {
		module tunnel.Owner
		grant  tunnel.Grant
		want   error
	}{
		{"hello", "everything", tunnel.ErrInvalid},
		{"hello", "dial 5038; reboot", tunnel.ErrInvalid},
		{"hello", "network", tunnel.ErrPolicyRefused},
		{"hello", "read /proc", tunnel.ErrPolicyRefused},
		{"absent", "network", tunnel.ErrNotFound},
	} {
		if _, err := c.GrantModule(t.Context(), call.module, call.grant); !errors.Is(err, call.want) {
			t.Errorf("grant %s %s: %v", call.module, call.grant, err)
		}
	}
	if _, err := c.RevokeModule(t.Context(), "hello", "network"); !errors.Is(err, tunnel.ErrNotFound) {
		t.Errorf("revoke: %v", err)
	}
}

// A process of a module cannot grant itself anything.
func TestModulesGrantThemselvesNothing(t *testing.T) {
	d, c := start(t)
	d.Module(t, tunnel.Description{Name: "tapi", Version: "1", Grants: []tunnel.Grant{"network"}})
	before := len(d.Calls())
	d.SetIsModule(true)
	if _, err := c.GrantModule(t.Context(), "tapi", "network"); err == nil || len(d.Calls()) != before {
		t.Errorf("%v, %q", err, d.Calls())
	}
}
