package control

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// listActions lists the actions of all configurations, whether or not they run.
func (s *Server) listActions(w http.ResponseWriter, r *http.Request) error {
	s.lookBeside(w, r)
	all := []Action{}
	configurations, err := s.Operator.Configurations(r.Context())
	if err != nil {
		return err
	}
	for _, c := range configurations {
		if d, err := s.Operator.Description(r.Context(), c.Ref.Module); err == nil {
			all = append(all, actionsOf(c.Ref, d)...)
		}
	}
	return answer(w, http.StatusOK, all)
}

// postAction has a module do an action. It streams a "step" whenever one begins or is decided, "progress", and what came of
// it as "result" at the end. When its reader is gone, the action ends.
func (s *Server) postAction(w http.ResponseWriter, r *http.Request) error {
	ref, err := configurationRef(r)
	if err != nil {
		return err
	}
	var in ActionInput
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if fs := append(in.check(), checkWait(in.WaitSeconds)...); len(fs) > 0 {
		return fs
	}
	ask := Ask{Of: ref, Action: r.PathValue("action"), DryRun: in.DryRun, By: by(r), Patience: time.Duration(in.WaitSeconds) * time.Second}
	if ask.Arguments, err = s.arguments(r.Context(), ask, in.SettingsInput); err != nil {
		return err
	}
	return s.work(w, r, ask)
}

// arguments reads those of an action by its schema, as settings are read by theirs.
func (s *Server) arguments(ctx context.Context, ask Ask, in SettingsInput) (json.RawMessage, error) {
	if _, err := s.Operator.Configuration(ctx, ask.Of); err != nil {
		return nil, err
	}
	d, err := s.description(ctx, ask.Of.Module)
	if err != nil {
		return nil, err
	}
	a, ok := d.Action(ask.Action)
	if !ok {
		name := tunnel.Clean(ask.Action, 60)
		return nil, tunnel.Findings{{Code: tunnel.NotFound, Field: "action", Value: name,
			Message: "module " + string(ask.Of.Module) + " has no action " + name, WayOut: "culvert action list " + ask.Of.String() + " shows those there are"}}
	}
	doc := in.Settings
	if len(doc) == 0 {
		doc = json.RawMessage("{}")
	}
	doc, fs := s.applySettings(a.Arguments, doc, in)
	return doc, fs.Err()
}

// work does what is asked for, as a stream.
func (s *Server) work(w http.ResponseWriter, r *http.Request, ask Ask) error {
	return s.live(w, r, func(ctx context.Context, st *stream) error {
		steps := []Step{}
		result, err := s.Modules.Act(ctx, ask, func(report tunnel.ActReport) {
			if report.Progress != nil {
				_ = st.send("progress", progressOf(*report.Progress)) // a reader that is gone ends ctx
			}
			if report.Step != nil {
				step := stepOf(*report.Step)
				steps = addStep(steps, step)
				_ = st.send("step", step)
			}
		})
		if err != nil {
			return err
		}
		out := workResult(result)
		out.Steps = steps
		return st.send("result", out)
	})
}

func stepOf(s tunnel.TestStep) Step {
	return Step{Name: s.Name, State: string(s.Outcome), Message: s.Message, Remedy: s.Remedy, MS: s.Took.Milliseconds(), Diagnosis: DiagnosisOf(nil)}
}
