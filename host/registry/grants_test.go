package registry_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// asking pins a module whose description asks for grants.
func (h *host) asking(name, sum string, grants ...tunnel.Grant) {
	h.t.Helper()
	d := describe(name)
	d.Grants = grants
	h.must(h.PinModule(h.ctx(), "host", tunnel.Owner(name), sum, d))
}

func (h *host) wantGrants(name string, want ...tunnel.Grant) {
	h.t.Helper()
	got, err := h.Grants(h.ctx(), tunnel.Owner(name))
	h.must(err)
	if !slices.Equal(got, want) {
		h.t.Errorf("%s has %q, want %q", name, got, want)
	}
}

// grantEvents are the changes of grants told since the last call, as "ACTOR MODULE CHANGE GRANT".
func (h *host) grantEvents() (out []string) {
	for _, e := range h.told() {
		if e.Type == tunnel.GrantChanged {
			out = append(out, strings.Join([]string{e.Actor, e.Subject, e.Fields["change"], e.Fields["grant"]}, " "))
		}
	}
	return out
}

func TestGrantsAreKeptAndTold(t *testing.T) {
	h := newFileHost(t)
	h.asking("tapi", checksum, "dial 5038", "read /srv/a", "network")
	h.told()
	h.must(h.Grant(h.ctx(), by, "tapi", "read /srv/a"))
	h.must(h.Grant(h.ctx(), by, "tapi", "dial 5038"))
	h.must(h.Grant(h.ctx(), by, "tapi", "dial 5038"))
	h.reopen()
	h.wantGrants("tapi", "dial 5038", "read /srv/a")
	h.must(h.Revoke(h.ctx(), by, "tapi", "read /srv/a"))
	h.wantGrants("tapi", "dial 5038")
	refused(t, h.Revoke(h.ctx(), by, "tapi", "read /srv/a"), tunnel.NotFound, "grant")
	h.must(h.Revoke(h.ctx(), by, "tapi", "dial 5038"))
	h.reopen()
	h.wantGrants("tapi")
	want := []string{by + " tapi granted read /srv/a", by + " tapi granted dial 5038", by + " tapi revoked read /srv/a", by + " tapi revoked dial 5038"}
	if got := h.grantEvents(); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

func TestGrantIsRefused(t *testing.T) {
	h := newHost(t)
	h.asking("tapi", checksum, "dial 5038", "serve 8089", "serve 8443", "dial 1389")
	h.asking("web", strings.Repeat("ab", 32), "serve 8089")
	h.add("operator/office", "a.example", byKey(), mapping(tunnel.Reach, "1389:389"))
	h.must(h.Grant(h.ctx(), by, "web", "serve 8089"))
	for _, c := range []struct {
		module, grant string
		code          tunnel.Code
		field, says   string
	}{
		{"tapi", "everything", tunnel.Malformed, "grant", "is not a grant"},
		{"tapi", "network", tunnel.PolicyRefused, "grant", "does not ask for"},
		{"ghost", "network", tunnel.NotFound, "module", "no module"},
		{"tapi", "serve 8443", tunnel.PortCollision, "grant", "Culvert itself"},
		{"tapi", "serve 8089", tunnel.PortCollision, "grant", "module web"},
		{"tapi", "dial 1389", tunnel.PortCollision, "grant", "operator/office"},
	} {
		f := refused(t, h.Grant(h.ctx(), by, tunnel.Owner(c.module), tunnel.Grant(c.grant)), c.code, c.field)
		if !strings.Contains(f.Message, c.says) {
			t.Errorf("%s %s: %q does not say %q", c.module, c.grant, f.Message, c.says)
		}
	}
	h.wantGrants("tapi")
}

// TestGrantedPortsAreNoMappings: who dials 5038 for its manager must not meet a site there.
func TestGrantedPortsAreNoMappings(t *testing.T) {
	h := newHost(t)
	h.asking("tapi", checksum, "dial 5038", "serve 8089")
	h.must(h.Grant(h.ctx(), by, "tapi", "dial 5038"))
	h.must(h.Grant(h.ctx(), by, "tapi", "serve 8089"))
	for _, spec := range []string{"a=5038:389", "a=8089:80"} {
		_, err := h.AddTunnel(h.ctx(), by, made("operator/office", "a.example", mapping(tunnel.Reach, spec)), byKey())
		refused(t, err, tunnel.PortCollision, "mappings[a].local.port")
	}
	h.add("operator/office", "a.example", byKey(), mapping(tunnel.Expose, "a=5038:5038")) // the same service, offered to a site
	h.must(h.Revoke(h.ctx(), by, "tapi", "serve 8089"))
	h.add("operator/other", "a.example", byKey(), mapping(tunnel.Reach, "a=8089:80"))
}

// TestAnotherVersionKeepsOnlyWhatItAsksFor: what it asks for anew must be granted anew.
func TestAnotherVersionKeepsOnlyWhatItAsksFor(t *testing.T) {
	h := newHost(t)
	h.asking("tapi", checksum, "dial 5038", "network")
	h.must(h.Grant(h.ctx(), by, "tapi", "dial 5038"))
	h.must(h.Grant(h.ctx(), by, "tapi", "network"))
	h.must(h.AllowUnsandboxed(h.ctx(), by, "tapi", checksum))
	h.told()
	h.asking("tapi", strings.Repeat("ab", 32), "dial 5038", "programs")
	h.wantGrants("tapi", "dial 5038")
	if sum, err := h.Unsandboxed(h.ctx(), "tapi"); sum != "" || err != nil {
		t.Errorf("the other binary may run unconfined: %s, %v", sum, err)
	}
	if got, want := h.grantEvents(), []string{"host tapi revoked network", "host tapi revoked unsandboxed"}; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	h.asking("tapi", checksum, "dial 5038", "network")
	h.wantGrants("tapi", "dial 5038")
}

// TestDamagedGrantsAreNone: a record that cannot be read grants nothing, and can be granted anew.
func TestDamagedGrantsAreNone(t *testing.T) {
	h := newHost(t)
	h.asking("tapi", checksum, "network", "programs")
	h.must(h.Grant(h.ctx(), by, "tapi", "network"))
	h.damage("grant/tapi")
	h.wantGrants("tapi")
	if !slices.Contains(h.Damaged(), "grant/tapi") {
		t.Errorf("damaged: %q", h.Damaged())
	}
	h.must(h.Grant(h.ctx(), by, "tapi", "programs"))
	h.wantGrants("tapi", "programs")
	if err := h.AllowUnsandboxed(h.ctx(), by, "ghost", checksum); !errors.Is(err, tunnel.ErrNotFound) {
		t.Errorf("an unknown module: %v", err)
	}
}
