package wire

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"

	pluginv1 "github.com/culvert-pbx/culvert/proto/plugin/v1"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// caller makes calls as the contract wants them: bounded in size and time, with errors as the other end meant them.
type caller struct {
	conn grpc.ClientConnInterface
}

// unbounded calls last as long as their context.
var unbounded = map[string]bool{
	pluginv1.PluginService_Run_FullMethodName:  true,
	pluginv1.PluginService_Stop_FullMethodName: true,
}

var callLimits = []grpc.CallOption{grpc.MaxCallRecvMsgSize(MaxMessage), grpc.MaxCallSendMsgSize(MaxMessage)}

var errTimeout = fmt.Errorf("no answer within %v: %w", CallTimeout, context.DeadlineExceeded)

func (c caller) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	bounded := ctx
	if !unbounded[method] {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeoutCause(ctx, CallTimeout, errTimeout)
		defer cancel()
	}
	err := decode(c.conn.Invoke(bounded, method, args, reply, append(opts, callLimits...)...))
	return timedOut(ctx, bounded, err)
}

func (c caller) NewStream(ctx context.Context, d *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := c.conn.NewStream(ctx, d, method, append(opts, callLimits...)...)
	return s, decode(err)
}

// timedOut names our own limit as the reason where it is: the caller set no such deadline and would look for it.
func timedOut(ctx, bounded context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil && context.Cause(bounded) == errTimeout {
		return errTimeout
	}
	return err
}

// tooLarge is what a message over the limit becomes, at either end.
var tooLarge = tunnel.Findings{{
	Code: tunnel.TooLong, Field: "message",
	Message: fmt.Sprintf("a message between host and module holds at most %d MiB", MaxMessage>>20),
	WayOut:  "send less at once",
}}
