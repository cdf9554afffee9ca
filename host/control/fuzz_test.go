package control_test

import (
	"encoding/json"
	"fmt"
	"testing"
)

// Whatever is sent, the answer is a tunnel or a refusal that says what to do; never an error of the daemon's own.
func FuzzAddTunnel(f *testing.F) {
	for _, extra := range []string{"", `,"server":"h:0"`, `,"mappings":[{"kind":"expose","mapping":"[::1]:80:8080"}]`, `,"owner":null`, `,"x":`, `,"via":"socks5://u@[::1]:1080","via_password":"p","lan":"10.0.0.1","lanes":{"a":"bulk"}`, "\x00", `,"mappings":[null]`} {
		f.Add(fmt.Sprintf(good, extra))
	}
	f.Add(`null`)
	f.Add(`{"owner":"operator","name":"x","server":"a@b","login":"key","mappings":[{"kind":"reach","mapping":":389"}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		d, _ := start(t)
		status, answer := raw(t, d, "POST", "/v1/tunnels", token(t, d), body)
		switch status {
		case 201:
			if !json.Valid([]byte(answer)) {
				t.Errorf("%q", answer)
			}
		case 400, 409, 422:
			if e := refusal(t, answer); e.Message == "" || len(e.Findings) == 0 {
				t.Errorf("%d %q", status, answer)
			}
		default:
			t.Errorf("%d %q", status, answer)
		}
	})
}
