package control

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// CheckInput is what a connection test tries; nothing of it is stored.
type CheckInput struct {
	Server string `json:"server"`
	RouteInput
	LoginInput
	Fingerprint string         `json:"fingerprint,omitempty"`
	Mappings    []MappingInput `json:"mappings,omitempty"`
}

// request reads the input; findings name its fields.
func (in CheckInput) request() (CheckRequest, tunnel.Findings) {
	var r CheckRequest
	var fs, more tunnel.Findings
	r.Server, more = tunnel.ParseServer(in.Server)
	fs = append(fs, more.At("server")...)
	r.Credential, more = in.credential()
	fs = append(fs, more...)
	r.Via, r.LAN, r.Credential.Via, more = in.route()
	fs = append(fs, more...)
	r.Fingerprint, more = parseFingerprint(in.Fingerprint)
	fs = append(fs, more...)
	r.Mappings, more = parseMappings(in.Mappings, "mappings")
	tunnel.NameMappings(r.Mappings)
	return r, append(fs, more...)
}

// tried makes the remedies for a tunnel ones for a connection that is only tried: there is no tunnel to change, but what
// is tried can be given otherwise.
var tried = strings.NewReplacer(
	"; if the server shows the expected key again: culvert tunnel restart OWNER/NAME", "",
	"culvert tunnel accept-key OWNER/NAME --fingerprint", "give --fingerprint",
	"culvert tunnel accept-key OWNER/NAME", "give its fingerprint with --fingerprint",
	"culvert tunnel secret OWNER/NAME --password-stdin", "--password-stdin",
	"culvert tunnel set OWNER/NAME --key host", "--key host",
	"culvert tunnel set OWNER/NAME --via", "--via",
	"culvert key show OWNER/NAME", "culvert key show",
)

// postCheck streams a "step" whenever one begins or is decided, and the whole as "check" at the end. Its turn comes first.
func (s *Server) postCheck(w http.ResponseWriter, r *http.Request) error {
	var in CheckInput
	if err := decode(w, r, &in); err != nil {
		return err
	}
	req, fs := in.request()
	if fs = append(fs, s.checkKey(req.Credential)...); len(fs) > 0 {
		return fs
	}
	return s.live(w, r, func(ctx context.Context, st *stream) error {
		out := Check{Steps: []Step{}}
		report := func(step Step) {
			step.Remedy = tried.Replace(step.Remedy)
			step.Diagnosis = step.Diagnosis.tried()
			out.Steps = addStep(out.Steps, step)
			_ = st.send("step", step) // a reader that is gone ends ctx
		}
		if err := s.turn(ctx, req.Server, report); err != nil {
			return err
		}
		fingerprint, err := s.Links.Check(ctx, req, report)
		if err != nil {
			return err
		}
		out.Fingerprint = fingerprint
		out.decide()
		return st.send("check", out)
	})
}

// turn waits until a check may connect to server; where that is not at once it is a step of its own.
func (s *Server) turn(ctx context.Context, server tunnel.Server, report func(Step)) error {
	began, waited := time.Now(), false
	err := s.turns.wait(ctx, server, func(left time.Duration) {
		waited = true
		report(Step{Name: StepTurn, State: StepRunning, Message: fmt.Sprintf("it begins in %s: the server was tried a moment ago, and that is done once in %s",
			left.Round(100*time.Millisecond), s.turns.spacing)})
	})
	if err == nil && waited {
		report(Step{Name: StepTurn, State: StepOK, MS: time.Since(began).Milliseconds()})
	}
	return err
}

// tried is d for a connection that is only tried: there is no tunnel that a line could change. It is never without its
// lists.
func (d Diagnosis) tried() Diagnosis {
	d.Evidence = append([]string{}, d.Evidence...)
	fixes := []Fix{}
	for _, f := range d.Fixes {
		if !strings.HasPrefix(f.Line, "culvert tunnel ") {
			fixes = append(fixes, Fix{Where: f.Where, Line: tried.Replace(f.Line)})
		}
	}
	d.Fixes = fixes
	return d
}
