package control

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// postTest has the module test a configuration as it is stored or, where the input names settings, as these would make it;
// nothing is stored. It streams a "step" whenever one begins or is decided, and the whole as "test" at the end.
func (s *Server) postTest(w http.ResponseWriter, r *http.Request) error {
	ref, err := configurationRef(r)
	if err != nil {
		return err
	}
	var in SettingsInput
	if err := decode(w, r, &in); err != nil {
		return err
	}
	doc, err := s.trialSettings(r.Context(), ref, in)
	if err != nil {
		return err
	}
	return s.live(w, r, func(ctx context.Context, st *stream) error {
		out := Test{Steps: []Step{}}
		err := s.Modules.Test(ctx, ref, doc, func(step Step) {
			out.Steps = addStep(out.Steps, step)
			_ = st.send("step", step) // a reader that is gone ends ctx
		})
		if err != nil {
			return err
		}
		out.decide()
		return st.send("test", out)
	})
}

// trialSettings is what the input makes of the stored settings, nil where it changes nothing.
func (s *Server) trialSettings(ctx context.Context, ref tunnel.ConfigurationRef, in SettingsInput) (json.RawMessage, error) {
	if fs := in.check(); len(fs) > 0 {
		return nil, fs
	}
	c, err := s.Operator.Configuration(ctx, ref)
	if err != nil {
		return nil, err
	}
	if in.Settings == nil && len(in.Set)+len(in.Unset) == 0 {
		_, err := s.look(ctx)
		return nil, err
	}
	doc, _, err := s.settings(ctx, ref.Module, c.Settings, in)
	return doc, err
}
