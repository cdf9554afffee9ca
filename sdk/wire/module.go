package wire

import (
	"context"
	"encoding/json"
	"errors"
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

	mu        sync.Mutex
	connected bool
}

// broker is what Module needs of go-plugin's.
type broker interface {
	NextId() uint32
	AcceptAndServe(id uint32, server func([]grpc.ServerOption) *grpc.Server)
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

// Connect serves h to this process alone, from now until the process ends, and returns when the module has reached
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
	go m.broker.AcceptAndServe(id, func(o []grpc.ServerOption) *grpc.Server { return newHostServer(h, o...) })
	_, err := m.rpc.Connect(ctx, &pluginv1.ConnectRequest{BrokerId: id})
	return err
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
