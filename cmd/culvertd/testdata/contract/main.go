// Command contract is a module of the tests that speaks the contract by hand, as one does that was built before this
// repository's SDK or after it: which version of it is said by the name it is installed under.
//
// It is what version 1 was: it declares its site, goes through a private socket, and keeps the answer in its directory.
package main

import (
	"bufio"
	"context"
	_ "embed"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	hostv1 "github.com/culvert-pbx/culvert/proto/host/v1"
	pluginv1 "github.com/culvert-pbx/culvert/proto/plugin/v1"
)

// versions are what each name speaks.
var versions = map[string][]int{"older": {1}, "newer": {3}, "both": {2, 3}}

// schema is what the SDK of version 1 made of one site.
//
//go:embed schema.json
var schema []byte

func main() {
	sets := map[int]plugin.PluginSet{}
	for _, v := range versions[os.Args[0]] {
		sets[v] = plugin.PluginSet{"module": &end{}}
	}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: "CULVERT_MODULE", MagicCookieValue: "started-by-culvertd"},
		VersionedPlugins: sets,
		GRPCServer:       plugin.DefaultGRPCServer,
	})
}

type end struct{ plugin.NetRPCUnsupportedPlugin }

func (*end) GRPCServer(b *plugin.GRPCBroker, s *grpc.Server) error {
	m := &module{broker: b}
	m.stopped, m.stop = context.WithCancel(context.Background())
	pluginv1.RegisterPluginServiceServer(s, m)
	return nil
}

func (*end) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, fmt.Errorf("this is no host")
}

type module struct {
	pluginv1.UnimplementedPluginServiceServer
	broker *plugin.GRPCBroker
	host   hostv1.HostServiceClient

	stopped context.Context
	stop    context.CancelFunc
}

func (*module) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	d := &pluginv1.Description{
		Name: os.Args[0], Version: "1.0.0", Policy: &pluginv1.Policy{}, Schema: schema,
		Slots: []*pluginv1.Slot{{Name: "web", Title: "Service", Kinds: []string{"reach"}, Spec: ":80", On: true}},
	}
	if d.Name == "both" {
		d.Capabilities = []string{"teleporter"} // of a day to come
	}
	return &pluginv1.DescribeResponse{Description: d}, nil
}

func (m *module) Connect(_ context.Context, req *pluginv1.ConnectRequest) (*pluginv1.ConnectResponse, error) {
	c, err := m.broker.Dial(req.GetBrokerId())
	if err != nil {
		return nil, err
	}
	m.host = hostv1.NewHostServiceClient(c)
	return &pluginv1.ConnectResponse{}, nil
}

func (m *module) Run(ctx context.Context, req *pluginv1.RunRequest) (*pluginv1.RunResponse, error) {
	_, err := m.host.Declare(ctx, &hostv1.DeclareRequest{Configuration: req.GetConfiguration(), Declarations: []*hostv1.Declaration{
		{Ref: os.Args[0] + "/" + req.GetConfiguration() + ".site", Settings: "site", Slots: []string{"web"}},
	}})
	if err != nil {
		return nil, err
	}
	answer, err := m.ask(ctx, req.GetConfiguration())
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(req.GetDir(), "answer"), []byte(answer), 0o600); err != nil {
		return nil, err
	}
	select {
	case <-m.stopped.Done():
	case <-ctx.Done():
	}
	return &pluginv1.RunResponse{}, nil
}

// ask goes to the service behind the slot and returns the greeting and what the service says to nothing.
func (m *module) ask(ctx context.Context, configuration string) (string, error) {
	res, err := m.host.DialSocket(ctx, &hostv1.DialSocketRequest{Configuration: configuration, Mapping: "web"})
	if err != nil {
		return "", err
	}
	c, err := net.Dial("unix", res.GetPath())
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return "", err
	}
	said := bufio.NewReader(c)
	greeting, err := said.ReadString('\n')
	if err != nil {
		return "", err
	}
	if err := c.(*net.UnixConn).CloseWrite(); err != nil {
		return "", err
	}
	rest, err := io.ReadAll(said)
	return greeting + string(rest), err
}

func (m *module) Stop(context.Context, *pluginv1.StopRequest) (*pluginv1.StopResponse, error) {
	m.stop()
	return &pluginv1.StopResponse{}, nil
}
