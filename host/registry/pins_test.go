package registry_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// key is the host key of that name.
func key(name string) tunnel.Pin {
	sum := sha256.Sum256([]byte(name))
	return tunnel.Pin{KeyType: "ssh-ed25519", Fingerprint: "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])}
}

func (h *host) wantPin(text, name string, state tunnel.PinState) {
	h.t.Helper()
	want := tunnel.Pin{State: state}
	if name != "" {
		want = key(name)
		want.State = state
	}
	if got := h.view(text).Pin; got != want {
		h.t.Errorf("%s has the pin %+v, want %+v", text, got, want)
	}
}

// acceptKey accepts what is offered now, as an operator who compared it.
func (h *host) acceptKey(ref tunnel.Ref) (before, after tunnel.Pin, err error) {
	h.t.Helper()
	offered, err := h.OfferedKey(h.ctx(), ref)
	h.must(err)
	return h.AcceptKey(h.ctx(), by, ref, offered.Fingerprint)
}

// TestOnlyTheKeyThatWasSeenIsAccepted: between looking and accepting the server may have shown another one.
func TestOnlyTheKeyThatWasSeenIsAccepted(t *testing.T) {
	h := newHost(t)
	office := ref("operator/office")
	h.add("operator/office", "a.example", byKey())
	if got, err := h.OfferedKey(h.ctx(), office); err != nil || got != (tunnel.Pin{}) {
		t.Errorf("offered before anything was shown: %+v, %v", got, err)
	}
	h.must(h.Learned(h.ctx(), office, server("a.example"), key("one")))
	h.Shown(office, key("two"))
	seen, err := h.OfferedKey(h.ctx(), office)
	h.must(err)
	if seen.Fingerprint != key("two").Fingerprint {
		t.Errorf("offered %+v", seen)
	}
	h.told()
	h.Shown(office, key("evil"))
	_, _, err = h.AcceptKey(h.ctx(), by, office, seen.Fingerprint)
	refused(t, err, tunnel.StaleRevision, "fingerprint")
	for _, fp := range []string{key("two").Fingerprint, key("evil").Fingerprint} {
		if !strings.Contains(err.Error(), fp) {
			t.Errorf("%v does not name %s", err, fp)
		}
	}
	for _, wrong := range []string{"", "SHA256:x", "MD5:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff"} {
		_, _, err = h.AcceptKey(h.ctx(), by, office, wrong)
		if !errors.Is(err, tunnel.ErrInvalid) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	h.wantPin("operator/office", "one", tunnel.PinLearned)
	if es := h.told(); len(es) != 0 {
		t.Errorf("events %+v", es)
	}
	if _, err := h.OfferedKey(h.ctx(), ref("operator/none")); !errors.Is(err, tunnel.ErrNotFound) {
		t.Errorf("of no tunnel: %v", err)
	}
}

func TestKeyIsLearnedThenConfirmed(t *testing.T) {
	h := newHost(t)
	h.add("operator/office", "a.example", byKey())
	h.told()
	h.must(h.Learned(t.Context(), ref("operator/office"), server("elsewhere.example"), key("one")))
	h.wantPin("operator/office", "", tunnel.PinNone)
	h.must(h.Learned(t.Context(), ref("operator/office"), server("a.example"), key("one")))
	h.wantPin("operator/office", "one", tunnel.PinLearned)
	h.must(h.Learned(t.Context(), ref("operator/office"), server("a.example"), key("one"))) // once more: nothing happens
	h.wantPin("operator/office", "one", tunnel.PinLearned)
	before, after, err := h.acceptKey(ref("operator/office"))
	h.must(err)
	if before.State != tunnel.PinLearned || after.State != tunnel.PinConfirmed || before.Fingerprint != after.Fingerprint {
		t.Errorf("accepted %+v after %+v", after, before)
	}
	h.wantPin("operator/office", "one", tunnel.PinConfirmed)
	h.reopen()
	h.wantPin("operator/office", "one", tunnel.PinConfirmed)
	es := h.told()
	if len(es) != 2 || es[0].Type != tunnel.KeyLearned || es[0].Actor != "host" || es[1].Type != tunnel.KeyAccepted || es[1].Actor != by {
		t.Errorf("events %+v", es)
	}
}

// TestLearnedIsRefusedWhereAnotherKeyIsExpected: the link to which a key was shown is not to be used when, by the time it
// stands, another is pinned or given.
func TestLearnedIsRefusedWhereAnotherKeyIsExpected(t *testing.T) {
	h := newHost(t)
	office := ref("operator/office")
	h.add("operator/office", "a.example", byKey())
	h.must(h.Learned(t.Context(), office, server("a.example"), key("one")))
	h.told()
	err := h.Learned(t.Context(), office, server("a.example"), key("two"))
	h.mismatched(err)
	var s *tunnel.StatusError
	for _, line := range []string{"culvert tunnel accept-key operator/office --fingerprint " + key("two").Fingerprint + ";", "culvert tunnel restart operator/office"} {
		if errors.As(err, &s) && !strings.Contains(s.Remedy, line) {
			t.Errorf("no %q in %s", line, s.Remedy)
		}
	}
	h.wantPin("operator/office", "one", tunnel.PinLearned)
	_, _, err = h.acceptKey(office)
	h.must(err)
	h.mismatched(h.Learned(t.Context(), office, server("a.example"), key("two")))
	h.wantPin("operator/office", "one", tunnel.PinConfirmed)

	given := made("operator/lab", "b.example")
	given.Fingerprint = key("lab").Fingerprint
	_, err = h.AddTunnel(t.Context(), by, given, byKey())
	h.must(err)
	h.mismatched(h.Learned(t.Context(), given.Ref, server("b.example"), key("two")))
	h.wantPin("operator/lab", "", tunnel.PinNone)
	given = made("operator/old", "c.example")
	given.Fingerprint = "MD5:19:5b:3f:4f:1c:eb:eb:59:ee:a4:28:9a:25:59:fe:db"
	_, err = h.AddTunnel(t.Context(), by, given, byKey())
	h.must(err)
	uncompared := key("two")
	uncompared.State = tunnel.PinLearned
	h.must(h.Learned(t.Context(), given.Ref, server("c.example"), uncompared))
	h.wantPin("operator/old", "", tunnel.PinNone) // the attempt had begun before the fingerprint was given
	for _, e := range h.told() {
		if e.Type == tunnel.KeyLearned {
			t.Errorf("told as learned: %+v", e)
		}
	}
	compared := key("old")
	compared.State = tunnel.PinConfirmed
	h.must(h.Learned(t.Context(), given.Ref, server("c.example"), compared))
	h.wantPin("operator/old", "old", tunnel.PinConfirmed)
}

// mismatched fails the test unless err says that another host key is expected.
func (h *host) mismatched(err error) {
	h.t.Helper()
	var s *tunnel.StatusError
	if !errors.As(err, &s) || s.Reason != tunnel.HostKeyMismatch || s.Message == "" || s.Remedy == "" {
		h.t.Errorf("another key was taken: %v", err)
	}
}

func TestChangedKeyIsAccepted(t *testing.T) {
	h := newHost(t)
	h.add("operator/office", "a.example", byKey())
	_, _, err := h.acceptKey(ref("operator/office"))
	refused(t, err, tunnel.NotFound, "tunnel")
	h.must(h.Learned(t.Context(), ref("operator/office"), server("a.example"), key("one")))
	h.Shown(ref("operator/office"), key("two"))
	before, after, err := h.acceptKey(ref("operator/office"))
	h.must(err)
	if before.Fingerprint != key("one").Fingerprint || after.Fingerprint != key("two").Fingerprint {
		t.Errorf("accepted %+v after %+v", after, before)
	}
	h.wantPin("operator/office", "two", tunnel.PinConfirmed)

	h.Shown(ref("operator/office"), key("three"))
	h.Report(ref("operator/office"), tunnel.Status{State: tunnel.Up}) // the right key again: what was shown before is no more
	_, after, err = h.acceptKey(ref("operator/office"))
	h.must(err)
	if after.Fingerprint != key("two").Fingerprint {
		t.Errorf("accepted a key that was shown before the last success")
	}
	h.Shown(ref("operator/office"), key("second"))
	h.Report(ref("operator/office"), tunnel.Status{State: tunnel.Degraded, Mappings: []tunnel.MappingStatus{{Name: "http", State: tunnel.Down, Reason: tunnel.HostKeyMismatch}}})
	if offered, err := h.OfferedKey(h.ctx(), ref("operator/office")); err != nil || offered.Fingerprint != key("second").Fingerprint {
		t.Errorf("a second link met another key, and offered is %+v, %v", offered, err)
	}
	h.Shown(ref("operator/office"), key("four"))
	to := server("b.example")
	h.must(h.edit("operator/office", tunnel.Edit{Server: &to}))
	_, _, err = h.acceptKey(ref("operator/office"))
	refused(t, err, tunnel.NotFound, "tunnel") // the key of another server
}

func TestFingerprintGivenBeforehand(t *testing.T) {
	h := newHost(t)
	in := made("operator/office", "a.example")
	in.Fingerprint = key("one").Fingerprint
	_, err := h.AddTunnel(t.Context(), by, in, byKey())
	h.must(err)
	h.must(h.Learned(t.Context(), ref("operator/office"), server("a.example"), key("one")))
	h.wantPin("operator/office", "one", tunnel.PinConfirmed)

	other := key("two").Fingerprint
	h.must(h.edit("operator/office", tunnel.Edit{Fingerprint: &other}))
	h.wantPin("operator/office", "", tunnel.PinNone)
	h.Shown(ref("operator/office"), key("three"))
	_, _, err = h.acceptKey(ref("operator/office"))
	h.must(err)
	h.wantPin("operator/office", "three", tunnel.PinConfirmed)
	if fp := h.view("operator/office").Fingerprint; fp != "" {
		t.Errorf("the fingerprint of a key that was given up stays: %s", fp)
	}

	h.add("operator/lab", "b.example", byKey())
	h.must(h.Learned(t.Context(), ref("operator/lab"), server("b.example"), key("lab")))
	same := key("lab").Fingerprint
	h.must(h.edit("operator/lab", tunnel.Edit{Fingerprint: &same}))
	h.wantPin("operator/lab", "lab", tunnel.PinConfirmed)
}

// TestPinOfADeclaredTunnel follows its site: not the declaration, which the module may withdraw and make anew.
func TestPinOfADeclaredTunnel(t *testing.T) {
	h := newHost(t)
	h.module("adsync", "gw.example")
	declare := func(set ...tunnel.Declaration) { h.must(h.As("adsync").Declare(h.ctx(), "berlin", set)) }
	set := func(doc json.RawMessage) {
		_, err := h.SetConfiguration(t.Context(), by, conf("adsync/berlin"), doc, 0)
		h.must(err)
	}
	declare(declared("adsync/berlin.site", "site"))
	h.must(h.Learned(t.Context(), ref("adsync/berlin.site"), server("gw.example"), key("one")))
	h.must(h.SuspendTunnel(t.Context(), by, ref("adsync/berlin.site"), true))
	declare()
	declare(declared("adsync/berlin.site", "site"))
	h.wantPin("adsync/berlin.site", "one", tunnel.PinLearned)
	if !h.view("adsync/berlin.site").Suspended {
		t.Error("a module shook off a suspension by declaring anew")
	}
	declare()
	set(site("other.example"))
	set(site("gw.example"))
	declare(declared("adsync/berlin.site", "site"))
	h.wantPin("adsync/berlin.site", "", tunnel.PinNone)
}

// TestForgettingAPinIsSaid: which key is expected is never given up in silence.
func TestForgettingAPinIsSaid(t *testing.T) {
	h := newHost(t)
	office := ref("operator/office")
	for _, c := range []struct {
		what, from, to string
	}{
		{"another host", "pbx@a.example", "pbx@b.example"},
		{"another port", "pbx@b.example", "pbx@b.example:2222"},
		{"another user", "pbx@b.example:2222", "guest@b.example:2222"},
	} {
		t.Run(c.what, func(t *testing.T) {
			h.t = t
			if c.from == "pbx@a.example" {
				h.add("operator/office", c.from, byKey())
			}
			h.must(h.Learned(t.Context(), office, server(c.from), key("one")))
			h.told()
			comment, to := "same server", server(c.to)
			warnings, err := h.EditTunnel(t.Context(), by, office, tunnel.Edit{Comment: &comment})
			h.must(err)
			if len(warnings) != 0 {
				t.Errorf("the server stays, and the warnings are %q", warnings)
			}
			h.told()
			warnings, err = h.EditTunnel(t.Context(), by, office, tunnel.Edit{Server: &to})
			h.must(err)
			wantForgotten(t, warnings, hostPort(server(c.from)), "--fingerprint")
			h.wantForgottenIn(tunnel.TunnelChanged, "operator/office")
			h.wantPin("operator/office", "", tunnel.PinNone)
		})
	}
	h.t = t
	at := server("guest@b.example:2222")
	h.must(h.Learned(t.Context(), office, at, key("one")))
	to, fingerprint := server("pbx@c.example"), key("two").Fingerprint
	warnings, err := h.EditTunnel(t.Context(), by, office, tunnel.Edit{Server: &to, Fingerprint: &fingerprint})
	h.must(err)
	if len(warnings) != 0 {
		t.Errorf("nothing is learned unasked, and the warnings are %q", warnings)
	}
}

// TestForgettingAPinOfASiteIsSaid holds for tunnels that are declared and for those that are not at the moment.
func TestForgettingAPinOfASiteIsSaid(t *testing.T) {
	h := newHost(t)
	h.module("adsync", "pbx@gw.example")
	h.must(h.As("adsync").Declare(h.ctx(), "berlin", []tunnel.Declaration{declared("adsync/berlin.site", "site")}))
	h.must(h.Learned(t.Context(), ref("adsync/berlin.site"), server("pbx@gw.example"), key("one")))
	h.told()
	warnings, err := h.SetConfiguration(t.Context(), by, conf("adsync/berlin"), site("other@gw.example"), 0)
	h.must(err)
	wantForgotten(t, warnings, "gw.example:22", "site.fingerprint=")
	h.wantForgottenIn(tunnel.ConfigChanged, "adsync/berlin")

	h.must(h.Learned(t.Context(), ref("adsync/berlin.site"), server("other@gw.example"), key("one")))
	h.must(h.As("adsync").Declare(h.ctx(), "berlin", nil))
	h.told()
	warnings, err = h.SetConfiguration(t.Context(), by, conf("adsync/berlin"), site("pbx@gw.example"), 0)
	h.must(err)
	wantForgotten(t, warnings, "gw.example:22", "site.fingerprint=")
	h.wantForgottenIn(tunnel.ConfigChanged, "adsync/berlin")
	warnings, err = h.SetConfiguration(t.Context(), by, conf("adsync/berlin"), site("pbx@third.example"), 0)
	h.must(err)
	if len(warnings) != 0 {
		t.Errorf("no key was pinned, and the warnings are %q", warnings)
	}
}

func hostPort(s tunnel.Server) string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// wantForgotten fails unless one warning says that the key "one" of that address is forgotten, and names the option.
func wantForgotten(t *testing.T, warnings []string, address, option string) {
	t.Helper()
	if len(warnings) != 1 {
		t.Fatalf("warnings %q", warnings)
	}
	for _, want := range []string{key("one").Fingerprint, address, "forgotten", "learned anew", option} {
		if !strings.Contains(warnings[0], want) {
			t.Errorf("no %q in %q", want, warnings[0])
		}
	}
}

// wantForgottenIn fails unless an event of that type and subject says that a pin was forgotten.
func (h *host) wantForgottenIn(typ tunnel.EventType, subject string) {
	h.t.Helper()
	events := h.told()
	for _, e := range events {
		if e.Type == typ && e.Subject == subject && e.Fields["pin"] == "forgotten" {
			return
		}
	}
	h.t.Errorf("no %s of %s says that the pin is forgotten: %+v", typ, subject, events)
}
