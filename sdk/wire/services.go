package wire

import (
	"context"

	"google.golang.org/grpc"

	hostv1 "github.com/culvert-pbx/culvert/proto/host/v1"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// HostServices is what the host gives one module.
type HostServices struct {
	// Owner is the module's name as the host knows it. Nothing the module sends changes it.
	Owner tunnel.Owner

	// Granted is what the operator has granted Owner, as its process is told.
	Granted []tunnel.Grant

	// Service is the registry as Owner sees it.
	Service tunnel.Service

	// Refused is told of each tunnel of another owner that a call which may change something named, before the call
	// is refused with not-owner. method is its short name, such as "Declare". Nil tells nobody.
	Refused func(method string, ref tunnel.Ref)

	// SocketPath returns the path of the private socket of a reach mapping of Owner. Errors reach the module as they
	// are.
	SocketPath func(ctx context.Context, ref tunnel.Ref, mapping string) (path string, err error)

	// ListenPath returns where the module shall listen for a private expose mapping of Owner.
	ListenPath func(ctx context.Context, ref tunnel.Ref, mapping string) (path string, err error)

	// Metrics is what every module measures. Nil is unsupported.
	Metrics func(ctx context.Context) ([]tunnel.ModuleMetrics, error)

	// LocalDialPath returns the path of the private socket behind which the host connects to a port of the PBX's loopback.
	// It refuses what was not granted.
	LocalDialPath func(ctx context.Context, port int) (path string, err error)

	// LocalListenPath takes a port of the PBX's loopback and returns where the module shall listen for it, at once. It
	// refuses what was not granted.
	LocalListenPath func(ctx context.Context, port int) (path string, err error)
}

// newHostServer makes the gRPC server that serves h, with every check that holds for all its calls.
func newHostServer(h HostServices, o ...grpc.ServerOption) *grpc.Server {
	g := newGate(h.Owner, h.Refused)
	s := grpc.NewServer(append(o,
		grpc.MaxRecvMsgSize(MaxMessage), grpc.MaxSendMsgSize(MaxMessage), grpc.MaxHeaderListSize(maxHeaders),
		grpc.MaxConcurrentStreams(maxCalls), grpc.ConnectionTimeout(CallTimeout), grpc.ForceServerCodecV2(newFrugal()),
		grpc.InTapHandle(await), grpc.UnaryInterceptor(g.unary), grpc.StreamInterceptor(g.stream))...)
	hostv1.RegisterHostServiceServer(s, &hostServer{h: h})
	return s
}

const (
	maxCalls   = 250      // what one module has under way at once, over however many connections
	maxLists   = 2        // of them, whole lists of tunnels
	maxHeaders = 16 << 10 // bytes of the metadata of one call from a module
)
