package registry_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// serving is a host with module web, which serves 8089, and tapi, which asks to dial that.
func serving(t *testing.T) *host {
	h := newHost(t)
	for name, asks := range map[string][]tunnel.Grant{"web": {"serve 8089"}, "tapi": {"dial 8089"}, "other": nil} {
		d := describe(name)
		d.Policy, d.Grants = tunnel.Anything, asks
		h.must(h.PinModule(h.ctx(), "host", tunnel.Owner(name), checksum, d))
		_, err := h.AddConfiguration(h.ctx(), by, conf(name+"/default"), nil, true)
		h.must(err)
	}
	h.must(h.Grant(h.ctx(), by, "web", "serve 8089"))
	return h
}

// TestAModuleDoesNotPublishAnothersService: what the operator let one module answer at this machine's loopback reaches no
// site through another one's tunnel.
func TestAModuleDoesNotPublishAnothersService(t *testing.T) {
	h := serving(t)
	for _, spec := range []string{"a=8089:1", "a=localhost:8089:1", "a=127.0.0.1:8089:1", "a=[::ffff:127.0.0.1]:8089:1", "a=0.0.0.0:8089:1"} {
		for _, kind := range []tunnel.Kind{tunnel.Expose, tunnel.ExposeGateway} {
			m, fs := tunnel.ParseMapping(kind, spec)
			if len(fs) > 0 || len(tunnel.Check(made("tapi/x", "a.example", m))) > 0 {
				continue // no mapping at all
			}
			_, err := h.AddTunnel(h.ctx(), by, made("tapi/x", "a.example", m), byKey())
			f := refused(t, err, tunnel.PolicyRefused, "mappings[a].local.port")
			if !strings.Contains(f.Message, "module web serves local port 8089") || !strings.Contains(f.WayOut, "culvert module grant tapi dial 8089") {
				t.Errorf("%s %s: %+v", kind, spec, f)
			}
		}
	}
	_, err := h.AddTunnel(h.ctx(), by, made("other/x", "a.example", mapping(tunnel.Expose, "a=8089:1")), byKey())
	if f := refused(t, err, tunnel.PolicyRefused, "mappings[a].local.port"); !strings.Contains(f.WayOut, "culvert tunnel add operator/NAME") {
		t.Errorf("a module that does not ask to dial it: %+v", f)
	}
	h.add("web/own", "a.example", byKey(), mapping(tunnel.Expose, "a=8089:1"))
	h.add("operator/own", "a.example", byKey(), mapping(tunnel.Expose, "a=8089:2"))
	h.add("other/phone", "a.example", byKey(), mapping(tunnel.Expose, "a=192.0.2.7:8089:3"))
	h.add("other/private", "a.example", byKey(), mapping(tunnel.Expose, "a=:4"))
}

// TestWhatIsTakenBackIsPublishedNoMore: the grant that let a module publish it holds up its tunnel as long as it lasts.
func TestWhatIsTakenBackIsPublishedNoMore(t *testing.T) {
	h := serving(t)
	h.must(h.Grant(h.ctx(), by, "tapi", "dial 8089"))
	h.add("tapi/x", "a.example", byKey(), mapping(tunnel.Expose, "a=8089:1"))
	blocked := func() bool { s := h.view("tapi/x").Status; return s.Reason == tunnel.PolicyRefusedReason }
	m := h.view("tapi/x").Mappings[0]
	if blocked() || h.MayPublish(ref("tapi/x"), m) != nil {
		t.Errorf("with the grant it is %+v", h.view("tapi/x").Status)
	}
	h.must(h.Revoke(h.ctx(), by, "tapi", "dial 8089"))
	s := h.view("tapi/x").Status
	if !blocked() || s.State != tunnel.Blocked || !strings.Contains(s.Message, "module web serves local port 8089") || s.Remedy == "" {
		t.Errorf("without it: %+v", s)
	}
	if err := h.MayPublish(ref("tapi/x"), m); !errors.Is(err, tunnel.ErrPolicyRefused) {
		t.Errorf("whoever connects is told %v", err)
	}
	h.reopen()
	if !blocked() {
		t.Errorf("after a start: %+v", h.view("tapi/x").Status)
	}
	h.must(h.Revoke(h.ctx(), by, "web", "serve 8089"))
	if blocked() {
		t.Errorf("when nobody serves it: %+v", h.view("tapi/x").Status)
	}
	f := refused(t, h.Grant(h.ctx(), by, "web", "serve 8089"), tunnel.PortCollision, "grant")
	if !strings.Contains(f.Message, "mapping a of tapi/x leads from a site to local port 8089") {
		t.Errorf("what is published already cannot be served: %+v", f)
	}
	h.must(h.Grant(h.ctx(), by, "tapi", "dial 8089"))
	h.must(h.Grant(h.ctx(), by, "web", "serve 8089"))
}
