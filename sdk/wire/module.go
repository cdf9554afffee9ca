package wire

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"sync"

	"google.golang.org/grpc"

	pluginv1 "github.com/culvert-pbx/culvert/proto/plugin/v1"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Module is the host's handle on one running module process. Its methods are safe for concurrent use. When the
// process ends, every call under way returns [ErrGone], Run within about 50 ms.
type Module struct {
	rpc    pluginv1.PluginServiceClient
	broker broker
	creds  []grpc.ServerOption // what secures the connection to the host

	mu        sync.Mutex
	connected bool
	closed    bool
	server    *grpc.Server // serves the module; nil before it is connected
}

// broker is what Module needs of go-plugin's.
type broker interface {
	NextId() uint32
	Accept(id uint32) (net.Listener, error)
}

func newModule(c grpc.ClientConnInterface, b broker) *Module {
	return &Module{rpc: pluginv1.NewPluginServiceClient(caller{c}), broker: b}
}

// Describe asks the module what it is. Texts are cut and escaped, but nothing is checked against the rules.
func (m *Module) Describe(ctx context.Context) (tunnel.Description, error) {
	res, err := m.rpc.Describe(ctx, &pluginv1.DescribeRequest{})
	if err != nil {
		return tunnel.Description{}, err
	}
	if fs := bounds(res); len(fs) > 0 {
		return tunnel.Description{}, fs.In("description")
	}
	return descriptionOf(res.GetDescription()), nil
}

// Connect serves h to this process alone, from now until Close, and returns when the module has reached
// it. It is called once, before the first Run.
func (m *Module) Connect(ctx context.Context, h HostServices) error {
	m.mu.Lock()
	again := m.connected
	m.connected = true
	m.mu.Unlock()
	if again {
		return errors.New("the module is connected already")
	}
	id := m.broker.NextId()
	go m.serve(id, newHostServer(h, m.creds...))
	_, err := m.rpc.Connect(ctx, &pluginv1.ConnectRequest{BrokerId: id, Granted: each(h.Granted, func(g tunnel.Grant) string { return string(g) })})
	return err
}

// serve serves the module until Close. Where it cannot, the module does not reach the host, and says so.
func (m *Module) serve(id uint32, s *grpc.Server) {
	l, err := m.broker.Accept(id)
	if err != nil {
		return
	}
	m.mu.Lock()
	if m.closed {
		s.Stop()
	}
	m.server = s
	m.mu.Unlock()
	_ = s.Serve(newInlet(l)) // closes it
}

// Close ends what Connect began. It is called when the process is gone, or is to have nothing of the host any more.
func (m *Module) Close() {
	m.mu.Lock()
	m.closed = true
	s := m.server
	m.mu.Unlock()
	if s != nil {
		s.Stop()
	}
}

// Run runs the module for one configuration, settings being a JSON object without passwords of sites and dir the
// configuration's own directory. It blocks until that run is over: nil says that there is nothing more to do until
// the configuration changes. When ctx ends it returns at once, while the run, told so, may still clean up: Stop first.
func (m *Module) Run(ctx context.Context, ref tunnel.ConfigurationRef, settings json.RawMessage, dir string) error {
	_, err := m.rpc.Run(ctx, &pluginv1.RunRequest{Configuration: ref.Name, Settings: settings, Dir: dir})
	return err
}

// Stop asks the run of one configuration to end and returns when it has cleaned up and ended, with the context's
// error when that takes longer than ctx. Where none runs it returns at once; a caller that may overtake its own Run
// ends Run's context as well.
func (m *Module) Stop(ctx context.Context, ref tunnel.ConfigurationRef) error {
	_, err := m.rpc.Stop(ctx, &pluginv1.StopRequest{Configuration: ref.Name})
	return err
}
