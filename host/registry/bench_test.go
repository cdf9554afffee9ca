package registry_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/culvert-pbx/culvert/host/registry"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/store"
)

// many fills a host with n tunnels: half an operator's, half declared by configurations of ten sites each.
func many(t testing.TB, n int) *host {
	h := newFileHost(t)
	h.must(h.PinModule(h.ctx(), "host", "adsync", checksum, describe("adsync")))
	records := map[string]string{}
	for i := range n / 2 {
		records[fmt.Sprintf("tunnel/operator/t%d", i)] = fmt.Sprintf(
			`{"node":"single","revision":1,"server":{"host":"s%d.example","port":22,"user":"ops"},"login":"key","mappings":[`+
				`{"name":"a","kind":"expose","local":{"port":80},"remote":{"port":8080}},{"name":"b","kind":"expose","local":{"port":81},"remote":{"port":8081}}]}`, i)
		records[fmt.Sprintf("ports/remote/s%d.example:22", i)] = fmt.Sprintf(`{"node":"single","held":{"operator/t%d":{"a":8080,"b":8081}}}`, i)
	}
	for i := range n / 20 {
		sites, declared := map[string]tunnel.Site{}, map[string]any{}
		for j := range 10 {
			sites[fmt.Sprintf("s%d", j)] = tunnel.Site{Server: "gw.example"}
			declared[fmt.Sprintf("c%d.s%d", i, j)] = map[string]any{"settings": fmt.Sprintf("sites.s%d", j)}
		}
		doc, _ := json.Marshal(map[string]any{"node": "single", "revision": 1, "enabled": true, "settings": map[string]any{"sites": sites}})
		records[fmt.Sprintf("configuration/adsync/c%d", i)] = string(doc)
		doc, _ = json.Marshal(map[string]any{"node": "single", "tunnels": declared})
		records[fmt.Sprintf("declaration/adsync/c%d", i)] = string(doc)
	}
	h.put(records)
	return h
}

// put writes raw records.
func (h *host) put(records map[string]string) {
	h.t.Helper()
	left := len(records)
	batch := map[string]string{}
	for key, value := range records {
		batch[key] = value
		if left--; len(batch) < store.MaxChangeKeys && left > 0 {
			continue
		}
		_, err := h.store.Update(h.ctx(), func(tx store.Tx) error {
			for k, v := range batch {
				if err := tx.Put(k, []byte(v)); err != nil {
					return err
				}
			}
			return nil
		})
		h.must(err)
		clear(batch)
	}
}

// BenchmarkOpen opens a registry of 10,000 tunnels.
func BenchmarkOpen(b *testing.B) {
	h := many(b, 10_000)
	for b.Loop() {
		h.open()
	}
	if n := len(h.all()); n != 10_000 {
		b.Fatalf("%d tunnels", n)
	}
}

// BenchmarkReport is what proofs cost among 10,000 tunnels.
func BenchmarkReport(b *testing.B) {
	h := many(b, 10_000)
	h.open()
	for b.Loop() {
		h.Report(ref("operator/t77"), up("a", "b"))
	}
}

// BenchmarkList is one scrape of 10,000 tunnels.
func BenchmarkList(b *testing.B) {
	h := many(b, 10_000)
	h.open()
	for b.Loop() {
		for range h.As("monitoring").List(context.Background()) {
		}
	}
}

// BenchmarkEdit is one operator's change among 10,000 tunnels, to the disk.
func BenchmarkEdit(b *testing.B) {
	h := many(b, 10_000)
	h.open()
	i := 0
	for b.Loop() {
		i++
		comment := fmt.Sprint(i)
		h.must(h.edit("operator/t77", tunnel.Edit{Comment: &comment}))
	}
}

func (h *host) all() []tunnel.View {
	var vs []tunnel.View
	for v, err := range h.As("anyone").List(h.ctx()) {
		h.must(err)
		vs = append(vs, v)
	}
	return vs
}

var _ registry.Sealer = aead{}
