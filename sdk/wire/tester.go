package wire

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"

	pluginv1 "github.com/culvert-pbx/culvert/proto/plugin/v1"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func stepTo(s tunnel.TestStep) *pluginv1.TestResponse {
	return &pluginv1.TestResponse{
		Step: cut(s.Name, MaxText), Outcome: string(s.Outcome), Message: cut(s.Message, MaxText), Remedy: cut(s.Remedy, MaxText),
	}
}

func stepOf(m *pluginv1.TestResponse) tunnel.TestStep {
	return tunnel.TestStep{
		Name: clean(m.GetStep()), Outcome: tunnel.Outcome(clean(m.GetOutcome())), Message: clean(m.GetMessage()), Remedy: clean(m.GetRemedy()),
	}
}

// Test runs the module's test of one configuration, dir and settings being as in Run, and hands over each report of a step
// as the module makes it: bounded and escaped, but by no other rule. It returns when the test is over: nil where the
// module ended it, step's error where that is one, ErrGone where the process ended. When ctx ends it returns at once.
func (m *Module) Test(ctx context.Context, ref tunnel.ConfigurationRef, settings json.RawMessage, dir string, step func(tunnel.TestStep) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := m.rpc.Test(ctx, &pluginv1.TestRequest{Configuration: ref.Name, Settings: settings, Dir: dir})
	for err == nil {
		var res *pluginv1.TestResponse
		if res, err = s.Recv(); err != nil {
			break
		}
		if fs := bounds(res); len(fs) > 0 {
			return fs.In("step")
		}
		if err := step(stepOf(res)); err != nil {
			return err
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err = decode(err); errors.Is(err, context.Canceled) && ctx.Err() == nil {
		return ErrGone // go-plugin drops the connection of a process that ended
	}
	return err
}

// StopTest asks the module's test to end, and returns when it has, with the context's error when that takes longer than
// ctx. Where none is under way it returns at once.
func (m *Module) StopTest(ctx context.Context) error {
	_, err := m.rpc.Stop(ctx, &pluginv1.StopRequest{Configuration: underTest})
	return err
}

// Test runs the plugin's test; one at a time, for it is the operator's.
func (s *pluginServer) Test(req *pluginv1.TestRequest, out grpc.ServerStreamingServer[pluginv1.TestResponse]) error {
	t, ok := s.plugin.(Tester)
	if !ok {
		return encode(ErrNoTest)
	}
	s.awaitTest(out.Context())
	ctx, host, end, err := s.begin(out.Context(), underTest, "a test is under way already", "wait for its end")
	if err != nil {
		return encode(err)
	}
	defer end()
	return encode(t.Test(ctx, Run{
		Configuration: req.GetConfiguration(), Settings: req.GetSettings(), Dir: req.GetDir(),
		Log: s.log.With("configuration", req.GetConfiguration(), "test", true), Host: host, Granted: s.granted,
	}, func(step tunnel.TestStep) {
		_ = out.Send(stepTo(step)) // a host that is gone ends ctx
	}))
}

// testPatience is how long a test waits for one before it whose end was asked for and is not there yet.
const testPatience = 3 * time.Second

// awaitTest waits for the end of the test under way, if there is one.
func (s *pluginServer) awaitTest(ctx context.Context) {
	s.mu.Lock()
	r := s.runs[underTest]
	s.mu.Unlock()
	if r == nil {
		return
	}
	select {
	case <-r.done:
	case <-ctx.Done():
	case <-time.After(testPatience):
	}
}

// underTest is what a test is noted as among the runs; no configuration is called so.
const underTest = " test"
