package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"github.com/culvert-pbx/culvert/sdk/sdktest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var own = tunnel.Ref{Owner: "monitoring", Name: "default.site"}

// prometheusAt is the site's Prometheus: it connects where the mapping of slot host comes out.
func prometheusAt(w *sdktest.World) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return w.Connect("site/host") },
	}}
}

// scrape fetches the page and reads it as Prometheus does.
func scrape(t *testing.T, c *http.Client) series {
	t.Helper()
	res, err := c.Get("http://127.0.0.1:9464/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("the scrape is answered with %s, %v: %s", res.Status, err, body)
	}
	return parse(t, string(body))
}

// series are the values of a page by name and labels: `culvert_tunnel_up{owner="operator",tunnel="operator/office"}`.
type series map[string]float64

func parse(t *testing.T, page string) series {
	t.Helper()
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(strings.NewReader(page))
	if err != nil {
		t.Fatalf("%v in\n%s", err, page)
	}
	problems, err := promlint.New(strings.NewReader(page)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promtool would say %v, %v", problems, err)
	}
	all := series{}
	for name, f := range families {
		for _, m := range f.GetMetric() {
			all[name+labels(m)] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return all
}

func labels(m *dto.Metric) string {
	var texts []string
	for _, l := range m.GetLabel() {
		texts = append(texts, l.GetName()+`="`+l.GetValue()+`"`)
	}
	if len(texts) == 0 {
		return ""
	}
	return "{" + strings.Join(texts, ",") + "}"
}

// has checks values; one that is not there is a failure too.
func (s series) has(t *testing.T, want series) {
	t.Helper()
	for name, v := range want {
		if got, ok := s[name]; !ok || got != v {
			t.Errorf("%s is %v (there: %v), want %v", name, got, ok, v)
		}
	}
}

// with is the names that begin so.
func (s series) with(prefix string) (names []string) {
	for name := range s {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestASiteScrapesThePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sdktest.Run(t, monitoring{}, `{"pbx":"berlin","site":{"server":"tunnel@site.example"}}`)
		synctest.Wait() // until the tunnel is up
		got := scrape(t, prometheusAt(w))
		got.has(t, series{
			`culvert_registry_up{pbx="berlin"}`:                                                                                 1,
			`culvert_tunnel_up{owner="monitoring",pbx="berlin",tunnel="monitoring/default.site"}`:                               1,
			`culvert_mapping_up{kind="expose",mapping="host",owner="monitoring",pbx="berlin",tunnel="monitoring/default.site"}`: 1,
		})
		for _, prefix := range []string{"pbx_load", "pbx_uptime_seconds", "pbx_memory_bytes", "pbx_memory_free_bytes", "pbx_swap_bytes", "pbx_swap_free_bytes", "pbx_disk_bytes", "pbx_disk_free_bytes"} {
			names := got.with(prefix)
			if len(names) == 0 || got[names[0]] < 0 {
				t.Errorf("%s is missing or negative", prefix)
			}
		}
		for name := range got {
			if !strings.Contains(name, `pbx="berlin"`) {
				t.Errorf("%s has no label pbx", name)
			}
		}
		if err := w.Stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestWithoutASiteItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sdktest.Run(t, monitoring{}, `{}`)
		time.Sleep(time.Hour)
		if got := declared(t, w); got != nil {
			t.Errorf("it declares %v", got)
		}
		if err := w.Reconfigure(`{"site":{"server":"tunnel@site.example"}}`); err != nil {
			t.Fatal(err)
		}
		scrape(t, prometheusAt(w))
		if err := w.Reconfigure(`{"site":{"server":""}}`); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := declared(t, w); got != nil {
			t.Errorf("without a server again it declares %v", got)
		}
		if err := w.Stop(); err != nil {
			t.Error(err)
		}
	})
}

// declared are the mappings of the module's tunnel.
func declared(t *testing.T, w *sdktest.World) (mappings []string) {
	t.Helper()
	v, err := w.As(tunnel.Operator).Get(t.Context(), own)
	if err != nil && !errors.Is(err, tunnel.ErrNotFound) {
		t.Fatal(err)
	}
	for _, m := range v.Mappings {
		mappings = append(mappings, string(m.Kind)+" "+m.String())
	}
	return mappings
}

func TestTheOperatorChoosesTheSlots(t *testing.T) {
	for _, c := range []struct {
		name   string
		slots  string
		want   []string
		serves bool
	}{
		{"by default", `{}`, []string{"expose host=:9464"}, true},
		{"all", `{"node":{"on":true},"checkmk":{"on":true}}`, []string{"expose host=:9464", "expose node=9100:9100", "expose checkmk=6556:6556"}, true},
		{"for the machines around the server", `{"host":{"kind":"expose-gateway","spec":":9465"}}`, []string{"expose-gateway host=:9465"}, true},
		{"the agent alone", `{"host":{"on":false},"checkmk":{"on":true,"spec":"6556:16556"}}`, []string{"expose checkmk=6556:16556"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := sdktest.Run(t, monitoring{}, `{"site":{"server":"tunnel@site.example","slots":`+c.slots+`}}`)
				synctest.Wait()
				if got := declared(t, w); !slices.Equal(got, c.want) {
					t.Errorf("it declares %q, want %q", got, c.want)
				}
				if c.serves {
					scrape(t, prometheusAt(w))
				}
				if err := w.Stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestALocalPortForItsOwnPageIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sdktest.Run(t, monitoring{}, `{"site":{"server":"tunnel@site.example","slots":{"host":{"spec":"9464:9464"}}}}`)
		synctest.Wait()
		if err := w.Stop(); !errors.Is(err, tunnel.ErrInvalid) || !strings.Contains(err.Error(), "a spec without a local port brings them to the module") {
			t.Errorf("Run returned %v", err)
		}
	})
}
