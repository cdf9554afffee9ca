package wire

import (
	"context"
	"fmt"
	"net"
	"strconv"

	hostv1 "github.com/culvert-pbx/culvert/proto/host/v1"
)

// DialLocal connects to the private socket behind which the host connects to the port, and waits for its greeting.
func (c *client) DialLocal(ctx context.Context, port int) (net.Conn, error) {
	res, err := c.rpc.LocalDialSocket(ctx, &hostv1.LocalDialSocketRequest{Port: portTo(port)})
	if err != nil {
		return nil, fmt.Errorf("dial local port %d: %w", port, err)
	}
	conn, err := dialSocket(ctx, res.GetPath(), c.hostPID)
	if err != nil {
		return nil, fmt.Errorf("dial local port %d: %w", port, err)
	}
	return conn, nil
}

// ListenLocal has the host take the port, and makes the unix socket at the path that it names.
func (c *client) ListenLocal(ctx context.Context, port int) (net.Listener, error) {
	res, err := c.rpc.LocalListenSocket(ctx, &hostv1.LocalListenSocketRequest{Port: portTo(port)})
	if err != nil {
		return nil, fmt.Errorf("listen at local port %d: %w", port, err)
	}
	l, err := listenSocket(ctx, res.GetPath(), "port", strconv.Itoa(port))
	if err != nil {
		return nil, fmt.Errorf("listen at local port %d: %w", port, err)
	}
	return l, nil
}

// portTo is a port as a message has it; what is none stays none.
func portTo(port int) uint32 { return uint32(min(max(port, 0), 1<<16)) }
