package control

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// warningHeader carries a warning beside an answer that has no place for it, in the escapes of a URL's path.
const warningHeader = "Culvert-Warning"

// look has the module host look at the plugin directory, so that a request is judged by what lies there now. Where that
// fails, what was seen last stays so and is good enough for most requests: then it is only a warning, and trouble is for
// the others.
func (s *Server) look(ctx context.Context) (warnings []string, trouble error) {
	err := s.Modules.Look(ctx)
	if err == nil {
		return nil, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	trouble = Refused(tunnel.BinaryUnsafe, "no binary can be started or accepted now: "+text(err), "mend the plugin directory and try again")
	return []string{"modules are taken as they were when last seen: " + text(err)}, trouble
}

// firstLookPatience is how long the status of a daemon that has just started waits to know which modules there are.
const firstLookPatience = 3 * time.Second

// awaitLook waits for that. Where it takes longer, the status says of each enabled configuration that it is not up. Its error
// is ctx's.
func (s *Server) awaitLook(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, firstLookPatience)
	defer cancel()
	_ = s.Modules.Looked(limited)
	return ctx.Err()
}

// lookBeside looks, and sends a warning along with whatever the answer is.
func (s *Server) lookBeside(w http.ResponseWriter, r *http.Request) {
	warnings, _ := s.look(r.Context())
	for _, warning := range warnings {
		w.Header().Add(warningHeader, url.PathEscape(warning))
	}
}

// warningsOf are the warnings beside an answer.
func warningsOf(resp *http.Response) (warnings []string) {
	for _, escaped := range resp.Header.Values(warningHeader) {
		if warning, err := url.PathUnescape(escaped); err == nil {
			warnings = append(warnings, warning)
		}
	}
	return warnings
}
