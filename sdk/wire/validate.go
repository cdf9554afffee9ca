package wire

import (
	"context"
	"encoding/json"
	"errors"

	pluginv1 "github.com/culvert-pbx/culvert/proto/plugin/v1"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Validator is a Plugin that may judge settings by more than their schema; what it says of itself tells
// (tunnel.CapabilityValidator).
type Validator interface {
	// Validate is what is wrong with settings that fit the schema, whether or not they are stored. It is ErrNoValidator where
	// the module judges none.
	Validate(settings json.RawMessage) (tunnel.Findings, error)
}

// ErrNoValidator says that a module has nothing to say of settings beyond their schema.
var ErrNoValidator = errors.New("the module does not judge settings")

// Validate asks what is wrong with settings for a configuration, stored or not. What is said is bounded and escaped.
func (m *Module) Validate(ctx context.Context, ref tunnel.ConfigurationRef, settings json.RawMessage) (tunnel.Findings, error) {
	res, err := m.rpc.Validate(ctx, &pluginv1.ValidateRequest{Configuration: ref.Name, Settings: settings})
	if err != nil {
		return nil, err
	}
	if fs := bounds(res); len(fs) > 0 {
		return nil, fs.In("findings")
	}
	fs := findingsOf(res.GetFindings())
	for i, f := range fs {
		fs[i] = tunnel.Finding{Code: tunnel.Code(clean(string(f.Code))), Field: clean(f.Field), Value: tunnel.Clean(f.Value, 80), Message: clean(f.Message), WayOut: clean(f.WayOut)}
	}
	return fs, nil
}

func (s *pluginServer) Validate(_ context.Context, req *pluginv1.ValidateRequest) (*pluginv1.ValidateResponse, error) {
	v, ok := s.plugin.(Validator)
	if !ok {
		return nil, encode(ErrNoValidator)
	}
	fs, err := v.Validate(req.GetSettings())
	if err != nil {
		return nil, encode(err)
	}
	return &pluginv1.ValidateResponse{Findings: findingsTo(fs)}, nil
}
