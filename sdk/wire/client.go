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
	hostPID int // whose private sockets are the only ones that are dialled
}

var _ Host = (*client)(nil)

func newClient(c grpc.ClientConnInterface, hostPID int) *client {
	return &client{rpc: hostv1.NewHostServiceClient(caller{c}), hostPID: hostPID}
}

func (c *client) Declare(ctx context.Context, configuration string, set []tunnel.Declaration) error {
	_, err := c.rpc.Declare(ctx, &hostv1.DeclareRequest{Configuration: configuration, Declarations: declarationsTo(set)})
	return err
}

func (c *client) Get(ctx context.Context, ref tunnel.Ref) (tunnel.View, error) {
	res, err := c.rpc.Get(ctx, &hostv1.GetRequest{Ref: ref.String()})
	if err != nil {
		return tunnel.View{}, err
	}
	return viewOf(res.GetTunnel()), nil
}

// List has received the whole before it yields the first, so a slow loop body keeps nothing open.
func (c *client) List(ctx context.Context) iter.Seq2[tunnel.View, error] {
	return func(yield func(tunnel.View, error) bool) {
		views, err := c.list(ctx)
		if err != nil {
			yield(tunnel.View{}, err)
			return
		}
		for _, v := range views {
			if !yield(viewOf(v), nil) {
				return
			}
		}
	}
}

func (c *client) list(ctx context.Context) ([]*hostv1.View, error) {
	bounded, cancel := context.WithTimeoutCause(ctx, CallTimeout, errTimeout)
	defer cancel()
	s, err := c.rpc.List(bounded, &hostv1.ListRequest{Several: true})
	if err != nil {
		return nil, timedOut(ctx, bounded, err)
	}
	var views []*hostv1.View
	for {
		res, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return views, nil
		}
		if err != nil {
			return nil, timedOut(ctx, bounded, decode(err))
		}
		if res.GetTunnel() != nil { // of a host that answers so
			views = append(views, res.GetTunnel())
		}
		views = append(views, res.GetTunnels()...)
	}
}

func (c *client) Watch(ctx context.Context) iter.Seq2[tunnel.Change, error] {
	return func(yield func(tunnel.Change, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		s, err := c.rpc.Watch(ctx, &hostv1.WatchRequest{})
		for err == nil {
			var res *hostv1.WatchResponse
			if res, err = s.Recv(); err != nil {
				err = watchEnd(err)
			} else if !yield(changeOf(res), nil) {
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
