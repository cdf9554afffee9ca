package control

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Live takes what an action or job says while it is under way; either may be nil.
type Live struct {
	Step     func(Step)
	Progress func(Progress)
}

// Actions lists the actions of all configurations.
func (c *Client) Actions(ctx context.Context) ([]Action, error) {
	return get[[]Action](ctx, c, "/v1/actions")
}

// RunAction has a module do an action, hands over what it says, and returns what came of it. When ctx ends, so does the
// action.
func (c *Client) RunAction(ctx context.Context, ref tunnel.ConfigurationRef, action string, in ActionInput, live Live) (Result, error) {
	return c.work(ctx, configurationPath(ref)+"/actions/"+url.PathEscape(action), in, live)
}

// Jobs lists the jobs of all configurations.
func (c *Client) Jobs(ctx context.Context) ([]Job, error) {
	return get[[]Job](ctx, c, "/v1/jobs")
}

// RunJob has a job run now. When ctx ends, the run goes on.
func (c *Client) RunJob(ctx context.Context, ref tunnel.ConfigurationRef, job string, in JobInput, live Live) (Result, error) {
	return c.work(ctx, configurationPath(ref)+"/jobs/"+url.PathEscape(job), in, live)
}

func (c *Client) work(ctx context.Context, path string, in any, live Live) (Result, error) {
	for m, err := range c.events(ctx, http.MethodPost, path, in) {
		if err != nil {
			return Result{}, err
		}
		var out Result
		switch m.name {
		case "result":
			return out, m.as(&out)
		case "progress":
			err = hand(m, live.Progress)
		case "step", "error":
			err = hand(m, live.Step)
		}
		if err != nil {
			return Result{}, err
		}
	}
	return Result{}, io.ErrUnexpectedEOF
}

// hand gives what a message holds to who takes it.
func hand[T any](m message, to func(T)) error {
	var v T
	err := m.as(&v)
	if err == nil && to != nil {
		to(v)
	}
	return err
}
