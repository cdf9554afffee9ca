package pluginhost

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"github.com/culvert-pbx/culvert/sdk/wire"
)

// What a plugin may tell go-plugin's broker: nothing, for the host never dials through it. go-plugin keeps a goroutine
// for 5 s for every message, so they are taken slowly.
const (
	brokerStream = "/plugin.GRPCBroker/StartStream"
	brokerRate   = 10
	brokerBurst  = 100
)

// guardStreams wraps the streams that go-plugin opens to a process.
func guardStreams(ctx context.Context, d *grpc.StreamDesc, c *grpc.ClientConn, method string, open grpc.Streamer, o ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := open(ctx, d, c, method, o...)
	if err != nil || method != brokerStream {
		return s, err
	}
	return &slowStream{ClientStream: s, pace: wire.Pace{Rate: brokerRate, Burst: brokerBurst}}, nil
}

// slowStream receives no faster than its rate; the other end is held up by flow control.
type slowStream struct {
	grpc.ClientStream
	pace wire.Pace
}

// RecvMsg waits its turn, or until the stream ends.
func (s *slowStream) RecvMsg(m any) error {
	if wait := s.pace.Take(1); wait > 0 {
		select {
		case <-time.After(wait):
		case <-s.Context().Done():
		}
	}
	return s.ClientStream.RecvMsg(m)
}
