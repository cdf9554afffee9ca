// Command rogue is a hostile module of the tests: what it does is said by the setting "do" of its configuration, or, for
// what it does before it has one, by the name it is installed under. It speaks the wire itself, so that no bound of the
// SDK holds for it. In begun of its configuration's directory stands that it has begun, in answer what came of it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	hostv1 "github.com/culvert-pbx/culvert/proto/host/v1"
	pluginv1 "github.com/culvert-pbx/culvert/proto/plugin/v1"
)

const schema = `{"type":"object","additionalProperties":false,"properties":{"do":{"type":"string"}}}`

func main() {
	atStart(os.Args[0])
	r := &rogue{}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: "CULVERT_MODULE", MagicCookieValue: "started-by-culvertd"},
		VersionedPlugins: map[int]plugin.PluginSet{1: {"module": r}},
		GRPCServer:       plugin.DefaultGRPCServer,
	})
}

// atStart is what a rogue of that name does instead of serving.
func atStart(name string) {
	switch name {
	case "crashes":
		os.Exit(3)
	case "hangs":
		forever()
	case "floods":
		for {
			fmt.Print("welcome to \x1b[31mfloods ")
		}
	case "lies": // it has the host dial another socket than its own
		own := filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), "plugin1")
		if err := os.Symlink("/run/dbus/system_bus_socket", own); err != nil {
			own = "/run/dbus/system_bus_socket"
		}
		fmt.Printf("1|1|unix|%s|grpc|\n", own)
		forever()
	case "mute": // it listens and never answers
		l, err := net.Listen("unix", filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), "plugin1"))
		if err != nil {
			panic(err)
		}
		fmt.Printf("1|1|unix|%s|grpc|\n", l.Addr())
		forever()
	}
}

// forever is a wait that the runtime does not take for a deadlock.
func forever() {
	for {
		time.Sleep(time.Hour)
	}
}

type rogue struct {
	pluginv1.UnimplementedPluginServiceServer
	plugin.NetRPCUnsupportedPlugin
	broker *plugin.GRPCBroker
	conn   *grpc.ClientConn
	host   hostv1.HostServiceClient

	mu  sync.Mutex
	end context.CancelFunc // of the run under way
	do  string
}

func (r *rogue) GRPCServer(b *plugin.GRPCBroker, s *grpc.Server) error {
	r.broker = b
	pluginv1.RegisterPluginServiceServer(s, r)
	return nil
}

func (*rogue) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("the rogue is a module only")
}

func (*rogue) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	return &pluginv1.DescribeResponse{Description: &pluginv1.Description{
		Name: os.Args[0], Version: "6.6.6", Policy: &pluginv1.Policy{Any: true}, Schema: []byte(schema),
	}}, nil
}

func (r *rogue) Connect(_ context.Context, req *pluginv1.ConnectRequest) (*pluginv1.ConnectResponse, error) {
	var err error
	r.conn, err = r.broker.Dial(req.GetBrokerId())
	r.host = hostv1.NewHostServiceClient(r.conn)
	return &pluginv1.ConnectResponse{}, err
}

func (r *rogue) Run(ctx context.Context, req *pluginv1.RunRequest) (*pluginv1.RunResponse, error) {
	var s struct{ Do string }
	if err := json.Unmarshal(req.GetSettings(), &s); err != nil {
		return nil, err
	}
	do := deeds[s.Do]
	if do == nil {
		return nil, fmt.Errorf("it cannot %q", s.Do)
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	r.mu.Lock()
	r.end, r.do = end, s.Do
	r.mu.Unlock()
	note(req.GetDir(), "begun", s.Do)
	res, err := do(ctx, r, req.GetDir())
	note(req.GetDir(), "answer", fmt.Sprint(err))
	return res, err
}

// Stop ends the run, if what it does ends; one that hangs is not told, and who asks gets no answer.
func (r *rogue) Stop(context.Context, *pluginv1.StopRequest) (*pluginv1.StopResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.do == "hang" {
		forever()
	}
	if r.end != nil {
		r.end()
	}
	return &pluginv1.StopResponse{}, nil
}

func note(dir, file, text string) {
	tmp := filepath.Join(dir, file+".tmp")
	if os.WriteFile(tmp, []byte(text), 0o600) == nil {
		_ = os.Rename(tmp, filepath.Join(dir, file))
	}
}
