package sdktest

import (
	"context"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// ModuleMetrics is empty: no other module runs in the world.
func (host) ModuleMetrics(ctx context.Context) ([]tunnel.ModuleMetrics, error) { return nil, ctx.Err() }

func (l *line) ModuleMetrics(ctx context.Context) (all []tunnel.ModuleMetrics, err error) {
	err = l.call(ctx, func(ctx context.Context) (err error) { all, err = l.host.ModuleMetrics(ctx); return })
	return all, err
}
