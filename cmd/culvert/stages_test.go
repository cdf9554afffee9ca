package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestStages(t *testing.T) {
	for _, tt := range []struct {
		state   tunnel.State
		reason  tunnel.Reason
		mapping tunnel.State
		want    string
	}{
		{tunnel.Connecting, "", tunnel.Down, "name running, tcp running, hostkey running, login running"},
		{tunnel.Waiting, tunnel.UnknownHost, tunnel.Down, "name failed, tcp running, hostkey running, login running"},
		{tunnel.Waiting, tunnel.Unreachable, tunnel.Down, "name ok, tcp failed, hostkey running, login running"},
		{tunnel.Blocked, tunnel.HostKeyMismatch, tunnel.Down, "name ok, tcp ok, hostkey failed, login running"},
		{tunnel.Blocked, tunnel.LoginRefused, tunnel.Down, "name ok, tcp ok, hostkey ok, login failed"},
		{tunnel.Blocked, tunnel.SecretMissing, tunnel.Down, "name ok, tcp ok, hostkey ok, login failed"},
		{tunnel.Waiting, tunnel.LoginPostponed, tunnel.Down, "name running, tcp running, hostkey running, login running"},
		{tunnel.Waiting, tunnel.LinkLost, tunnel.Down, "name running, tcp running, hostkey running, login running"},
		{tunnel.Connecting, "", tunnel.Up, "name ok, tcp ok, hostkey ok, login ok, m ok"},
		{tunnel.Up, "", tunnel.Up, "name ok, tcp ok, hostkey ok, login ok, m ok"},
		{tunnel.Degraded, "", tunnel.Down, "name ok, tcp ok, hostkey ok, login ok, m running"},
	} {
		c := control.Tunnel{State: string(tt.state), Mappings: []control.Mapping{{Name: "m", State: string(tt.mapping)}}}
		if tt.reason != "" {
			r := string(tt.reason)
			c.Reason = &r
		}
		var got []string
		for _, s := range stages(c) {
			got = append(got, fmt.Sprintf("%s %s", s.Name, s.State))
		}
		if s := strings.Join(got, ", "); s != tt.want {
			t.Errorf("%s %s %s: %s, not %s", tt.state, tt.reason, tt.mapping, s, tt.want)
		}
	}
}

// With a proxy there is a stage more, and what it answers about the server fails there.
func TestStagesThroughAProxy(t *testing.T) {
	for _, tt := range []struct {
		reason tunnel.Reason
		want   string
	}{
		{tunnel.ProxyUnreachable, "name ok, tcp failed, proxy running, hostkey running, login running"},
		{tunnel.ProxyRefused, "name ok, tcp ok, proxy failed, hostkey running, login running"},
		{tunnel.Unreachable, "name ok, tcp ok, proxy failed, hostkey running, login running"},
		{tunnel.UnknownHost, "name ok, tcp ok, proxy failed, hostkey running, login running"},
		{tunnel.LoginRefused, "name ok, tcp ok, proxy ok, hostkey ok, login failed"},
	} {
		r := string(tt.reason)
		var got []string
		for _, s := range stages(control.Tunnel{State: "waiting", Reason: &r, Via: "http://proxy:3128"}) {
			got = append(got, fmt.Sprintf("%s %s", s.Name, s.State))
		}
		if s := strings.Join(got, ", "); s != tt.want {
			t.Errorf("%s: %s, not %s", tt.reason, s, tt.want)
		}
	}
}
