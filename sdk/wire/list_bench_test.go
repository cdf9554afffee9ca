package wire

import (
	"context"
	"fmt"
	"iter"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// many is a registry of very many tunnels.
type many struct {
	tunnel.Service
	views []tunnel.View
}

func newMany(n int) many {
	var m many
	for i := range n {
		s := tunnel.Status{State: tunnel.Up, Since: time.Now()}
		t := tunnel.Tunnel{
			Ref: tunnel.Ref{Owner: "operator", Name: tunnel.Name(fmt.Sprint("t", i))}, Server: tunnel.Server{Host: "site.example", Port: 22, User: "pbx"},
			Pin: tunnel.Pin{State: "learned", KeyType: "ssh-ed25519", Fingerprint: "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"},
		}
		for _, name := range []string{"a", "b"} {
			t.Mappings = append(t.Mappings, tunnel.Mapping{Name: name, Kind: tunnel.Reach, Local: tunnel.Endpoint{Host: "127.0.0.1", Port: 2000}, Remote: tunnel.Endpoint{Host: "127.0.0.1", Port: 80}})
			s.Mappings = append(s.Mappings, tunnel.MappingStatus{
				Name: name, State: tunnel.Up, Listener: tunnel.Statement{State: tunnel.Up, At: time.Now()}, Target: tunnel.Statement{State: tunnel.Up, At: time.Now()}, ProvedAt: time.Now(), Bound: "loopback",
			})
		}
		m.views = append(m.views, tunnel.View{Tunnel: t, Status: s})
	}
	return m
}

func (m many) List(context.Context) iter.Seq2[tunnel.View, error] {
	return func(yield func(tunnel.View, error) bool) {
		for _, v := range m.views {
			if !yield(v.Clone(), nil) {
				return
			}
		}
	}
}

func BenchmarkListOfAThousand(b *testing.B) {
	l, err := net.Listen("unix", filepath.Join(b.TempDir(), "s"))
	if err != nil {
		b.Fatal(err)
	}
	g := newGate("hello", nil)
	g.pace.Burst = 1e9
	s := newHostServer(HostServices{Owner: "hello", Service: newMany(1000).shared()})
	go s.Serve(newInlet(l))
	defer s.Stop()
	conn, err := grpc.NewClient("unix:"+l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	c := newClient(conn, os.Getpid())
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range c.List(b.Context()) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 1000 {
			b.Fatal(n)
		}
	}
}

// sharing shows what never changes.
type sharing struct {
	many
	all []*tunnel.Shown
}

func (m many) shared() (s sharing) {
	s.many = m
	for _, v := range m.views {
		s.all = append(s.all, tunnel.Show(v))
	}
	return s
}

func (s sharing) ListShown(context.Context) ([]*tunnel.Shown, error) { return s.all, nil }
func (s sharing) WatchShown(context.Context) iter.Seq2[tunnel.ShownChange, error] {
	panic("not used")
}
