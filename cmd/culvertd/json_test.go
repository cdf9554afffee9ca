package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
)

// The names in JSON are a contract: fields may be added, none renamed. They are held against live output.
func TestJSONNamesAreAContract(t *testing.T) {
	t.Parallel()
	r := newRig(t, "monitoring", "intruder", "hello")
	site, err := sshtest.Start(sshtest.Options{AuthorizedKeys: []string{r.publicKey()}, Gateway: "clientspecified"})
	if err != nil {
		t.Fatal(err)
	}
	defer site.Close()
	svc, metrics := startService(t), freePort(t)
	r.must("config", "add", "monitoring/default", "--set", "site.server=pbx@"+site.Addr(), "--set", page(metrics))
	r.must("tunnel", "add", "operator/x", "--server", "pbx@"+site.Addr(), "--key", "host", "--comment", "for the test",
		"--reach", fmt.Sprintf("r=%d:127.0.0.1:%d", freePort(t), svc.port), "--expose-gateway", fmt.Sprintf("e=%d:%d", svc.port, freePort(t)))
	r.waitState("operator/x", "up", 20*time.Second)
	r.waitState(victim, "up", 20*time.Second)

	tunnels := array(t, r.must("tunnel", "list", "-o", "json"))
	if len(tunnels) != 2 {
		t.Fatalf("%d tunnels", len(tunnels))
	}
	tunnels = append(tunnels, object(t, r.must("tunnel", "show", "operator/x", "-o", "json")))
	for _, v := range tunnels {
		holds(t, v, "owner name configuration managed_by comment server auth fingerprint pin server_version enabled state reason "+
			"message remedy since next_attempt revision warnings mappings via lan link cause evidence fixes")
		holds(t, v["server"], "host port user")
		holds(t, v["link"], "state reason message at")
		for _, m := range v["mappings"].([]any) {
			holds(t, m, "name kind slot gateway local remote state reason message remedy proved_at target_proved_at bound connections bytes_in bytes_out "+
				"lane accepted_wider listener target connections_total refused callers cause evidence fixes")
			holds(t, m.(map[string]any)["listener"], "state reason message at")
			holds(t, m.(map[string]any)["target"], "state reason message at")
		}
	}
	operators, declared := tunnels[2], tunnels[slices.IndexFunc(tunnels, func(v map[string]any) bool { return v["owner"] == "monitoring" })]
	for _, c := range []struct {
		v           map[string]any
		field, want string
	}{
		{operators, "managed_by", `"operator"`}, {declared, "managed_by", `"module"`},
		{operators, "configuration", `null`}, {declared, "configuration", `"default"`},
		{operators, "auth", `"key"`}, {operators, "pin", `"learned"`}, {operators, "enabled", `true`},
		{operators, "reason", `null`}, {operators, "comment", `"for the test"`}, {operators, "next_attempt", `null`},
	} {
		if got, _ := json.Marshal(c.v[c.field]); string(got) != c.want {
			t.Errorf("%s of %v is %s, want %s", c.field, c.v["name"], got, c.want)
		}
	}
	since, err := time.Parse(time.RFC3339, operators["since"].(string))
	if err != nil || since.Location() != time.UTC {
		t.Errorf("since is %v: %v", operators["since"], err)
	}
	ends(t, operators["mappings"].([]any), declared["mappings"].([]any), svc.port, metrics)

	for _, m := range append(array(t, r.must("module", "list", "-o", "json")), object(t, r.must("module", "show", "monitoring", "-o", "json"))) {
		holds(t, m, "name version sha256 state reason message remedy pid rss_bytes restarts sandbox sandbox_message sandbox_remedy configurations tunnels")
		if rss, _ := m["rss_bytes"].(float64); m["name"] == "monitoring" && rss < 1<<20 {
			t.Errorf("the running module monitoring takes %v bytes", m["rss_bytes"])
		}
	}
	for _, c := range array(t, r.must("config", "list", "-o", "json")) {
		holds(t, c, "module name enabled state reason message revision")
	}
	status := object(t, r.must("status", "-o", "json"))
	holds(t, status, "ok problems tunnels modules")
	_, out, _ := r.cli("", "check", "--server", "pbx@"+site.Addr(), "--key", "host", "-o", "json")
	check := object(t, out)
	holds(t, check, "ok fingerprint steps")
	for _, s := range check["steps"].([]any) {
		holds(t, s, "name state reason message remedy ms cause evidence fixes")
	}
	why := object(t, r.must("tunnel", "why", "operator/x", "-o", "json"))
	holds(t, why, "subject state reason cause message remedy evidence fixes link since next_attempt mappings")
	for _, m := range why["mappings"].([]any) {
		holds(t, m, "name subject state reason cause message remedy evidence fixes listener target bound proved_at target_proved_at")
	}
	key := object(t, r.must("key", "show", "operator/x", "-o", "json"))
	holds(t, key, "authorized_key options host user own auth use_key places shared warnings")
	types := strings.Fields("tunnel-added tunnel-changed tunnel-removed tunnel-state mapping-state caller-new key-learned key-accepted refused module-state config-changed record-damaged events-lost")
	for line := range strings.Lines(r.must("events", "-o", "json")) {
		e := object(t, line)
		holds(t, e, "time type actor subject reason message fields")
		if !slices.Contains(types, e["type"].(string)) {
			t.Errorf("an event of type %v", e["type"])
		}
	}
}

// ends holds the two ends of mappings of each sort against the contract.
func ends(t *testing.T, operators, declared []any, service, metrics int) {
	t.Helper()
	for _, m := range append(operators, declared...) {
		m := m.(map[string]any)
		local, _ := m["local"].(map[string]any)
		remote, _ := m["remote"].(map[string]any)
		var ok bool
		switch m["name"] {
		case "r":
			ok = local["host"] == "127.0.0.1" && remote["host"] == "127.0.0.1" && remote["port"] == float64(service) && m["gateway"] == false
		case "e":
			ok = local["host"] == "127.0.0.1" && local["port"] == float64(service) && remote["host"] == "*" && m["gateway"] == true
		case "host":
			ok = m["local"] == nil && remote["host"] == "localhost" && remote["port"] == float64(metrics) && m["slot"] == "host"
		}
		if !ok {
			t.Errorf("mapping %v: local %v, remote %v, gateway %v, slot %v", m["name"], m["local"], m["remote"], m["gateway"], m["slot"])
		}
	}
}

// holds checks that an object has all these fields.
func holds(t *testing.T, v any, names string) {
	t.Helper()
	for _, n := range strings.Fields(names) {
		if _, ok := v.(map[string]any)[n]; !ok {
			t.Errorf("%q is missing in %v", n, v)
		}
	}
}

func array(t *testing.T, text string) (out []map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &out); err != nil || len(out) == 0 {
		t.Fatalf("no array of objects: %v: %s", err, text)
	}
	return out
}

func object(t *testing.T, text string) (out map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("no object: %v: %s", err, text)
	}
	return out
}
