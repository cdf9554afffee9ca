package control_test

import (
	"slices"
	"testing"

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
	}{
		{"up", func(t *testing.T, w daemon) {
			w.d.World.Report(ref, tunnel.Status{State: tunnel.Up, Mappings: mapping(tunnel.Up, "")})
		}, nil},
		{"connecting", func(t *testing.T, w daemon) {}, []string{"hello/x"}},
		{"waiting", func(t *testing.T, w daemon) {
			w.d.World.Report(ref, tunnel.Status{State: tunnel.Waiting, Reason: tunnel.Unreachable, Mappings: mapping(tunnel.Down, tunnel.Unreachable)})
		}, []string{"hello/x"}},
		{"degraded", func(t *testing.T, w daemon) {
			w.d.World.Report(ref, tunnel.Status{State: tunnel.Degraded, Mappings: mapping(tunnel.Down, tunnel.TargetRefused)})
		}, []string{"hello/x/reach-389"}},
		{"degraded by its server", func(t *testing.T, w daemon) {
			w.d.World.Report(ref, tunnel.Status{State: tunnel.Degraded, Reason: tunnel.ServerBusy, Mappings: mapping(tunnel.Up, "")})
		}, []string{"hello/x"}},
		{"switched off", func(t *testing.T, w daemon) {
			must(w.c.EnableTunnel(t.Context(), ref, false))
		}, nil},
		{"its configuration switched off", func(t *testing.T, w daemon) {
			must(w.c.EnableConfiguration(t.Context(), tunnel.ConfigurationRef{Module: "hello", Name: "default"}, false))
		}, nil},
		{"its module missing", func(t *testing.T, w daemon) { w.d.World.Miss("hello", true) }, []string{"hello/x"}},
		{"module failed", func(t *testing.T, w daemon) {
			w.d.World.Report(ref, tunnel.Status{State: tunnel.Up, Mappings: mapping(tunnel.Up, "")})
			w.d.SetModules(control.ModuleStatus{Name: "hello", State: "failed", Reason: tunnel.Crashed})
		}, []string{"hello"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, c := start(t)
			add(t, c, "x", "1389:389")
			tt.set(t, daemon{d, c})
			s := must(c.Status(t.Context()))
			var got []string
			for _, p := range s.Problems {
				got = append(got, p.Subject)
				if p.Message == "" {
					t.Errorf("%s has no message", p.Subject)
				}
			}
			if !slices.Equal(got, tt.problems) || s.OK != (len(tt.problems) == 0) {
				t.Errorf("ok %t, problems %q, not %q", s.OK, got, tt.problems)
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

// daemon is a daemon and a client of it.
type daemon struct {
	d *controltest.Daemon
	c *control.Client
}
