package control_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// The names that travel are a contract: fields may be added, none is renamed or left out, whatever its value.
func TestNamesAreTheContract(t *testing.T) {
	d, c := start(t)
	add(t, c, "x", "1389:389")
	add(t, c, "y", ":389")
	d.Events.Add(tunnel.Event{Time: time.Now(), Type: tunnel.TunnelAdded, Actor: "host", Subject: "hello/x"})
	d.Steps = []control.Step{{Name: "name", State: control.StepOK}}
	d.World.Report(tunnel.Ref{Owner: "hello", Name: "x"}, troubled)
	d.Module(t, tunnel.Description{Name: "tapi", Version: "1", Policy: tunnel.Anything, Grants: []tunnel.Grant{"network"}})
	d.SetModules(control.ModuleStatus{Name: "tapi", Notes: []control.Note{{About: "network"}}})
	regranted := must(c.GrantModule(t.Context(), "tapi", "network"))

	for _, tt := range []struct {
		what, names string
		live        any
	}{
		{"tunnel", `owner name configuration managed_by comment server auth fingerprint pin server_version enabled state
			reason message remedy since next_attempt revision warnings mappings via lan cause evidence fixes link`, must(c.Tunnels(t.Context(), ""))},
		{"server", `host port user`, must(c.Tunnels(t.Context(), ""))[0].Server},
		{"statement", `state reason message at`, must(c.Tunnels(t.Context(), ""))[0].Link},
		{"listener", `state reason message at`, must(c.Tunnels(t.Context(), ""))[0].Mappings[0].Listener},
		{"fix", `where line`, must(c.Tunnels(t.Context(), ""))[0].Fixes},
		{"caller", `address open total last`, must(c.Tunnels(t.Context(), ""))[0].Mappings[0].Callers},
		{"key of a tunnel", `authorized_key options host user own auth use_key places shared warnings`, must(c.TunnelKey(t.Context(), tunnel.Ref{Owner: "hello", Name: "x"}))},
		{"place of a key", `system file line`, must(c.TunnelKey(t.Context(), tunnel.Ref{Owner: "hello", Name: "x"})).Places},
		{"mapping", `name kind slot gateway local remote state reason message remedy proved_at target_proved_at bound
			connections bytes_in bytes_out lane accepted_wider listener target connections_total refused callers
			cause evidence fixes`, must(c.Tunnels(t.Context(), ""))[1].Mappings},
		{"end of a mapping", `host port`, must(c.Tunnels(t.Context(), ""))[0].Mappings[0].Local},
		{"module", `name version sha256 state reason message remedy pid rss_bytes restarts sandbox configurations tunnels
			grants pending sandbox_message sandbox_remedy contract unsandboxed notes`,
			must(c.Modules(t.Context()))},
		{"note of a module", `about message remedy`, must(c.Modules(t.Context()))[0].Notes},
		{"grant of a module", `grant granted words`, regranted.Grants},
		{"effect of a grant", `name grants process message remedy warnings`, regranted},
		{"acceptance", `name before after grants`, must(c.AcceptModule(t.Context(), "tapi", false))},
		{"binary", `version sha256 slots policy grants capabilities contract`, must(c.AcceptModule(t.Context(), "tapi", false)).After},
		{"shown configuration", `module name settings defaults sites tunnels warnings`, must(c.AddConfiguration(t.Context(), control.NewConfiguration{Module: "hello", Name: "shown"}))},
		{"configuration", `module name enabled state reason message revision`, must(c.Configurations(t.Context()))},
		{"check", `ok fingerprint steps`, must(c.Check(t.Context(), control.CheckInput{Server: "a@b", LoginInput: control.LoginInput{Login: "key"}}, func(control.Step) {}))},
		{"test", `ok steps`, must(c.TestConfiguration(t.Context(), tunnel.ConfigurationRef{Module: "hello", Name: "default"}, control.SettingsInput{}, func(control.Step) {}))},
		{"step", `name state reason message remedy ms cause evidence fixes`, d.Steps},
		{"status", `ok problems notes tunnels modules jobs`, must(c.Status(t.Context()))},
		{"problem", `subject reason cause message remedy more`, must(c.Status(t.Context())).Problems},
		{"event", `time type actor subject reason message fields`, first(t, c)},
	} {
		t.Run(tt.what, func(t *testing.T) {
			for _, o := range objects(t, tt.live) {
				for _, name := range strings.Fields(tt.names) {
					if _, ok := o[name]; !ok {
						t.Errorf("%s has no %q: %v", tt.what, name, o)
					}
				}
			}
		})
	}
}

// troubled is a status of hello/x with everything in it, some of it hostile.
var troubled = tunnel.Status{
	State: tunnel.Degraded, Diagnosis: &tunnel.Diagnosis{Cause: tunnel.HeldByStranger, Evidence: []string{"a\x1b[31mb"}, Fixes: []tunnel.Fix{{Where: "there", Line: "this"}}},
	Link: tunnel.Statement{State: tunnel.Up, At: time.Now()},
	Mappings: []tunnel.MappingStatus{{Name: "reach-389", State: tunnel.Down, Reason: tunnel.TargetRefused,
		Diagnosis: &tunnel.Diagnosis{Cause: tunnel.TargetClosed}, Target: tunnel.Statement{State: tunnel.Down, Message: "220 hello\x07"},
		Total: 7, Refused: 3, Callers: []tunnel.Caller{{Address: "192.0.2.9", Open: 1, Total: 7, Last: time.Now()}}}},
}

// What was seen comes as it was, escaped and bounded, and where nothing was seen that is said in one way.
func TestDiagnosesTravel(t *testing.T) {
	d, c := start(t)
	add(t, c, "x", "1389:389")
	ref := tunnel.Ref{Owner: "hello", Name: "x"}
	before := must(c.Tunnel(t.Context(), ref))
	if before.Cause != nil || before.Link.State != control.StatementUnknown || before.Mappings[0].Listener.State != control.StatementUnknown || before.Mappings[0].Lane != "main" {
		t.Errorf("before anything was seen: %+v", before)
	}
	long := troubled
	for range 50 {
		long.Mappings[0].Callers = append(long.Mappings[0].Callers, tunnel.Caller{Address: "192.0.2.10"})
	}
	d.World.Report(ref, long)
	got := must(c.Tunnel(t.Context(), ref))
	if *got.Cause != "held-by-stranger" || !slices.Equal(got.Evidence, []string{`a\x1b[31mb`}) || got.Fixes[0] != (control.Fix{Where: "there", Line: "this"}) || got.Link.State != "up" || got.Link.At == nil {
		t.Errorf("%+v", got)
	}
	m := got.Mappings[0]
	if *m.Cause != "target-closed" || m.Target.Message != `220 hello\a` || m.Total != 7 || m.Refused != 3 || len(m.Callers) != tunnel.MaxCallers || m.Callers[0].Open != 1 {
		t.Errorf("%+v", m)
	}
}

// What is not there is null or empty in one way only.
func TestAbsentIsNull(t *testing.T) {
	_, c := start(t)
	add(t, c, "y", ":389")
	o := objects(t, must(c.Tunnels(t.Context(), "")))[0]
	for _, name := range []string{"configuration", "reason", "next_attempt", "cause"} {
		if v := string(o[name]); v != "null" {
			t.Errorf("%s is %s, not null", name, v)
		}
	}
	m := objects(t, must(c.Tunnels(t.Context(), ""))[0].Mappings)[0]
	for name, want := range map[string]string{"local": "null", "proved_at": "null", "bound": `"unknown"`, "state": `"down"`,
		"cause": "null", "evidence": "[]", "fixes": "[]", "callers": "[]", "lane": `"main"`} {
		if v := string(m[name]); v != want {
			t.Errorf("mapping's %s is %s, not %s", name, v, want)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func first(t *testing.T, c *control.Client) control.Event {
	for e, err := range c.Events(t.Context(), "hello/x", false) {
		return must(e, err)
	}
	t.Fatal("no event")
	return control.Event{}
}

// objects is v, one or an array that is not empty, as JSON objects.
func objects(t *testing.T, v any) []map[string]json.RawMessage {
	t.Helper()
	b := must(json.Marshal(v))
	var one map[string]json.RawMessage
	if json.Unmarshal(b, &one) == nil {
		return []map[string]json.RawMessage{one}
	}
	var all []map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil || len(all) == 0 {
		t.Fatalf("no objects in %s: %v", b, err)
	}
	return all
}

func TestHostsOfEnds(t *testing.T) {
	_, c := start(t)
	for i, tt := range []struct{ kind, mapping, local, remote string }{
		{"reach", "1389:389", "127.0.0.1:1389", "localhost:389"},
		{"reach", "1390:dc1.example.org:389", "127.0.0.1:1390", "dc1.example.org:389"},
		{"reach", ":389", "private", "localhost:389"},
		{"reach-gateway", "1391:[2001:db8::1]:389", "*:1391", "2001:db8::1:389"},
		{"expose", "9100:9101", "127.0.0.1:9100", "localhost:9101"},
		{"expose", "10.1.2.3:80:10080", "10.1.2.3:80", "localhost:10080"},
		{"expose-gateway", "9100:9102", "127.0.0.1:9100", "*:9102"},
		{"expose-gateway", ":9103", "private", "*:9103"},
	} {
		in := control.NewTunnel{Owner: "hello", Name: fmt.Sprintf("t%d", i), Server: "pbx@192.0.2.1", LoginInput: control.LoginInput{Login: "key"},
			Mappings: []control.MappingInput{{Kind: tt.kind, Mapping: tt.mapping}}}
		m := must(c.AddTunnel(t.Context(), in)).Mappings[0]
		local := "private"
		if m.Local != nil {
			local = fmt.Sprintf("%s:%d", m.Local.Host, m.Local.Port)
		}
		remote := fmt.Sprintf("%s:%d", m.Remote.Host, m.Remote.Port)
		if local != tt.local || remote != tt.remote {
			t.Errorf("%s %s: %s %s, not %s %s", tt.kind, tt.mapping, local, remote, tt.local, tt.remote)
		}
		if gateway := strings.HasSuffix(tt.kind, "gateway"); m.Gateway != gateway {
			t.Errorf("%s: gateway %t", tt.kind, m.Gateway)
		}
	}
}

// Every change that an operator asks for carries the user the kernel knows.
func TestCallerComesFromTheConnection(t *testing.T) {
	d, c := start(t)
	add(t, c, "x", "1389:389")
	want := fmt.Sprintf("add hello/x login key by operator:%d", uid())
	if !slices.Contains(d.Calls(), want) {
		t.Errorf("%q is not among %q", want, d.Calls())
	}
}
