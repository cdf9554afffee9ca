package control_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/host/control/controltest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// What is enabled and not up is a problem; what the operator switched off is none.
func TestStatusSaysWhatIsWrong(t *testing.T) {
	ref := tunnel.Ref{Owner: "hello", Name: "x"}
	mapping := func(s tunnel.State, r tunnel.Reason) []tunnel.MappingStatus {
		return []tunnel.MappingStatus{{Name: "reach-389", State: s, Reason: r}}
	}
	for _, tt := range []struct {
		name     string
		set      func(t *testing.T, w daemon)
		problems []string
		notes    []string
	}{
		{"up", func(t *testing.T, w daemon) {
			w.d.World.Report(ref, tunnel.Status{State: tunnel.Up, Mappings: mapping(tunnel.Up, "")})
		}, nil, nil},
		{"connecting", func(t *testing.T, w daemon) {}, []string{"hello/x"}, nil},
		{"waiting", func(t *testing.T, w daemon) {
			w.d.World.Report(ref, tunnel.Status{State: tunnel.Waiting, Reason: tunnel.Unreachable, Mappings: mapping(tunnel.Down, tunnel.Unreachable)})
		}, []string{"hello/x"}, nil},
		{"degraded", func(t *testing.T, w daemon) {
			w.d.World.Report(ref, tunnel.Status{State: tunnel.Degraded, Mappings: mapping(tunnel.Down, tunnel.TargetRefused)})
		}, []string{"hello/x/reach-389"}, nil},
		{"degraded by its server", func(t *testing.T, w daemon) {
			w.d.World.Report(ref, tunnel.Status{State: tunnel.Degraded, Reason: tunnel.ServerBusy, Mappings: mapping(tunnel.Up, "")})
		}, []string{"hello/x"}, nil},
		{"unproved", func(t *testing.T, w daemon) {
			w.d.World.Report(ref, tunnel.Status{State: tunnel.Degraded, Mappings: mapping(tunnel.Unproved, tunnel.ProofForbidden)})
		}, []string{"hello/x/reach-389"}, nil},
		{"wider than declared", func(t *testing.T, w daemon) {
			w.d.World.Report(ref, tunnel.Status{State: tunnel.Degraded, Mappings: mapping(tunnel.Down, tunnel.WiderThanDeclared)})
		}, []string{"hello/x/reach-389"}, nil},
		{"wider than declared, and accepted", func(t *testing.T, w daemon) {
			must(w.c.EditTunnel(t.Context(), ref, control.TunnelEdit{AcceptWider: []string{"reach-389"}}))
			up := mapping(tunnel.Up, "")
			up[0].Bound = tunnel.BoundAll
			w.d.World.Report(ref, tunnel.Status{State: tunnel.Up, Mappings: up})
		}, nil, []string{"hello/x/reach-389"}},
		{"switched off", func(t *testing.T, w daemon) {
			must(w.c.EnableTunnel(t.Context(), ref, false))
		}, nil, nil},
		{"its configuration switched off", func(t *testing.T, w daemon) {
			must(w.c.EnableConfiguration(t.Context(), tunnel.ConfigurationRef{Module: "hello", Name: "default"}, false))
		}, nil, nil},
		{"its module missing", func(t *testing.T, w daemon) { w.d.World.Miss("hello", true) }, []string{"hello/x"}, nil},
		{"module failed", func(t *testing.T, w daemon) {
			w.d.World.Report(ref, tunnel.Status{State: tunnel.Up, Mappings: mapping(tunnel.Up, "")})
			w.d.SetModules(control.ModuleStatus{Name: "hello", State: "failed", Reason: tunnel.Crashed})
		}, []string{"hello"}, nil},
		{"a file that nothing needs", func(t *testing.T, w daemon) {
			w.d.World.Report(ref, tunnel.Status{State: tunnel.Up, Mappings: mapping(tunnel.Up, "")})
			w.d.SetModules(control.ModuleStatus{Name: "stray", State: "failed", Reason: tunnel.BinaryBroken})
		}, nil, []string{"stray"}},
		{"a module that is switched off", func(t *testing.T, w daemon) {
			must(w.c.EnableConfiguration(t.Context(), tunnel.ConfigurationRef{Module: "hello", Name: "default"}, false))
			w.d.SetModules(control.ModuleStatus{Name: "hello", State: "accept", Reason: tunnel.NeedsAcceptance})
		}, nil, []string{"hello"}},
		{"another binary while the old process runs on", func(t *testing.T, w daemon) {
			w.d.World.Report(ref, tunnel.Status{State: tunnel.Up, Mappings: mapping(tunnel.Up, "")})
			w.d.SetModules(control.ModuleStatus{Name: "hello", State: "running", Reason: tunnel.NeedsAcceptance})
		}, nil, []string{"hello"}},
		{"another binary and no process", func(t *testing.T, w daemon) {
			w.d.World.Report(ref, tunnel.Status{State: tunnel.Up, Mappings: mapping(tunnel.Up, "")})
			w.d.SetModules(control.ModuleStatus{Name: "hello", State: "accept", Reason: tunnel.NeedsAcceptance})
		}, []string{"hello"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, c := start(t)
			add(t, c, "x", "1389:389")
			tt.set(t, daemon{d, c})
			s := must(c.Status(t.Context()))
			got, notes := subjects(t, s.Problems), subjects(t, s.Notes)
			if !slices.Equal(got, tt.problems) || s.OK != (len(tt.problems) == 0) {
				t.Errorf("ok %t, problems %q, not %q", s.OK, got, tt.problems)
			}
			if !slices.Equal(notes, tt.notes) {
				t.Errorf("notes %q, not %q", notes, tt.notes)
			}
			n := 0
			for _, x := range s.Tunnels {
				n += x
			}
			if n != 1 {
				t.Errorf("tunnels: %v", s.Tunnels)
			}
		})
	}
}

func subjects(t *testing.T, all []control.Problem) (names []string) {
	t.Helper()
	for _, p := range all {
		names = append(names, p.Subject)
		if p.Message == "" {
			t.Errorf("%s has no message", p.Subject)
		}
	}
	return names
}

// daemon is a daemon and a client of it.
type daemon struct {
	d *controltest.Daemon
	c *control.Client
}

// An enabled configuration that does not run is a problem, whatever the reason; none yet is one too: a daemon that has just
// started must not look well.
func TestStatusSaysWhichConfigurationsAreNotUp(t *testing.T) {
	for _, tt := range []struct {
		name    string
		status  tunnel.ConfigurationStatus
		problem string // its reason, "-" for none
	}{
		{"running", tunnel.ConfigurationStatus{State: tunnel.ConfigRunning}, ""},
		{"done", tunnel.ConfigurationStatus{State: tunnel.ConfigDone}, ""},
		{"not heard of yet", tunnel.ConfigurationStatus{State: tunnel.ConfigWaiting}, "-"},
		{"its module starts", tunnel.ConfigurationStatus{State: tunnel.ConfigWaiting, Message: "its module is not running yet"}, "-"},
		{"its module is missing", tunnel.ConfigurationStatus{State: tunnel.ConfigWaiting, Reason: tunnel.ModuleMissing}, "module-missing"},
		{"failed", tunnel.ConfigurationStatus{State: tunnel.ConfigFailed, Reason: tunnel.RunFailed}, "run-failed"},
		{"invalid", tunnel.ConfigurationStatus{State: tunnel.ConfigInvalid, Reason: tunnel.SettingsInvalid}, "settings-invalid"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, c := working(t)
			d.SetConfigurationStatus(berlin, tt.status)
			s := must(c.Status(t.Context()))
			if tt.problem == "" {
				if !s.OK || len(s.Problems) != 0 {
					t.Errorf("ok %t, problems %+v", s.OK, s.Problems)
				}
				return
			}
			if s.OK || len(s.Problems) != 1 {
				t.Fatalf("ok %t, problems %+v", s.OK, s.Problems)
			}
			reason := "-"
			p := s.Problems[0]
			if p.Reason != nil {
				reason = *p.Reason
			}
			if p.Subject != "worker/berlin" || reason != tt.problem || p.Message == "" || !strings.Contains(p.Remedy, "culvert config show worker/berlin") {
				t.Errorf("%s: %+v", reason, p)
			}
		})
	}
}

// What is said of modules is what the first look at them showed, which a status waits for.
func TestAStatusWaitsForTheFirstLook(t *testing.T) {
	d, c := working(t)
	d.OnLooked = func(context.Context) {
		d.SetModules(control.ModuleStatus{Name: "worker", State: "failed", Reason: tunnel.BinaryBroken})
	}
	if s := must(c.Status(t.Context())); s.OK || s.Modules["failed"] != 1 {
		t.Errorf("ok %t, modules %v", s.OK, s.Modules)
	}
}

// It does not wait for ever.
func TestAStatusDoesNotWaitForALookThatHangs(t *testing.T) {
	d, c := working(t)
	d.SetConfigurationStatus(berlin, tunnel.ConfigurationStatus{State: tunnel.ConfigWaiting})
	d.OnLooked = func(ctx context.Context) { <-ctx.Done() }
	began := time.Now()
	s := must(c.Status(t.Context()))
	if took := time.Since(began); s.OK || took > 9*time.Second {
		t.Errorf("ok %t after %s", s.OK, took)
	}
}
