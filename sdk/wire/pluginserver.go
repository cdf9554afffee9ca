package wire

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	pluginv1 "github.com/culvert-pbx/culvert/proto/plugin/v1"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// pluginServer is a module's own end: it answers the host and keeps the runs.
type pluginServer struct {
	pluginv1.UnimplementedPluginServiceServer
	plugin  Plugin
	log     hclog.Logger
	hostPID int
	dial    func(id uint32, o ...grpc.DialOption) (*grpc.ClientConn, error) // set before the first call

	mu      sync.Mutex
	host    Host            // nil until connected
	granted []tunnel.Grant  // since then
	runs    map[string]*run // by configuration
}

// run is one run under way, or a test.
type run struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// newPluginServer is p's end of the connection to the host, which is the process hostPID.
func newPluginServer(p Plugin, log hclog.Logger, hostPID int) *pluginServer {
	return &pluginServer{plugin: p, log: log, hostPID: hostPID, runs: map[string]*run{}}
}

func (s *pluginServer) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	d, err := s.plugin.Describe()
	if err != nil {
		return nil, encode(err)
	}
	return &pluginv1.DescribeResponse{Description: descriptionTo(d)}, nil
}

// Connect dials the host once; the connection lasts as long as the process.
func (s *pluginServer) Connect(ctx context.Context, req *pluginv1.ConnectRequest) (*pluginv1.ConnectResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.host != nil {
		return nil, encode(errors.New("connected already"))
	}
	conn, err := s.dial(req.GetBrokerId(), grpc.WithIdleTimeout(0), grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window))
	if err != nil {
		return nil, encode(fmt.Errorf("dial the host: %w", err))
	}
	if err := ready(ctx, conn); err != nil {
		return nil, encode(errors.Join(fmt.Errorf("reach the host: %w", err), conn.Close()))
	}
	s.granted = each(req.GetGranted(), func(g string) tunnel.Grant { return tunnel.Grant(g) })
	s.host = newClient(conn, s.hostPID)
	return &pluginv1.ConnectResponse{}, nil
}

// window is how many bytes the host may send ahead of who reads them: a list of a thousand tunnels, in one go.
const window = 1 << 20

// ready waits until the connection stands.
func ready(ctx context.Context, conn *grpc.ClientConn) error {
	for conn.Connect(); ; {
		state := conn.GetState()
		switch state {
		case connectivity.Ready:
			return nil
		case connectivity.Idle:
			conn.Connect()
		case connectivity.Shutdown:
			return ErrGone
		}
		if !conn.WaitForStateChange(ctx, state) {
			return ctx.Err()
		}
	}
}

func (s *pluginServer) Run(ctx context.Context, req *pluginv1.RunRequest) (*pluginv1.RunResponse, error) {
	ctx, host, end, err := s.begin(ctx, req.GetConfiguration(), "this configuration runs already", "stop that run first")
	if err != nil {
		return nil, encode(err)
	}
	defer end()
	err = s.plugin.Run(ctx, Run{
		Configuration: req.GetConfiguration(), Settings: req.GetSettings(), Dir: req.GetDir(),
		Log: s.log.With("configuration", req.GetConfiguration()), Host: host, Granted: s.granted,
	})
	return &pluginv1.RunResponse{}, encode(err)
}

// begin notes a run, unless there is one of that name already; end must be called when it is over.
func (s *pluginServer) begin(ctx context.Context, configuration, already, wayOut string) (_ context.Context, _ Host, end func(), _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.host == nil {
		return nil, nil, nil, errors.New("not connected to the host yet")
	}
	if s.runs[configuration] != nil {
		return nil, nil, nil, tunnel.Findings{{
			Code: tunnel.Exists, Field: "configuration", Value: tunnel.Clean(configuration, 60),
			Message: already, WayOut: wayOut,
		}}
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &run{cancel: cancel, done: make(chan struct{})}
	s.runs[configuration] = r
	return ctx, s.host, func() { s.end(configuration, r) }, nil
}

func (s *pluginServer) end(configuration string, r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.cancel()
	delete(s.runs, configuration)
	close(r.done)
}

func (s *pluginServer) Stop(ctx context.Context, req *pluginv1.StopRequest) (*pluginv1.StopResponse, error) {
	s.mu.Lock()
	r := s.runs[req.GetConfiguration()]
	s.mu.Unlock()
	if r == nil {
		return &pluginv1.StopResponse{}, nil
	}
	r.cancel()
	select {
	case <-r.done:
		return &pluginv1.StopResponse{}, nil
	case <-ctx.Done():
		return nil, encode(ctx.Err())
	}
}

// stopAll ends every run and waits for them, at most for grace.
func (s *pluginServer) stopAll(grace time.Duration) {
	limit := time.NewTimer(grace)
	defer limit.Stop()
	for _, r := range s.underWay() {
		r.cancel()
		select {
		case <-r.done:
		case <-limit.C:
			return
		}
	}
}

func (s *pluginServer) underWay() []*run {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.runs))
}
