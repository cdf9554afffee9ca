package pluginhost

import (
	"context"
	"testing"

	"github.com/culvert-pbx/culvert/host/pluginhost/sandbox"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// BenchmarkStart is from the request for a process to its first callback, confined and not.
func BenchmarkStart(b *testing.B) {
	for _, c := range []struct {
		name    string
		support sandbox.Support
	}{{"bare", sandbox.Support{}}, {"confined", sandbox.Detect()}} {
		b.Run(c.name, func(b *testing.B) {
			r := newRig(b)
			r.install("hello", "")
			r.support = c.support
			if err := r.prepare(); err != nil {
				b.Fatal(err)
			}
			m := newModule(r.Host, "hello")
			defer m.log.ring.close()
			d, err := openDirectory(r.cfg.Dir, true)
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close()
			f, _, err := d.open("hello")
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			sha, err := hash(b.Context(), f)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				p, err := r.start(b.Context(), m, sha)
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				p.end(0)
				b.StartTimer()
			}
		})
	}
}

func (r *rig) start(ctx context.Context, m *module, sha string) (*running, error) {
	if err := m.dirs(); err != nil {
		return nil, err
	}
	return r.launch(ctx, m, sha, m.room(nil), func(ctx context.Context, w *wire.Module) error { return w.Connect(ctx, m.services(nil)) })
}
