package control_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// good is a body that POST /v1/tunnels takes; %s is put into it last.
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
		{"password", `"login":"password","password":"a\u0000b"`}, {"password", `"login":"password","password":"a\u001bb"`},
		{"private_key", `"private_key":""`}, {"private_key", `"private_key":null`}, {"private_key", `"private_key":1`}, {"private_key", `"private_key":"broken"`}, {"private_key", `"private_key":"` + strings.Repeat(long, 14) + `"`},
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
		{"via", `"via":7`}, {"via", `"via":"proxy:3128"`}, {"via", `"via":"ftp://proxy:3128"`}, {"via", `"via":"http://proxy"`}, {"via", `"via":"http://` + long + `:1"`},
		{"via", `"via":"http://u:` + long + `@proxy:3128"`}, {"via", `"via":"http://a\u001bb@proxy:3128"`},
		{"via_password", `"via_password":""`}, {"via_password", `"via_password":"x"`}, {"via_password", `"via":"http://u@proxy:3128","via_password":"` + long + `"`},
		{"via_password", `"via":"http://proxy:3128","via_password":"x"`}, {"via_password", `"via":"http://u@proxy:3128","via_password":"a\nb"`},
		{"via_password", `"via":"socks5://u@proxy:1080","via_password":"` + long[:256] + `"`}, {"via", `"via":"socks5://u:secret"`}, {"via", `"via":"u:secret"`},
		{"lan", `"lan":"office"`}, {"lan", `"lan":"127.0.0.1"`}, {"lan", `"lan":"` + long + `"`}, {"lan", `"lan":[]`},
		{"lanes.a", `"lanes":{"a":"fast"}`}, {"lanes.b", `"lanes":{"b":"bulk"}`}, {"lanes.A", `"lanes":{"A":"bulk"}`}, {"lanes", `"lanes":["a"]`}, {"lanes.a", `"lanes":{"a":"bulk","a":"main"}`},
	} {
		status, body := raw(t, d, "POST", "/v1/tunnels", token(t, d), goodBut(t, tt.body))
		shown := tt.body[:min(len(tt.body), 60)]
		if status != 400 {
			t.Errorf("%s: status %d: %s", shown, status, body)
			continue
		}
		named(t, shown, tt.field, body)
		if strings.Contains(body, long) || strings.Contains(body, ":secret") || strings.Contains(body, `"secret`) || strings.ContainsAny(body, "\x1b\u202e") {
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

// goodBut is good with these fields in the place of its own.
func goodBut(t *testing.T, fields string) string {
	t.Helper()
	var body map[string]json.RawMessage
	for _, text := range []string{fmt.Sprintf(good, ""), "{" + fields + "}"} {
		if err := json.Unmarshal([]byte(text), &body); err != nil {
			t.Fatal(err)
		}
	}
	return string(must(json.Marshal(body)))
}

// An HTTP proxy takes a longer password than SOCKS5 can say.
func TestATokenIsAProxysPassword(t *testing.T) {
	d, _ := start(t)
	login := `"via":"http://u@proxy:3128","via_password":"` + strings.Repeat("p", 1<<10) + `"`
	if status, body := raw(t, d, "POST", "/v1/tunnels", token(t, d), goodBut(t, login)); status != 201 {
		t.Errorf("a new tunnel: status %d: %s", status, body)
	}
	if status, body := raw(t, d, "PATCH", "/v1/tunnels/hello/x", token(t, d), "{"+login+"}"); status == 400 {
		t.Errorf("an edit: status %d: %s", status, body)
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
		{"POST", "/v1/tunnels", `null`, "body"},
		{"POST", "/v1/tunnels", ` null `, "body"},
		{"PATCH", "/v1/tunnels/hello/x", `null`, "body"},
		{"POST", "/v1/check", `null`, "body"},
		{"PATCH", "/v1/configurations/hello/default", `null`, "body"},
		{"PATCH", "/v1/tunnels/hello/x", `{"comment":"a","comment":"b"}`, "comment"},
		{"PATCH", "/v1/tunnels/hello/x", `{"comment":"a","Comment":"b"}`, "comment"},
		{"PATCH", "/v1/tunnels/hello/x", `{"set":[{"kind":"reach","kind":"expose","mapping":"1:2"}]}`, "set[0].kind"},
		{"PATCH", "/v1/tunnels/hello/x", "{\"comment\":\"f\xfcr\"}", "body"},
		{"POST", "/v1/tunnels/hello/x/secret", "{\"login\":\"password\",\"password\":\"gr\xfc\xdf\"}", "body"},
		{"POST", "/v1/tunnels/hello/x/secret", `{"login":"password","password":"a\ud800b"}`, "body"},
		{"POST", "/v1/tunnels/hello/x/secret", `{"login":"password","password":"\udc00\ud800"}`, "body"},
		{"POST", "/v1/tunnels/hello/x/secret", `{"login":"key","private_key":""}`, "private_key"},
		{"PATCH", "/v1/tunnels/hello/x", `{"login":{"login":"key","private_key":""}}`, "login.private_key"},
		{"PATCH", "/v1/tunnels/hello/x", `{"comment":"c","if_revision":0}`, "if_revision"},
		{"PATCH", "/v1/tunnels/hello/x", `{"via":"nonsense"}`, "via"},
		{"PATCH", "/v1/tunnels/hello/x", `{"via_password":""}`, "via_password"},
		{"PATCH", "/v1/tunnels/hello/x", `{"via":"","via_password":"x"}`, "via_password"},
		{"PATCH", "/v1/tunnels/hello/x", `{"via":"socks5://u@h:1","via_password":"` + strings.Repeat("p", 256) + `"}`, "via_password"},
		{"PATCH", "/v1/tunnels/hello/x", `{"lan":"::"}`, "lan"},
		{"PATCH", "/v1/tunnels/hello/x", `{"lanes":{"reach-389":"slow"}}`, "lanes.reach-389"},
		{"PATCH", "/v1/tunnels/hello/x", `{"refuse_wider":["A"]}`, "refuse_wider[0]"},
		{"PATCH", "/v1/tunnels/hello/x", `{"accept_wider":["a"],"refuse_wider":["b","a"]}`, "refuse_wider[1]"},
		{"POST", "/v1/check", `{"server":"a@b","login":"key","via":"http://h"}`, "via"},
		{"PATCH", "/v1/tunnels/hello/x", `{"comment":"c","if_revision":null}`, "if_revision"},
		{"PATCH", "/v1/configurations/hello/default", `{"settings":{},"if_revision":0}`, "if_revision"},
		{"POST", "/v1/tunnels", `{`, "body"},
		{"POST", "/v1/tunnels", `[]`, "body"},
		{"POST", "/v1/tunnels", `{}{}`, "body"},
		{"POST", "/v1/tunnels", `{"comment":"` + strings.Repeat("a", 1<<20) + `"}`, "body"},
		{"PATCH", "/v1/tunnels/hello/x", `{"server":""}`, "server"},
		{"PATCH", "/v1/tunnels/hello/x", `{"fingerprint":"zz"}`, "fingerprint"},
		{"PATCH", "/v1/tunnels/hello/x", `{"login":{"login":"password"}}`, "login.password"},
		{"PATCH", "/v1/tunnels/hello/x", `{"set":[{"kind":"reach","mapping":"1"}]}`, "set[0]"},
		{"PATCH", "/v1/tunnels/hello/x", `{"templates":["ldap","ladp"]}`, "templates[1]"},
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

// A finding's field is a name of the JSON, none of Go's.
func TestFindingsNameFieldsAsJSONDoes(t *testing.T) {
	d, _ := start(t)
	for _, tt := range []struct{ path, body, field string }{
		{"/v1/tunnels", `{"login":7}`, "login"},
		{"/v1/check", `{"passphrase":[]}`, "passphrase"},
		{"/v1/configurations", `{"set":{}}`, "set"},
		{"/v1/tunnels", `7`, "body"},
	} {
		_, body := raw(t, d, "POST", tt.path, token(t, d), tt.body)
		if e := refusal(t, body); len(e.Findings) != 1 || e.Findings[0].Field != tt.field || strings.Contains(body, "Input") {
			t.Errorf("%s: %s", tt.body, body)
		}
	}
}

// What is UTF-8 arrives as it was sent, however it was escaped.
func TestTextArrivesAsItWasSent(t *testing.T) {
	d, c := start(t)
	add(t, c, "x", "1389:389")
	for body, want := range map[string]string{
		`{"comment":"für \\ud800"}`: `für \ud800`, `{"comment":"\ud83d\ude00"}`: "\U0001f600", `{"comment":"\ufffd�"}`: "\ufffd\ufffd", `{"comment":"\\"}`: `\`,
	} {
		if status, answer := raw(t, d, "PATCH", "/v1/tunnels/hello/x", token(t, d), body); status != 200 {
			t.Errorf("%s: %d %s", body, status, answer)
			continue
		}
		if got := must(c.Tunnel(t.Context(), tunnel.Ref{Owner: "hello", Name: "x"})).Comment; got != want {
			t.Errorf("%s: %q, not %q", body, got, want)
		}
	}
}

// Another method on a known path says which there are.
func TestWrongMethods(t *testing.T) {
	d, _ := start(t)
	for _, tt := range []struct{ method, path, allow string }{
		{"PUT", "/v1/tunnels", "GET, HEAD, POST"},
		{"GET", "/v1/check", "POST"},
		{"POST", "/v1/status", "GET, HEAD"},
		{"POST", "/v1/tunnels/hello/x", "DELETE, GET, HEAD, PATCH"},
		{"GET", "/v1/configurations/hello/default/enable", "POST"},
	} {
		status, header, body := rawWithHeader(t, d, tt.method, tt.path, token(t, d), "")
		if status != 405 || header.Get("Allow") != tt.allow || refusal(t, body).Hint == "" {
			t.Errorf("%s %s: %d %q %s", tt.method, tt.path, status, header.Get("Allow"), body)
		}
	}
	if status, _ := raw(t, d, "PUT", "/v1/tunnels", "", ""); status != 401 {
		t.Errorf("without a token: %d", status)
	}
}

func TestBadQueries(t *testing.T) {
	d, _ := start(t)
	for _, tt := range []struct {
		method, path, field string
		status              int
	}{
		{"GET", "/v1/tunnels?owner=", "", 200},
		{"GET", "/v1/tunnels?owner=hello", "", 200},
		{"GET", "/v1/events?tunnel=hello/x&follow=0", "", 200},
		{"GET", "/v1/tunnels?owner=../x", "owner", 400},
		{"GET", "/v1/tunnels?owner=a&owner=b", "owner", 400},
		{"GET", "/v1/tunnels?ownr=a", "ownr", 400},
		{"GET", "/v1/tunnels?owner=%zz", "query", 400},
		{"GET", "/v1/tunnels?a;b", "query", 400},
		{"GET", "/v1/status?x", "x", 400},
		{"GET", "/v1/events?follow=yes", "follow", 400},
		{"GET", "/v1/events?tunnel=hello", "tunnel", 400},
		{"GET", "/v1/modules/hello/log?follow=", "follow", 400},
		{"DELETE", "/v1/configurations/hello/default?purge=true", "purge", 400},
	} {
		status, body := raw(t, d, tt.method, tt.path, token(t, d), "")
		if status != tt.status {
			t.Errorf("%s %s: %d, not %d: %s", tt.method, tt.path, status, tt.status, body)
		} else if status == 400 {
			named(t, tt.path, tt.field, body)
		}
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

// A connection that is tried has no tunnel to change: what to do is said in flags.
func TestRemediesOfATry(t *testing.T) {
	d, c := start(t)
	d.Steps = []control.Step{
		{Name: "hostkey", State: control.StepFailed, Remedy: "accept the key only if it is there: culvert tunnel accept-key OWNER/NAME; if the server shows the expected key again: culvert tunnel restart OWNER/NAME"},
		{Name: "shown", State: control.StepFailed, Remedy: "accept the key only if it is there: culvert tunnel accept-key OWNER/NAME --fingerprint SHA256:x; if the server shows the expected key again: culvert tunnel restart OWNER/NAME"},
		{Name: "login", State: control.StepFailed, Remedy: "check user and password, then give it again: culvert tunnel secret OWNER/NAME --password-stdin"},
		{Name: "key", State: control.StepFailed, Remedy: "or use the PBX's own: culvert tunnel set OWNER/NAME --key host"},
	}
	var live []control.Step
	out := must(c.Check(t.Context(), control.CheckInput{Server: "a@b", LoginInput: control.LoginInput{Login: "key"}}, func(s control.Step) { live = append(live, s) }))
	want := []string{"accept the key only if it is there: give its fingerprint with --fingerprint", "accept the key only if it is there: give --fingerprint SHA256:x", "check user and password, then give it again: --password-stdin", "or use the PBX's own: --key host"}
	for i, remedy := range want {
		if out.Steps[i].Remedy != remedy || live[i].Remedy != remedy {
			t.Errorf("%q and %q, not %q", out.Steps[i].Remedy, live[i].Remedy, remedy)
		}
	}
}
