package wire

import (
	"context"
	"crypto/tls"
	"fmt"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	pluginv1 "github.com/culvert-pbx/culvert/proto/plugin/v1"
)

// HostPlugins is what the host gives go-plugin as VersionedPlugins: every version of the contract it speaks.
func HostPlugins() map[int]plugin.PluginSet {
	sets := map[int]plugin.PluginSet{}
	for _, v := range Versions() {
		sets[v] = plugin.PluginSet{name: &end{}}
	}
	return sets
}

// Dispense returns the handle on the module behind a started go-plugin client. secured is that client's TLSConfig as the
// start has left it: with it the module's process alone can use what Connect serves.
func Dispense(c plugin.ClientProtocol, secured *tls.Config) (*Module, error) {
	raw, err := c.Dispense(name)
	if err != nil {
		return nil, fmt.Errorf("dispense the module: %w", err)
	}
	m := raw.(*Module)
	if secured != nil {
		m.creds = []grpc.ServerOption{grpc.Creds(credentials.NewTLS(secured))}
	}
	return m, nil
}

// end is go-plugin's view of one end of the connection; serve is nil at the host's.
type end struct {
	plugin.NetRPCUnsupportedPlugin
	serve *pluginServer
}

var _ plugin.GRPCPlugin = (*end)(nil)

func (e *end) GRPCServer(b *plugin.GRPCBroker, s *grpc.Server) error {
	e.serve.dial = b.DialWithOptions
	pluginv1.RegisterPluginServiceServer(s, e.serve)
	return nil
}

func (*end) GRPCClient(_ context.Context, b *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return newModule(c, b), nil
}
