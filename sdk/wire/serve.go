package wire

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"
)

// EndGrace is how long Serve waits for runs to clean up when the host is gone or tells the process to end. The host
// kills after the same time.
const EndGrace = 2 * time.Second

// Serve serves p to the host that started this process, and returns when the host tells it to end or is gone and
// every run has ended, or EndGrace later. log is where runs log: standard error is the host's.
//
// From then on standard output goes to the module's log as well. A process that the host did not start ends with
// status 1: see [Started].
func Serve(p Plugin, log hclog.Logger) {
	outliveTheHost()
	settle()
	s := newPluginServer(p, log, os.Getppid()) // the host is the parent; where it dies, this process does
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  Handshake,
		VersionedPlugins: map[int]plugin.PluginSet{Version: {name: &end{serve: s}}},
		Logger:           log.Named("go-plugin"),
		GRPCServer:       pluginGRPC,
	})
	s.stopAll(EndGrace)
}

// outliveTheHost keeps a run that cleans up after its host has gone from being killed by what it logs: the other end of
// standard error is gone too. Notify, unlike Ignore, leaves programs that the module starts as they would be.
func outliveTheHost() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// Started reports whether the environment is one in which the host starts a module.
func Started(getenv func(string) string) bool {
	return getenv(Handshake.MagicCookieKey) == Handshake.MagicCookieValue
}

// pluginGRPC makes the server of a module's process, which ends with the host's connection.
func pluginGRPC(o []grpc.ServerOption) *grpc.Server {
	w := &hostWatch{}
	s := grpc.NewServer(append(o, grpc.MaxRecvMsgSize(MaxMessage), grpc.MaxSendMsgSize(MaxMessage), grpc.StatsHandler(w),
		grpc.ChainUnaryInterceptor(catchUnary), grpc.ChainStreamInterceptor(catchStream))...)
	w.gone = s.Stop
	return s
}

// hostWatch calls gone when the last connection ends: only the host has the key to connect, so the host is gone then.
type hostWatch struct {
	open atomic.Int32
	gone func()
}

var _ stats.Handler = (*hostWatch)(nil)

func (w *hostWatch) HandleConn(_ context.Context, s stats.ConnStats) {
	switch s.(type) {
	case *stats.ConnBegin:
		w.open.Add(1)
	case *stats.ConnEnd:
		if w.open.Add(-1) == 0 {
			go w.gone() // Stop waits for this connection
		}
	}
}

func (*hostWatch) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*hostWatch) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (*hostWatch) HandleRPC(context.Context, stats.RPCStats)                         {}
