package registry_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/store"
)

// records are the raw records in the store.
func (h *host) records() map[string]string {
	h.t.Helper()
	all := map[string]string{}
	_, err := h.store.View(h.ctx(), func(rd store.Reader) error {
		for rec, err := range rd.Scan("") {
			if err != nil {
				return err
			}
			all[rec.Key] = string(rec.Value)
		}
		return nil
	})
	h.must(err)
	return all
}

// damage writes what no version ever wrote into a record and restarts the daemon.
func (h *host) damage(keys ...string) {
	h.t.Helper()
	before := h.records()
	_, err := h.store.Update(h.ctx(), func(tx store.Tx) error {
		for _, key := range keys {
			if _, ok := before[key]; !ok {
				h.t.Fatalf("no record %s among %v", key, before)
			}
			if err := tx.Put(key, []byte(`{"node":"single","unknown":1}`)); err != nil {
				return err
			}
		}
		return nil
	})
	h.must(err)
	h.told()
	h.reopen()
	var told []string
	for _, e := range h.told() {
		if e.Type == tunnel.RecordDamaged {
			told = append(told, e.Subject)
		}
	}
	slices.Sort(told)
	slices.Sort(keys)
	if !slices.Equal(told, keys) {
		h.t.Errorf("damage told of %v, want %v", told, keys)
	}
	if !strings.Contains(h.log.String(), "damaged") {
		h.t.Error("the log does not say so")
	}
}

// whole is a registry with a tunnel of either sort, each with all its records, and a bystander.
func whole(t *testing.T) *host {
	h := newHost(t)
	h.module("adsync", "gw.example")
	_, err := h.SetConfiguration(h.ctx(), by, conf("adsync/berlin"), site("gw.example", `"login":"password","password":"x"`), 0)
	h.must(err)
	h.must(h.As("adsync").Declare(h.ctx(), "berlin", []tunnel.Declaration{declared("adsync/berlin.site", "site")}))
	h.add("operator/office", "a.example", byPassword(), mapping(tunnel.Reach, "a=1389:389"))
	h.add("operator/bystander", "a.example", byKey(), mapping(tunnel.Reach, "b=1390:389"))
	for text, srv := range map[string]string{"adsync/berlin.site": "gw.example", "operator/office": "a.example"} {
		h.must(h.Learned(h.ctx(), ref(text), server(srv), key("one")))
		h.must(h.SuspendTunnel(h.ctx(), by, ref(text), true))
	}
	return h
}

func TestDamagedRecordIsNeverUsed(t *testing.T) {
	for _, c := range []struct {
		what, key string
		check     func(h *host)
	}{
		{"an operator's tunnel", "tunnel/operator/office", func(h *host) {
			h.absent("operator/office")
			h.must(h.RemoveTunnel(h.ctx(), by, ref("operator/office")))
			h.add("operator/office", "a.example", byKey(), mapping(tunnel.Reach, "a=1389:389"))
			h.wantPin("operator/office", "", tunnel.PinNone)
		}},
		{"a tunnel made anew over a damaged one", "tunnel/operator/office", func(h *host) {
			h.add("operator/office", "a.example", byKey())
			if v := h.view("operator/office"); v.Suspended || v.Pin.State != tunnel.PinNone {
				h.t.Errorf("it took over %+v", v.Tunnel)
			}
		}},
		{"a declaration", "declaration/adsync/berlin", func(h *host) {
			h.absent("adsync/berlin.site")
			h.must(h.As("adsync").Declare(h.ctx(), "berlin", []tunnel.Declaration{declared("adsync/berlin.site", "site")}))
			h.wantPin("adsync/berlin.site", "one", tunnel.PinLearned)
			h.wantState("adsync/berlin.site", tunnel.Disabled, tunnel.SuspendedReason)
		}},
		{"a configuration", "configuration/adsync/berlin", func(h *host) {
			h.absent("adsync/berlin.site")
			h.must(h.RemoveConfiguration(h.ctx(), by, conf("adsync/berlin"), false))
			for key := range h.records() {
				if strings.Contains(key, "berlin") {
					h.t.Errorf("record %s is left", key)
				}
			}
		}},
		{"a suspension: stays suspended", "overlay/tunnel/operator/office", func(h *host) {
			comment := "c"
			h.must(h.edit("operator/office", tunnel.Edit{Comment: &comment}))
			h.reopen()
			h.wantState("operator/office", tunnel.Disabled, tunnel.SuspendedReason)
			h.must(h.SuspendTunnel(h.ctx(), by, ref("operator/office"), false))
			h.reopen()
			h.wantState("operator/office", tunnel.Connecting, "")
		}},
		{"the suspensions of a configuration", "overlay/configuration/adsync/berlin", func(h *host) {
			h.wantState("adsync/berlin.site", tunnel.Disabled, tunnel.SuspendedReason)
			h.must(h.SuspendTunnel(h.ctx(), by, ref("adsync/berlin.site"), false))
			h.wantState("adsync/berlin.site", tunnel.Connecting, "")
		}},
		{"a pin: no key is trusted unasked", "pin/tunnel/operator/office", func(h *host) {
			h.mismatched(h.Learned(h.ctx(), ref("operator/office"), server("a.example"), key("evil")))
			if v := h.view("operator/office"); v.Pin.State != tunnel.PinConfirmed || v.Pin.Fingerprint == key("evil").Fingerprint {
				h.t.Errorf("pin %+v", v.Pin)
			}
			_, _, err := h.acceptKey(ref("operator/office"))
			refused(h.t, err, tunnel.NotFound, "tunnel")
			h.Shown(ref("operator/office"), key("two"))
			_, _, err = h.acceptKey(ref("operator/office"))
			h.must(err)
			h.reopen()
			h.wantPin("operator/office", "two", tunnel.PinConfirmed)
		}},
		{"a password", "secret/tunnel/operator/office", func(h *host) {
			h.must(h.SuspendTunnel(h.ctx(), by, ref("operator/office"), false))
			h.wantBlocked("operator/office", tunnel.SecretUnreadable, "culvert tunnel secret operator/office --password-stdin")
			h.must(h.SetSecret(h.ctx(), by, ref("operator/office"), byPassword()))
			h.reopen()
			h.wantPassword("operator/office", canary)
		}},
		{"the secrets of a configuration", "secret/configuration/adsync/berlin", func(h *host) {
			h.must(h.SuspendTunnel(h.ctx(), by, ref("adsync/berlin.site"), false))
			h.wantBlocked("adsync/berlin.site", tunnel.SecretUnreadable, "culvert config set adsync/berlin --secret-stdin site.password")
			_, err := h.SetConfiguration(h.ctx(), by, conf("adsync/berlin"), site("gw.example", `"login":"password","password":"new"`), 0)
			h.must(err)
			h.reopen()
			h.wantPassword("adsync/berlin.site", "new")
		}},
		{"a module: not pinned anew unasked", "module/adsync", func(h *host) {
			if _, _, ok, err := h.Module(h.ctx(), "adsync"); ok || err == nil {
				h.t.Errorf("module %v, %v: want an error", ok, err)
			}
			h.absent("adsync/berlin.site")
			h.must(h.PinModule(h.ctx(), by, "adsync", checksum, describe("adsync")))
			h.wantState("adsync/berlin.site", tunnel.Disabled, tunnel.SuspendedReason)
		}},
		{"reserved ports: made anew", "ports/local", func(h *host) {
			_, err := h.AddTunnel(h.ctx(), by, made("operator/x", "a.example", mapping(tunnel.Reach, "x=1390:1")), byKey())
			refused(h.t, err, tunnel.PortCollision, "mappings[x].local.port")
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			h := whole(t)
			before := h.view("operator/bystander")
			h.damage(c.key)
			if after := h.view("operator/bystander"); !sameTunnel(before.Tunnel, after.Tunnel) || after.Status.State != tunnel.Connecting {
				t.Errorf("the bystander was %+v and is %+v", before, after)
			}
			c.check(h)
		})
	}
}

// TestHiddenTunnelsKeepTheirPorts: while their module's record is damaged nobody else gets them, and then they are back.
func TestHiddenTunnelsKeepTheirPorts(t *testing.T) {
	h := newHost(t)
	h.module("adsync", "gw.example")
	configure := func(ldaps, metrics string) {
		doc := site("gw.example", `"slots":{"ldaps":{"spec":"`+ldaps+`"},"metrics":{"on":true,"spec":"`+metrics+`"}}`)
		_, err := h.SetConfiguration(h.ctx(), by, conf("adsync/berlin"), doc, 0)
		h.must(err)
	}
	configure("1636:636", "9100:9100")
	h.must(h.As("adsync").Declare(h.ctx(), "berlin", []tunnel.Declaration{declared("adsync/berlin.site", "site", "ldaps", "metrics")}))
	before := h.records()
	h.damage("module/adsync")
	h.absent("adsync/berlin.site")
	for text, m := range map[string]tunnel.Mapping{
		"mappings[x].local.port":  mapping(tunnel.Reach, "x=1636:1"),
		"mappings[y].remote.port": mapping(tunnel.Expose, "y=9101:9100"),
	} {
		_, err := h.AddTunnel(h.ctx(), by, made("operator/x", "gw.example", m), byKey())
		refused(t, err, tunnel.PortCollision, text)
	}
	h.reopen()
	h.must(h.PinModule(h.ctx(), by, "adsync", checksum, describe("adsync")))
	h.wantState("adsync/berlin.site", tunnel.Connecting, "")
	after := h.records()
	for key := range before {
		if strings.HasPrefix(key, "ports/") && after[key] != before[key] {
			t.Errorf("%s is %s, and was %s", key, after[key], before[key])
		}
	}
	// What nobody declares any more holds nothing after the next start.
	h.damage("module/adsync")
	h.must(h.RemoveConfiguration(h.ctx(), by, conf("adsync/berlin"), false))
	h.reopen()
	h.add("operator/x", "gw.example", byKey(), mapping(tunnel.Reach, "x=1636:1"))
}

// TestReservedPortsArePutRight at the next start, whatever happened to their records.
func TestReservedPortsArePutRight(t *testing.T) {
	h := whole(t)
	want := h.records()
	_, err := h.store.Update(t.Context(), func(tx store.Tx) error {
		for key, value := range map[string]string{
			"ports/remote/nowhere.example:22": `{"node":"single","held":{"operator/ghost":{"a":1}}}`,
			"ports/local":                     `{"node":"single","held":{"operator/ghost":{"a":1389}}}`,
		} {
			if err := tx.Put(key, []byte(value)); err != nil {
				return err
			}
		}
		return nil
	})
	h.must(err)
	h.reopen()
	got := h.records()
	for key := range got {
		if strings.HasPrefix(key, "ports/") && got[key] != want[key] {
			t.Errorf("%s is %s, want %s", key, got[key], want[key])
		}
	}
	if got["ports/local"] != want["ports/local"] {
		t.Errorf("local ports are %q", got["ports/local"])
	}
}

// TestDamageMetLater is damage that comes while the daemon runs.
func TestDamageMetLater(t *testing.T) {
	h := whole(t)
	_, err := h.store.Update(t.Context(), func(tx store.Tx) error { return tx.Put("ports/local", []byte(`garbage`)) })
	h.must(err)
	_, err = h.AddTunnel(t.Context(), by, made("operator/x", "a.example", mapping(tunnel.Reach, "x=1390:1")), byKey())
	refused(t, err, tunnel.PortCollision, "mappings[x].local.port")
	h.add("operator/x", "a.example", byKey(), mapping(tunnel.Reach, "x=1391:1"))
	if got := h.records()["ports/local"]; !strings.Contains(got, "operator/bystander") || !strings.Contains(got, "operator/x") {
		t.Errorf("local ports are %s", got)
	}
}
