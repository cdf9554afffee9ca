package control_test

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func uid() int { return os.Getuid() }

func TestNoTokenNoAnswer(t *testing.T) {
	d, _ := start(t)
	before := d.Calls()
	for name, given := range map[string]string{"none": "", "another": "x", "nearly": token(t, d) + "x"} {
		for _, path := range []string{"/v1/tunnels", "/v1/key", "/v1/nothing", "/"} {
			status, body := raw(t, d, "GET", path, given, "")
			e := refusal(t, body)
			if status != http.StatusUnauthorized || e.Code != "token" || e.Hint == "" {
				t.Errorf("%s token, %s: %d %s", name, path, status, body)
			}
		}
	}
	if status, _ := raw(t, d, "DELETE", "/v1/configurations/hello/default", "", ""); status != http.StatusUnauthorized {
		t.Errorf("a change without token: %d", status)
	}
	if after := d.Calls(); !slices.Equal(before, after) {
		t.Errorf("asked without token: %q", after)
	}
}

// A module's process is no operator, even with the token.
func TestModuleIsRefusedWithAnEvent(t *testing.T) {
	d, c := start(t)
	add(t, c, "x", "1389:389")
	before := d.Calls()
	d.SetIsModule(true)
	status, body := raw(t, d, "DELETE", "/v1/tunnels/hello/x", token(t, d), "")
	if status != http.StatusForbidden || !strings.Contains(body, "intruder") {
		t.Errorf("%d %s", status, body)
	}
	if after := d.Calls(); !slices.Equal(before, after) {
		t.Errorf("asked by a module: %q", after)
	}
	var refused []tunnel.Event
	for e := range d.Events.Read(t.Context()) {
		refused = append(refused, e)
	}
	if len(refused) != 1 || refused[0].Type != tunnel.Refused || refused[0].Actor != "module:intruder" || !strings.Contains(refused[0].Message, "DELETE /v1/tunnels/hello/x") {
		t.Errorf("events: %+v", refused)
	}
}

func TestRoutes(t *testing.T) {
	d, _ := start(t)
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/v1/version", 200},
		{"GET", "/v1/nothing", 404},
		{"PUT", "/v1/tunnels", 405},
		{"GET", "/v1/tunnels/hello/absent", 404},
		{"GET", "/v1/tunnels/Hello/x", 400},
		{"GET", "/v1/tunnels/hello/%2e%2e", 400},
		{"GET", "/v1/tunnels/hello/a%20b", 400},
		{"GET", "/v1/modules/absent", 404},
		{"POST", "/v1/modules/absent/restart", 404},
		{"GET", "/v1/modules/absent/log", 404},
		{"GET", "/v1/configurations/hello/absent", 404},
		{"GET", "/v1/configurations/operator/x", 409},
		{"GET", "/v1/events?tunnel=nonsense", 400},
	} {
		status, body := raw(t, d, tt.method, tt.path, token(t, d), "")
		if status != tt.status {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, status, body)
		}
		if status >= 400 {
			if e := refusal(t, body); e.Code == "" || e.Message == "" || e.Hint == "" || !json.Valid([]byte(body)) {
				t.Errorf("%s %s: %s", tt.method, tt.path, body)
			}
		}
	}
}
