package wire

import (
	"context"
	"errors"
	"io"
	"iter"

	"google.golang.org/grpc"

	hostv1 "github.com/culvert-pbx/culvert/proto/host/v1"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// client is a module's end of its connection to the host.
type client struct {
	rpc     hostv1.HostServiceClient
	conn    caller // beneath it
	hostPID int    // whose private sockets are the only ones that are dialled
}

var _ Host = (*client)(nil)

func newClient(c grpc.ClientConnInterface, hostPID int) *client {
	conn := caller{c}
	return &client{rpc: hostv1.NewHostServiceClient(conn), conn: conn, hostPID: hostPID}
}

func (c *client) Declare(ctx context.Context, configuration string, set []tunnel.Declaration) error {
	_, err := c.rpc.Declare(ctx, &hostv1.DeclareRequest{Configuration: configuration, Declarations: declarationsTo(set)})
	return err
}

func (c *client) Get(ctx context.Context, ref tunnel.Ref) (tunnel.View, error) {
	var res received
	err := c.conn.Invoke(ctx, hostv1.HostService_Get_FullMethodName, &hostv1.GetRequest{Ref: ref.String()}, &res, asReceived)
	if err != nil {
		return tunnel.View{}, err
	}
	views, err := res.views()
	if err != nil || len(views) == 0 {
		return tunnel.View{}, err
	}
	return readView(views[0])
}

// List has received the whole before it yields the first, so a slow loop body keeps nothing open.
func (c *client) List(ctx context.Context) iter.Seq2[tunnel.View, error] {
	return func(yield func(tunnel.View, error) bool) {
		views, err := c.list(ctx)
		if err != nil {
			yield(tunnel.View{}, err)
			return
		}
		for _, data := range views {
			v, err := readView(data)
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// list returns the tunnels unread: whoever reads one after another needs room for one at a time.
func (c *client) list(ctx context.Context) (views [][]byte, err error) {
	bounded, cancel := context.WithTimeoutCause(ctx, CallTimeout, errTimeout)
	defer cancel()
	s, err := c.rpc.List(bounded, &hostv1.ListRequest{Several: true}, asReceived)
	if err != nil {
		return nil, timedOut(ctx, bounded, err)
	}
	for {
		var res received
		err := s.RecvMsg(&res)
		if errors.Is(err, io.EOF) {
			return views, nil
		}
		if err != nil {
			return nil, timedOut(ctx, bounded, decode(err))
		}
		some, err := res.views()
		if err != nil {
			return nil, err
		}
		views = append(views, some...)
	}
}

func (c *client) Watch(ctx context.Context) iter.Seq2[tunnel.Change, error] {
	return func(yield func(tunnel.Change, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		s, err := c.rpc.Watch(ctx, &hostv1.WatchRequest{}, asReceived)
		for err == nil {
			var res received
			var change tunnel.Change
			if err = s.RecvMsg(&res); err != nil {
				err = watchEnd(err)
			} else if change, err = res.change(); err == nil && !yield(change, nil) {
				return
			}
		}
		yield(tunnel.Change{}, err)
	}
}

// watchEnd is why a watch ended. One that the host ends without an error has no more to tell: its registry is closed.
func watchEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return ErrGone
	}
	return decode(err)
}
