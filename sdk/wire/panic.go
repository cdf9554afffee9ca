package wire

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"google.golang.org/grpc"
)

// ErrPanicked says that the module's own code panicked. The call that did so failed; the process and its other runs go on.
var ErrPanicked = errors.New("the module panicked")

// Whatever call of the host a module's code panics in, fails alone. What the SDK caught and logged before does not come here.

func catchUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (res any, err error) {
	defer catch(info.FullMethod, &err)
	return handle(ctx, req)
}

func catchStream(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
	defer catch(info.FullMethod, &err)
	return handle(srv, s)
}

// catch makes a panic the error of a call. Its trace goes to standard error, which is the module's log.
func catch(method string, err *error) {
	if p := recover(); p != nil {
		fmt.Fprintf(os.Stderr, "panic: %v in %s\n%s", p, method, debug.Stack())
		*err = encode(fmt.Errorf("%w: %v", ErrPanicked, p))
	}
}
