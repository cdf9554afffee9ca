package main

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
)

// Who connects through a mapping stands in the journal once, and with its connections on the page of the module that
// shows metrics.
func TestWhoConnectsShows(t *testing.T) {
	t.Parallel()
	r := newRig(t, "monitoring")
	site, err := sshtest.Start(sshtest.Options{AuthorizedKeys: []string{r.publicKey()}, Gateway: "clientspecified"})
	if err != nil {
		t.Fatal(err)
	}
	defer site.Close()
	svc, reach, expose := startService(t), freePort(t), freePort(t)
	r.must("config", "add", "monitoring/default", "--set", "site.server=pbx@"+site.Addr(), "--set", page(freePort(t)))
	r.must("tunnel", "add", "operator/x", "--server", "pbx@"+site.Addr(), "--key", "host",
		"--reach", fmt.Sprintf("r=%d:127.0.0.1:%d", reach, svc.port), "--expose-gateway", fmt.Sprintf("e=%d:%d", svc.port, expose))
	r.waitState("operator/x", "up", 20*time.Second)
	r.waitState(victim, "up", 20*time.Second)

	for range 3 {
		visit(t, "127.0.0.9", reach)
		visit(t, "127.0.0.8", expose)
	}
	want := []string{"operator/x/e expose-gateway 127.0.0.8", "operator/x/r reach 127.0.0.9"}
	eventually(t, time.Minute, "the callers in the journal", func() error {
		var got []string
		for _, e := range r.eventList() {
			if e.Type == "caller-new" && strings.HasPrefix(e.Subject, "operator/x/") {
				got = append(got, e.Subject+" "+e.Fields["kind"]+" "+e.Fields["address"])
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			return fmt.Errorf("there are %q", got)
		}
		return nil
	})
	shown, err := fetch(r.metricsPort(victim))
	if err != nil {
		t.Fatal(err)
	}
	for _, series := range []string{
		`culvert_mapping_caller_connections_total{caller="127.0.0.8",kind="expose-gateway",mapping="e",owner="operator",tunnel="operator/x"} 3`,
		`culvert_mapping_caller_connections_total{caller="127.0.0.9",kind="reach",mapping="r",owner="operator",tunnel="operator/x"} 3`,
		`culvert_tunnel_link_up{owner="operator",tunnel="operator/x"} 1`,
		`culvert_mapping_listener_state{kind="reach",mapping="r",owner="operator",state="up",tunnel="operator/x"} 1`,
	} {
		if !strings.Contains(shown, series) {
			t.Errorf("the page has no %s", series)
		}
	}
	if t.Failed() {
		t.Log(shown)
	}
}

// visit has the service behind a port answer somebody at that address.
func visit(t *testing.T, from string, port int) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 10 * time.Second}
	c, err := d.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 100)); n == 0 {
		t.Fatalf("nobody answers %s at port %d: %v", from, port, err)
	}
}
