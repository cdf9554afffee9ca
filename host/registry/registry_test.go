package registry_test

import (
	"errors"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestDeclareSurvivesReopening(t *testing.T) {
	h := newFileHost(t)
	h.module("adsync", "ops@gw.example:2222")
	h.must(h.As("adsync").Declare(h.ctx(), "berlin", []tunnel.Declaration{declared("adsync/berlin.site", "site")}))
	before := h.view("adsync/berlin.site")
	if before.Server != server("ops@gw.example:2222") || len(before.Mappings) != 1 || before.Status.State != tunnel.Connecting {
		t.Fatalf("declared: %+v", before)
	}
	h.reopen()
	after := h.view("adsync/berlin.site")
	after.Status.Since = before.Status.Since
	if !sameView(before, after) {
		t.Fatalf("before %+v\nafter  %+v", before, after)
	}
}

func TestOwnerComesFromTheConnection(t *testing.T) {
	h := newHost(t)
	h.module("adsync", "gw.example")
	h.module("intruder", "evil.example")
	h.must(h.As("adsync").Declare(h.ctx(), "berlin", []tunnel.Declaration{declared("adsync/berlin.site", "site")}))
	h.told()
	before := h.view("adsync/berlin.site")

	err := h.As("intruder").Declare(h.ctx(), "berlin", []tunnel.Declaration{declared("adsync/berlin.site", "site")})
	const sentence = "not the owner: adsync/berlin.site belongs to adsync, and only adsync can change it"
	var fs tunnel.Findings
	if !errors.Is(err, tunnel.ErrNotOwner) || !errors.As(err, &fs) || fs[0].Message != sentence {
		t.Fatalf("got %v, want %q", err, sentence)
	}
	es := h.told()
	if len(es) != 1 || es[0].Type != tunnel.Refused || es[0].Actor != "module:intruder" || es[0].Subject != "adsync/berlin.site" {
		t.Fatalf("events %+v", es)
	}
	if after := h.view("adsync/berlin.site"); !sameView(before, after) {
		t.Fatalf("before %+v\nafter  %+v", before, after)
	}
}
