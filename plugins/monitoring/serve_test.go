package main

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

var quiet = hclog.NewNullLogger()

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

// of lists views.
func of(views ...tunnel.View) list {
	return func(context.Context) iter.Seq2[tunnel.View, error] {
		return func(yield func(tunnel.View, error) bool) {
			for _, v := range views {
				if !yield(v, nil) {
					return
				}
			}
		}
	}
}

// silent is a host that does not answer.
func silent(ctx context.Context) iter.Seq2[tunnel.View, error] {
	return func(yield func(tunnel.View, error) bool) {
		<-ctx.Done()
		yield(tunnel.View{}, ctx.Err())
	}
}

func TestEveryFactOfATunnelIsASeries(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 500e6, time.UTC)
	v := tunnel.View{
		Tunnel: tunnel.Tunnel{
			Ref: tunnel.Ref{Owner: "adsync", Name: "berlin.site"},
			Mappings: []tunnel.Mapping{
				{Name: "dc1", Kind: tunnel.Reach}, {Name: "dc2", Kind: tunnel.ReachGateway}, {Name: "new", Kind: tunnel.Expose},
			},
		},
		Status: tunnel.Status{
			State: tunnel.Degraded, Since: at, Link: tunnel.Statement{State: tunnel.Up},
			Reason: tunnel.ServerBusy, Diagnosis: &tunnel.Diagnosis{Cause: tunnel.ResolverSilent},
			Mappings: []tunnel.MappingStatus{
				{Name: "dc1", State: tunnel.Up, ProvedAt: at, TargetProvedAt: at.Add(time.Second), Connections: 3, BytesIn: 1000, BytesOut: 10,
					Total: 40, Refused: 2, Bound: tunnel.BoundAll, Listener: tunnel.Statement{State: tunnel.Up}, Target: tunnel.Statement{State: tunnel.Down},
					Callers: []tunnel.Caller{{Address: "192.0.2.9", Total: 30}, {Address: "adsync", Total: 4}, {Address: "192.0.2.9", Total: 6}}},
				{Name: "dc2", State: tunnel.Down, Reason: tunnel.TargetRefused, Listener: tunnel.Statement{State: tunnel.Unproved}},
			},
		},
	}
	page := get(newHandler(t.Context(), of(v), none, "", quiet), "/metrics")
	got := parse(t, page.Body.String())
	const tun = `{owner="adsync",tunnel="adsync/berlin.site"}`
	dc := func(name, kind string) string {
		return `{kind="` + kind + `",mapping="` + name + `",owner="adsync",tunnel="adsync/berlin.site"}`
	}
	dc1 := func(before, after string) string { // dc1's labels with one more, in their order
		return `{` + before + `kind="reach",mapping="dc1",owner="adsync",` + after + `tunnel="adsync/berlin.site"}`
	}
	got.has(t, series{
		"culvert_registry_up":                                1,
		"culvert_tunnel_up" + tun:                            0,
		"culvert_tunnel_state_since_timestamp_seconds" + tun: float64(at.UnixMilli()) / 1000,
		`culvert_tunnel_state{owner="adsync",state="degraded",tunnel="adsync/berlin.site"}`: 1,
		`culvert_tunnel_state{owner="adsync",state="up",tunnel="adsync/berlin.site"}`:       0,
		`culvert_tunnel_state{owner="adsync",state="blocked",tunnel="adsync/berlin.site"}`:  0,

		"culvert_mapping_up" + dc("dc1", "reach"):                              1,
		"culvert_mapping_proved_timestamp_seconds" + dc("dc1", "reach"):        float64(at.UnixMilli()) / 1000,
		"culvert_mapping_target_proved_timestamp_seconds" + dc("dc1", "reach"): float64(at.UnixMilli())/1000 + 1,
		"culvert_mapping_connections" + dc("dc1", "reach"):                     3,
		"culvert_mapping_in_bytes_total" + dc("dc1", "reach"):                  1000,
		"culvert_mapping_out_bytes_total" + dc("dc1", "reach"):                 10,
		"culvert_mapping_up" + dc("dc2", "reach-gateway"):                      0,
		"culvert_mapping_up" + dc("new", "expose"):                             0, // no verdict yet
	})
	got.has(t, series{
		"culvert_tunnel_link_up" + tun: 1,
		`culvert_tunnel_problem{cause="resolver-silent",owner="adsync",reason="server-busy",tunnel="adsync/berlin.site"}`:                         1,
		`culvert_mapping_problem{cause="",kind="reach-gateway",mapping="dc2",owner="adsync",reason="target-refused",tunnel="adsync/berlin.site"}`: 1,
		`culvert_mapping_listener_state{kind="reach-gateway",mapping="dc2",owner="adsync",state="unproved",tunnel="adsync/berlin.site"}`:          1,
		"culvert_mapping_listener_state" + dc1("", `state="up",`):                                                                                 1,
		"culvert_mapping_listener_state" + dc1("", `state="down",`):                                                                               0,
		"culvert_mapping_target_state" + dc1("", `state="up",`):                                                                                   0,
		"culvert_mapping_target_state" + dc1("", `state="down",`):                                                                                 1,
		"culvert_mapping_bound" + dc1(`bound="all",`, ""):                                                                                         1,
		"culvert_mapping_bound" + dc1(`bound="loopback",`, ""):                                                                                    0,
		"culvert_mapping_accepted_connections_total" + dc("dc1", "reach"):                                                                         40,
		"culvert_mapping_refused_connections_total" + dc("dc1", "reach"):                                                                          2,
		"culvert_mapping_callers" + dc("dc1", "reach"):                                                                                            2,
		"culvert_mapping_caller_connections_total" + dc1(`caller="192.0.2.9",`, ""):                                                               36,
		"culvert_mapping_caller_connections_total" + dc1(`caller="adsync",`, ""):                                                                  4,
		"culvert_mapping_accepted_connections_total" + dc("new", "expose"):                                                                        0,
	})
	if names := got.with("culvert_mapping_problem"); len(names) != 1 {
		t.Errorf("problems that are none are there: %q", names)
	}
	if names := got.with("culvert_mapping_proved"); len(names) != 1 {
		t.Errorf("times that do not apply are there: %q", names)
	}
}

func TestASilentHostCannotHangAScrape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		page := get(newHandler(t.Context(), silent, none, "", quiet), "/metrics")
		if took := time.Since(begin); took != listLimit || page.Code != http.StatusOK {
			t.Errorf("after %v it answers %d", took, page.Code)
		}
		got := parse(t, page.Body.String())
		got.has(t, series{"culvert_registry_up": 0})
		if names := got.with("culvert_"); len(names) != 1 {
			t.Errorf("it tells more than it knows: %q", names)
		}
		if len(got.with("pbx_")) == 0 {
			t.Error("what needs no host is missing")
		}
	})
}

func TestAHostThatFailsHalfWayTellsNothing(t *testing.T) {
	broken := func(context.Context) iter.Seq2[tunnel.View, error] {
		return func(yield func(tunnel.View, error) bool) {
			_ = yield(tunnel.View{Tunnel: tunnel.Tunnel{Ref: own}}, nil) && yield(tunnel.View{}, errors.New("gone"))
		}
	}
	got := parse(t, get(newHandler(t.Context(), broken, none, "", quiet), "/metrics").Body.String())
	if names := got.with("culvert_"); len(names) != 1 || got["culvert_registry_up"] != 0 {
		t.Errorf("it tells %q", names)
	}
}

func TestScrapesAtATimeAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t.Context(), silent, none, "", quiet)
		var under sync.WaitGroup
		for range maxScrapes {
			under.Go(func() {
				if page := get(h, "/metrics"); page.Code != http.StatusOK {
					t.Errorf("one of the first is answered with %d", page.Code)
				}
			})
		}
		synctest.Wait()
		if page := get(h, "/metrics"); page.Code != http.StatusServiceUnavailable {
			t.Errorf("one too many is answered with %d", page.Code)
		}
		under.Wait()
	})
}

func TestOtherPaths(t *testing.T) {
	h := newHandler(t.Context(), of(), none, "", quiet)
	for _, c := range []struct {
		method, path string
		code         int
	}{
		{http.MethodGet, "/", http.StatusOK},
		{http.MethodGet, "/elsewhere", http.StatusNotFound},
		{http.MethodPost, "/metrics", http.StatusMethodNotAllowed},
		{http.MethodGet, "/metrics/../etc/passwd", http.StatusMovedPermanently},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if w.Code != c.code && (c.code != http.StatusMovedPermanently || w.Code/100 != 3) {
			t.Errorf("%s %s is answered with %d", c.method, c.path, w.Code)
		}
	}
}

// A run that ends lets the scrape under way finish, and returns.
func TestTheEndOfTheRunLetsAScrapeFinish(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	began := make(chan bool)
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		began <- true
		<-ctx.Done()
		time.Sleep(20 * time.Millisecond)
		_, _ = io.WriteString(w, "finished")
	})
	s := httptest.NewUnstartedServer(nil) // for its listener on loopback
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, s.Listener, h, quiet) }()
	got := make(chan string, 1)
	go func() {
		c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := c.Get("http://" + s.Listener.Addr().String())
		if err != nil {
			got <- err.Error()
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		got <- string(body)
	}()
	<-began
	cancel()
	if page := <-got; page != "finished" {
		t.Errorf("the scrape gets %q", page)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("serve returns %v", err)
	}
}
