package wire

import (
	"context"
	"time"

	"google.golang.org/grpc/tap"

	hostv1 "github.com/culvert-pbx/culvert/proto/host/v1"
)

// arrival bounds how long a request may take to arrive, which no interceptor sees: a module could have the host keep the
// beginnings of many.
type arrival struct{ late *time.Timer }

type arrivalKey struct{}

// await begins the time of a call: CallTimeout for all of it, and of a watch, which lasts, for its request. It must not
// block.
func await(ctx context.Context, call *tap.Info) (context.Context, error) {
	if call.FullMethodName != hostv1.HostService_Watch_FullMethodName {
		bounded, cancel := context.WithTimeout(ctx, CallTimeout)
		context.AfterFunc(ctx, cancel) // the end of the stream
		return bounded, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	a := &arrival{late: time.AfterFunc(CallTimeout, cancel)}
	context.AfterFunc(ctx, func() { a.late.Stop() })
	return context.WithValue(ctx, arrivalKey{}, a), nil
}

// arrived says that the request of a call is there.
func arrived(ctx context.Context) {
	if a, ok := ctx.Value(arrivalKey{}).(*arrival); ok {
		a.late.Stop()
	}
}
