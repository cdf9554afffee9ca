package sshtunnel

import (
	"fmt"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestCallersKeepTheLatest: who has not come for longest makes room, whatever he has open.
func TestCallersKeepTheLatest(t *testing.T) {
	var c callers
	first := c.came("10.0.0.1")
	for i := 2; i <= tunnel.MaxCallers; i++ {
		c.came(fmt.Sprintf("10.0.0.%d", i))()
	}
	again := c.came("10.0.0.1")
	c.came("192.0.2.7")() // in place of 10.0.0.2
	got := c.list()
	if len(got) != tunnel.MaxCallers || got[0].Address != "192.0.2.7" || got[len(got)-1].Address != "10.0.0.3" {
		t.Fatalf("got %v", got)
	}
	if k := got[1]; k.Address != "10.0.0.1" || k.Open != 2 || k.Total != 2 || k.Last.IsZero() {
		t.Errorf("got %+v, want two connections of 10.0.0.1", k)
	}
	if got[0].Open != 0 || got[0].Total != 1 {
		t.Errorf("got %+v, want one connection that has gone", got[0])
	}
	first()
	again()
	if k := c.list()[1]; k.Open != 0 || k.Total != 2 {
		t.Errorf("got %+v after they have gone", k)
	}
}

func TestCallerName(t *testing.T) {
	for said, want := range map[string]string{
		"192.0.2.7":          "192.0.2.7",
		"::ffff:192.0.2.7":   "192.0.2.7",
		"2001:DB8:0:0::1":    "2001:db8::1",
		"fe80::1%eth0\x1b[m": `fe80::1%eth0\x1b[m`,
		"UNKNOWN":            "UNKNOWN",
		"":                   "unknown",
		"a\x1b[2Jb\n":        `a\x1b[2Jb\n`,
	} {
		if got := callerName(said); got != want {
			t.Errorf("%q is shown as %q, want %q", said, got, want)
		}
	}
	for _, long := range []string{strings.Repeat("x", 1000), strings.Repeat("\U0010ffff", 1000)} {
		if got := callerName(long); len(got) > maxCaller || !strings.HasSuffix(got, "…") {
			t.Errorf("%d bytes are shown as %q", len(long), got)
		}
	}
}

// BenchmarkVisit is what counting one connection costs, with as many callers as are remembered.
func BenchmarkVisit(b *testing.B) {
	tr := newTraffic(tunnel.Mapping{})
	var from [tunnel.MaxCallers]string
	for i := range from {
		from[i] = fmt.Sprintf("10.0.0.%d", i)
	}
	for i := 0; b.Loop(); i++ {
		v := tr.visit(from[i%len(from)])
		v.begin()
		v.arrive()
		v.end()
	}
}
