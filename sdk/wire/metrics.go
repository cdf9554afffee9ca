package wire

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	hostv1 "github.com/culvert-pbx/culvert/proto/host/v1"
	pluginv1 "github.com/culvert-pbx/culvert/proto/plugin/v1"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// ErrNoMetrics says that a module measures nothing.
var ErrNoMetrics = errors.New("the module measures nothing")

// Metrics asks the module what it measures, held to the rules of that.
func (m *Module) Metrics(ctx context.Context) ([]tunnel.MetricValues, error) {
	res, err := m.rpc.Metrics(ctx, &pluginv1.MetricsRequest{})
	if err != nil {
		return nil, err
	}
	if fs := bounds(res); len(fs) > 0 {
		return nil, fs.In("metrics")
	}
	all := each(res.GetMetrics(), func(m *pluginv1.Metric) tunnel.MetricValues {
		return tunnel.MetricValues{
			Metric: tunnel.Metric{Name: m.GetName(), Help: m.GetHelp(), Kind: tunnel.MetricKind(m.GetKind()), Labels: m.GetLabels()},
			Series: each(m.GetSeries(), func(s *pluginv1.Series) tunnel.Series {
				return tunnel.Series{Configuration: s.GetConfiguration(), Values: s.GetValues(), Value: s.GetValue()}
			}),
		}
	})
	return all, tunnel.CheckMetrics(all)
}

func (s *pluginServer) Metrics(context.Context, *pluginv1.MetricsRequest) (*pluginv1.MetricsResponse, error) {
	m, ok := s.plugin.(Measurer)
	if !ok {
		return nil, encode(ErrNoMetrics)
	}
	return &pluginv1.MetricsResponse{Metrics: each(m.Metrics(), func(m tunnel.MetricValues) *pluginv1.Metric {
		return &pluginv1.Metric{
			Name: m.Name, Help: m.Help, Kind: string(m.Kind), Labels: m.Labels,
			Series: each(m.Series, func(s tunnel.Series) *pluginv1.Series {
				return &pluginv1.Series{Configuration: s.Configuration, Values: s.Values, Value: s.Value}
			}),
		}
	})}, nil
}

// Metrics sends what every module measures, one after another.
func (s *hostServer) Metrics(_ *hostv1.MetricsRequest, out grpc.ServerStreamingServer[hostv1.MetricsResponse]) error {
	if s.h.Metrics == nil {
		return errors.ErrUnsupported
	}
	all, err := s.h.Metrics(out.Context())
	if err != nil {
		return err
	}
	for _, m := range all {
		if err := out.Send(moduleMetricsTo(m)); err != nil {
			return err
		}
	}
	return nil
}

func moduleMetricsTo(m tunnel.ModuleMetrics) *hostv1.MetricsResponse {
	return &hostv1.MetricsResponse{Module: string(m.Module), Ok: m.OK, Metrics: each(m.Metrics, func(m tunnel.MetricValues) *hostv1.Metric {
		return &hostv1.Metric{
			Name: m.Name, Help: m.Help, Kind: string(m.Kind), Labels: m.Labels,
			Series: each(m.Series, func(s tunnel.Series) *hostv1.Series {
				return &hostv1.Series{Configuration: s.Configuration, Values: s.Values, Value: s.Value}
			}),
		}
	})}
}

// ModuleMetrics has received the whole when it returns.
func (c *client) ModuleMetrics(ctx context.Context) ([]tunnel.ModuleMetrics, error) {
	bounded, cancel := context.WithTimeoutCause(ctx, CallTimeout, errTimeout)
	defer cancel()
	s, err := c.rpc.Metrics(bounded, &hostv1.MetricsRequest{})
	if err != nil {
		return nil, timedOut(ctx, bounded, err)
	}
	var all []tunnel.ModuleMetrics
	for {
		res, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, timedOut(ctx, bounded, decode(err))
		}
		all = append(all, moduleMetricsOf(res))
	}
}

func moduleMetricsOf(m *hostv1.MetricsResponse) tunnel.ModuleMetrics {
	return tunnel.ModuleMetrics{Module: tunnel.Owner(m.GetModule()), OK: m.GetOk(), Metrics: each(m.GetMetrics(), func(m *hostv1.Metric) tunnel.MetricValues {
		return tunnel.MetricValues{
			Metric: tunnel.Metric{Name: m.GetName(), Help: m.GetHelp(), Kind: tunnel.MetricKind(m.GetKind()), Labels: m.GetLabels()},
			Series: each(m.GetSeries(), func(s *hostv1.Series) tunnel.Series {
				return tunnel.Series{Configuration: s.GetConfiguration(), Values: s.GetValues(), Value: s.GetValue()}
			}),
		}
	})}
}
