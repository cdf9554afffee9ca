package control

import (
	"context"
	"net/http"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// CheckInput is what a connection test tries; nothing of it is stored.
type CheckInput struct {
	Server string `json:"server"`
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
	r.Fingerprint, more = parseFingerprint(in.Fingerprint)
	fs = append(fs, more...)
	r.Mappings, more = parseMappings(in.Mappings, "mappings")
	tunnel.NameMappings(r.Mappings)
	return r, append(fs, more...)
}

// tried makes the remedies for a tunnel ones for a connection that is only tried: there is no tunnel to change, but what
// is tried can be given otherwise.
var tried = strings.NewReplacer(
	"culvert tunnel accept-key OWNER/NAME", "give its fingerprint with --fingerprint",
	"culvert tunnel secret OWNER/NAME --password-stdin", "--password-stdin",
	"culvert tunnel set OWNER/NAME --key host", "--key host",
)

// postCheck streams a "step" whenever one begins or is decided, and the whole as "check" at the end.
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
		fingerprint, err := s.Links.Check(ctx, req, func(step Step) {
			step.Remedy = tried.Replace(step.Remedy)
			out.add(step)
			_ = st.send("step", step) // a reader that is gone ends ctx
		})
		if err != nil {
			return err
		}
		out.Fingerprint = fingerprint
		out.decide()
		return st.send("check", out)
	})
}
