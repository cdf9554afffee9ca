package wire

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	hostv1 "github.com/culvert-pbx/culvert/proto/host/v1"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Dial connects to the mapping's private socket and waits for the host's greeting there.
func (c *client) Dial(ctx context.Context, configuration, mapping string) (net.Conn, error) {
	site, m := SplitMapping(mapping)
	res, err := c.rpc.DialSocket(ctx, &hostv1.DialSocketRequest{Configuration: configuration, Site: site, Mapping: m})
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", mapping, err)
	}
	conn, err := dialSocket(ctx, res.GetPath(), c.hostPID)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", mapping, err)
	}
	return conn, nil
}

// doorPatience is how long the host may take to open the socket of a mapping that was declared just now.
const doorPatience = 5 * time.Second

// dialSocket returns the bare connection, so deadlines, half-close and the kernel's copying work as on any other. Nothing
// is read from or written to a socket on which another process than the host listens.
func dialSocket(ctx context.Context, path string, hostPID int) (net.Conn, error) {
	conn, err := knock(ctx, path)
	if err != nil {
		return nil, firstOf(ctx.Err(), err)
	}
	if err := expectListener(conn, hostPID); err != nil {
		_ = conn.Close()
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err = ReadGreeting(conn)
	if !stop() {
		err = firstOf(ctx.Err(), err)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// knock connects to the socket as soon as the host has opened it.
func knock(ctx context.Context, path string) (net.Conn, error) {
	var d net.Dialer
	late := time.Now().Add(doorPatience)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		conn, err := d.DialContext(ctx, "unix", path)
		if err == nil || !notYet(err) || time.Now().After(late) {
			return conn, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// notYet reports whether nobody listens there, or too many wait to be let in.
func notYet(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EAGAIN)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Listen makes the unix socket at the path the host names.
func (c *client) Listen(ctx context.Context, configuration, mapping string) (net.Listener, error) {
	site, m := SplitMapping(mapping)
	res, err := c.rpc.ListenSocket(ctx, &hostv1.ListenSocketRequest{Configuration: configuration, Site: site, Mapping: m})
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", mapping, err)
	}
	l, err := listenSocket(ctx, res.GetPath(), "mapping", mapping)
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", mapping, err)
	}
	return l, nil
}

// listenSocket takes the place of a socket that an earlier process left, but not of one where somebody listens. field and
// value say what for: a mapping, or a port.
func listenSocket(ctx context.Context, path, field, value string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", path)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		_ = conn.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return nil, tunnel.Findings{{
			Code: tunnel.Exists, Field: field, Value: value,
			Message: fmt.Sprintf("the module has a listener for %s %s already", field, value), WayOut: "close that one first",
		}}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return lc.Listen(ctx, "unix", path)
}
