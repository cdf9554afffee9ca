package wire

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	pluginv1 "github.com/culvert-pbx/culvert/proto/plugin/v1"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connect returns a connection to s over memory. Both end with the test.
func connect(t *testing.T, s *grpc.Server) *grpc.ClientConn {
	t.Helper()
	l := bufconn.Listen(64 << 10)
	var served sync.WaitGroup
	served.Go(func() { _ = s.Serve(l) })
	conn, err := dialPipe(l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		s.Stop()
		served.Wait()
	})
	return conn
}

func dialPipe(l *bufconn.Listener, o ...grpc.DialOption) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:pipe", append(o,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))...)
}

// hostOf is a module's view of the host that h makes.
func hostOf(t *testing.T, h HostServices) *client {
	t.Helper()
	return newClient(connect(t, newHostServer(h)), os.Getpid())
}

// pipes is go-plugin's broker, over memory.
type pipes struct {
	t    *testing.T
	mu   sync.Mutex
	last uint32
	open map[uint32]*bufconn.Listener
}

func newPipes(t *testing.T) *pipes { return &pipes{t: t, open: map[uint32]*bufconn.Listener{}} }

// NextId makes the listener too, so that it is there whichever side comes first.
func (p *pipes) NextId() uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	p.open[p.last] = bufconn.Listen(64 << 10)
	return p.last
}

func (p *pipes) listener(id uint32) *bufconn.Listener {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open[id]
}

func (p *pipes) Accept(id uint32) (net.Listener, error) { return p.listener(id), nil }

func (p *pipes) dial(id uint32, o ...grpc.DialOption) (*grpc.ClientConn, error) {
	l := p.listener(id)
	if l == nil {
		return nil, fmt.Errorf("nobody accepts %d", id)
	}
	conn, err := dialPipe(l, o...)
	if err == nil {
		p.t.Cleanup(func() { _ = conn.Close() })
	}
	return conn, err
}

// moduleOf is the host's handle on a process that serves p.
func moduleOf(t *testing.T, p Plugin) *Module {
	t.Helper()
	b := newPipes(t)
	own := newPluginServer(p, hclog.New(&hclog.LoggerOptions{Output: io.Discard}), os.Getpid())
	own.dial = b.dial
	s := pluginGRPC(nil)
	pluginv1.RegisterPluginServiceServer(s, own)
	m := newModule(connect(t, s), b)
	t.Cleanup(m.Close)
	return m
}

// connected is moduleOf with h served to it.
func connected(t *testing.T, p Plugin, h HostServices) *Module {
	t.Helper()
	m := moduleOf(t, p)
	if err := m.Connect(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	return m
}

// scripted is a module whose run is a function.
type scripted struct {
	description tunnel.Description
	run         func(ctx context.Context, r Run) error
}

func (s scripted) Describe() (tunnel.Description, error) { return s.description, nil }
func (s scripted) Run(ctx context.Context, r Run) error  { return s.run(ctx, r) }
func config(name string) (ref tunnel.ConfigurationRef) {
	return tunnel.ConfigurationRef{Module: "adsync", Name: name}
}
func adsync(s tunnel.Service) HostServices                  { return HostServices{Owner: "adsync", Service: s} }
func scriptedRun(f func(context.Context, Run) error) Plugin { return scripted{run: f} }
