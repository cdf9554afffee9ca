package control_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/host/control"
)

// good is a body that POST /v1/tunnels takes; %s is put into it last, where a key given twice counts.
const good = `{"owner":"hello","name":"x","server":"pbx@192.0.2.1","login":"key","comment":"","fingerprint":"","disabled":true,
	"mappings":[{"kind":"reach","mapping":"a=1389:389"}]%s}`

// Every field, wrong in type, range, length or intent: the answer names the field, says the way out, and nothing is stored.
func TestBadInputOfAddTunnel(t *testing.T) {
	d, c := start(t)
	before := d.Calls()
	long := strings.Repeat("a", 5000)
	for _, tt := range []struct{ field, body string }{
		{"owner", `"owner":7`}, {"owner", `"owner":""`}, {"owner", `"owner":"../x"`}, {"owner", `"owner":"` + long + `"`}, {"owner", `"owner":"x\u0000"`},
		{"name", `"name":true`}, {"name", `"name":""`}, {"name", `"name":"a b"`}, {"name", `"name":"` + long + `"`}, {"name", `"name":"x.y"`}, {"name", `"name":"\u202ex"`}, {"name", `"name":"a/b"`},
		{"server", `"server":22`}, {"server", `"server":""`}, {"server", `"server":"pbx@-oProxyCommand=x"`}, {"server", `"server":"pbx@h:0"`}, {"server", `"server":"pbx@h:65536"`},
		{"server", `"server":"pbx@h:0x16"`}, {"server", `"server":"@h"`}, {"server", `"server":"pbx@` + long + `"`}, {"server", `"server":"pbx@a\nb"`}, {"server", `"server":"-x@h"`}, {"server", `"server":{"host":"h"}`},
		{"login", `"login":1`}, {"login", `"login":""`}, {"login", `"login":"cert"`},
		{"password", `"login":"password"`}, {"password", `"password":[]`}, {"password", `"login":"password","password":"` + long + `"`}, {"password", `"login":"password","password":"a\nb"`},
		{"password", `"password":"x"`},
		{"private_key", `"private_key":1`}, {"private_key", `"private_key":"broken"`}, {"private_key", `"private_key":"` + strings.Repeat(long, 14) + `"`},
		{"passphrase", `"passphrase":"x"`}, {"passphrase", `"passphrase":{}`},
		{"fingerprint", `"fingerprint":7`}, {"fingerprint", `"fingerprint":"zz"`}, {"fingerprint", `"fingerprint":"SHA256:abc"`}, {"fingerprint", `"fingerprint":"` + long + `"`},
		{"comment", `"comment":7`}, {"comment", `"comment":"` + long + `"`}, {"comment", `"comment":"a\u001b[31mb"`},
		{"disabled", `"disabled":"no"`},
		{"mappings", `"mappings":{}`}, {"mappings", `"mappings":"1:2"`}, {"mappings[0]", `"mappings":[{"kind":"reach","mapping":""}]`},
		{"mappings[0]", `"mappings":[{"kind":"tun","mapping":"1:2"}]`}, {"mappings[0]", `"mappings":[{"kind":"reach","mapping":"99999:2"}]`},
		{"mappings[1]", `"mappings":[{"kind":"reach","mapping":"1:2"},{"kind":"expose","mapping":"80 :2"}]`},
		{"mappings[0]", `"mappings":[{"kind":"reach","mapping":"` + long + `"}]`}, {"mappings[0]", `"mappings":[{"kind":"reach","mapping":"A=1:2"}]`},
		{"mapping", `"mappings":[{"kind":"reach","mapping":7}]`}, {"mappings", `"mappings":` + many(65)},
		{"port", `"port":22`},
	} {
		status, body := raw(t, d, "POST", "/v1/tunnels", token(t, d), fmt.Sprintf(good, ","+tt.body))
		shown := tt.body[:min(len(tt.body), 60)]
		if status != 400 {
			t.Errorf("%s: status %d: %s", shown, status, body)
			continue
		}
		named(t, shown, tt.field, body)
		if strings.Contains(body, long) || strings.ContainsAny(body, "\x1b\u202e") {
			t.Errorf("%s: the answer repeats hostile text", shown)
		}
	}
	if after := d.Calls(); !slices.Equal(before, after) {
		t.Errorf("stored: %q", after)
	}
	if all := must(c.Tunnels(t.Context(), "")); len(all) != 0 {
		t.Errorf("stored: %+v", all)
	}
	if status, body := raw(t, d, "POST", "/v1/tunnels", token(t, d), fmt.Sprintf(good, "")); status != 201 {
		t.Errorf("the good body: %d %s", status, body)
	}
}

// named checks that some finding is about field, with code, sentence and way out.
func named(t *testing.T, what, field, body string) {
	t.Helper()
	e := refusal(t, body)
	for _, f := range e.Findings {
		if strings.Contains(f.Field, field) && f.Code != "" && f.Message != "" && f.WayOut != "" {
			return
		}
	}
	t.Errorf("%s: no whole finding names %s: %s", what, field, body)
}

// many is that many mappings as JSON.
func many(n int) string {
	all := make([]control.MappingInput, n)
	for i := range all {
		all[i] = control.MappingInput{Kind: "reach", Mapping: fmt.Sprintf("%d:389", 2000+i)}
	}
	return string(must(json.Marshal(all)))
}

func TestBadBodies(t *testing.T) {
	d, c := start(t)
	add(t, c, "x", "1389:389")
	before, calls := must(c.Tunnels(t.Context(), "")), d.Calls()
	for _, tt := range []struct{ method, path, body, field string }{
		{"POST", "/v1/tunnels", ``, "body"},
		{"POST", "/v1/tunnels", `null x`, "body"},
		{"POST", "/v1/tunnels", `{`, "body"},
		{"POST", "/v1/tunnels", `[]`, "body"},
		{"POST", "/v1/tunnels", `{}{}`, "body"},
		{"POST", "/v1/tunnels", `{"comment":"` + strings.Repeat("a", 1<<20) + `"}`, "body"},
		{"PATCH", "/v1/tunnels/hello/x", `{"server":""}`, "server"},
		{"PATCH", "/v1/tunnels/hello/x", `{"fingerprint":"zz"}`, "fingerprint"},
		{"PATCH", "/v1/tunnels/hello/x", `{"login":{"login":"password"}}`, "login.password"},
		{"PATCH", "/v1/tunnels/hello/x", `{"set":[{"kind":"reach","mapping":"1"}]}`, "set[0]"},
		{"PATCH", "/v1/tunnels/hello/x", `{"drop":["A"]}`, "drop[0]"},
		{"PATCH", "/v1/tunnels/hello/x", `{"drop":"a"}`, "drop"},
		{"PATCH", "/v1/tunnels/hello/x", `{"accept_wider":["a b"]}`, "accept_wider[0]"},
		{"PATCH", "/v1/tunnels/hello/x", `{"if_revision":-1}`, "if_revision"},
		{"PATCH", "/v1/tunnels/hello/x", `{"owner":"operator"}`, "owner"},
		{"POST", "/v1/tunnels/hello/x/secret", `{"login":"password"}`, "password"},
		{"POST", "/v1/tunnels/hello/x/secret", `{"password":"x"}`, "login"},
		{"POST", "/v1/check", `{"server":"h:99999","login":"key"}`, "server"},
		{"POST", "/v1/check", `{"server":"h"}`, "login"},
		{"POST", "/v1/check", `{"server":"h","login":"key","mappings":[{"kind":"expose","mapping":"x"}]}`, "mappings[0]"},
		{"POST", "/v1/configurations", `{"module":"hello","name":"A"}`, "name"},
		{"POST", "/v1/configurations", `{"module":"hello","name":"b","settings":[]}`, "settings"},
		{"POST", "/v1/configurations", `{"module":"hello","name":"b","set":{}}`, "set"},
		{"PATCH", "/v1/configurations/hello/default", `{"set":[{"key":"nothing","value":"x"}]}`, "nothing"},
		{"PATCH", "/v1/configurations/hello/default", `{"unset":["nothing"]}`, "nothing"},
		{"PATCH", "/v1/configurations/hello/default", `{"if_revision":"1"}`, "if_revision"},
	} {
		status, body := raw(t, d, tt.method, tt.path, token(t, d), tt.body)
		what := tt.method + " " + tt.path + " " + tt.body[:min(len(tt.body), 60)]
		if status != 400 {
			t.Errorf("%s: status %d: %s", what, status, body)
			continue
		}
		named(t, what, tt.field, body)
	}
	after := must(c.Tunnels(t.Context(), ""))
	if string(must(json.Marshal(before))) != string(must(json.Marshal(after))) || !slices.Equal(calls, d.Calls()) {
		t.Errorf("changed: %+v %q", after, d.Calls())
	}
}

// Right in itself but refused by the state: 409 or 422, never 400 or 404.
func TestRefusedByTheState(t *testing.T) {
	d, c := start(t)
	add(t, c, "x", "1389:389")
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
	}{
		{"owner not installed", "POST", "/v1/tunnels", `{"owner":"nomodule","name":"x","server":"pbx@h","login":"key"}`, 422},
		{"module not installed", "POST", "/v1/configurations", `{"module":"nomodule","name":"x"}`, 422},
		{"exists", "POST", "/v1/tunnels", `{"owner":"hello","name":"x","server":"pbx@h","login":"key"}`, 409},
		{"configuration exists", "POST", "/v1/configurations", `{"module":"hello","name":"default"}`, 409},
		{"port taken", "POST", "/v1/tunnels", `{"owner":"hello","name":"y","server":"pbx@h","login":"key","mappings":[{"kind":"reach","mapping":"1389:636"}]}`, 409},
		{"stale", "PATCH", "/v1/tunnels/hello/x", `{"comment":"c","if_revision":999}`, 409},
		{"stale configuration", "PATCH", "/v1/configurations/hello/default", `{"settings":{},"if_revision":999}`, 409},
		{"mapping not there", "PATCH", "/v1/tunnels/hello/x", `{"drop":["absent"]}`, 404},
		{"tunnel not there", "PATCH", "/v1/tunnels/hello/absent", `{"comment":"c"}`, 404},
	} {
		if status, body := raw(t, d, tt.method, tt.path, token(t, d), tt.body); status != tt.status {
			t.Errorf("%s: %d, not %d: %s", tt.name, status, tt.status, body)
		}
	}
}

// A secret that is wrong stands in no answer.
func TestSecretsStayOut(t *testing.T) {
	d, c := start(t)
	const canary = "canary-4711"
	bodies := []string{
		`{"owner":"hello","name":"x","server":"h:99999","login":"password","password":"` + canary + `"}`,
		`{"owner":"hello","name":"x","server":"h","login":"key","password":"` + canary + `"}`,
		`{"owner":"hello","name":"x","server":"h","login":"password","password":"` + canary + `\n"}`,
		`{"owner":"hello","name":"x","server":"h","login":"key","private_key":"broken","passphrase":"` + canary + `"}`,
	}
	for _, b := range bodies {
		if _, body := raw(t, d, "POST", "/v1/tunnels", token(t, d), b); strings.Contains(body, canary) {
			t.Errorf("%s", body)
		}
	}
	add(t, c, "x", "1389:389")
	in := control.LoginInput{Login: "password", Password: canary}
	if _, body := raw(t, d, "POST", "/v1/tunnels/hello/x/secret", token(t, d), string(must(json.Marshal(in)))); strings.Contains(body, canary) {
		t.Errorf("%s", body)
	}
	if b := must(json.Marshal(must(c.Tunnels(t.Context(), "")))); strings.Contains(string(b), canary) {
		t.Errorf("%s", b)
	}
}
