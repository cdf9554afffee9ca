package control

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// getEvents gives the journal, or with ?tunnel=OWNER/NAME what concerns that tunnel: JSON lines, with ?follow=1 a stream
// of "event" that goes on.
func (s *Server) getEvents(w http.ResponseWriter, r *http.Request) error {
	wanted := func(tunnel.Event) bool { return true }
	if text := r.URL.Query().Get("tunnel"); text != "" {
		ref, fs := tunnel.ParseRef(text)
		if len(fs) > 0 {
			return fs.At("tunnel")
		}
		wanted = concerns(ref)
	}
	read := s.Journal.Read
	if following(r) {
		read = s.Journal.Follow
	}
	return many(s, w, r, "event", func(ctx context.Context) iter.Seq2[Event, error] {
		return func(yield func(Event, error) bool) {
			for e, err := range read(ctx) {
				if (err != nil || wanted(e)) && !yield(eventOf(e), err) {
					return
				}
			}
		}
	})
}

// concerns reports whether an event's subject is ref or one of its mappings.
func concerns(ref tunnel.Ref) func(tunnel.Event) bool {
	name := ref.String()
	return func(e tunnel.Event) bool {
		return e.Subject == name || strings.HasPrefix(e.Subject, name+"/")
	}
}

func following(r *http.Request) bool { return r.URL.Query().Get("follow") == "1" }

// many answers with all that read yields: as JSON lines, or where the caller follows as a stream of events called name.
func many[T any](s *Server, w http.ResponseWriter, r *http.Request, name string, read func(context.Context) iter.Seq2[T, error]) error {
	if following(r) {
		return s.live(w, r, func(ctx context.Context, st *stream) error {
			for v, err := range read(ctx) {
				if err != nil {
					return err
				}
				if err := st.send(name, v); err != nil {
					return err
				}
			}
			return nil
		})
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	return writeLines(w, read(r.Context()))
}

// writeLines writes a line each. After the first line an error can only be shown by breaking the answer off.
func writeLines[T any](w http.ResponseWriter, all iter.Seq2[T, error]) error {
	begun, out := false, json.NewEncoder(w)
	for v, err := range all {
		if err == nil {
			allow(w)
			err = out.Encode(v)
		}
		if err != nil && !begun {
			return err
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		begun = true
	}
	return nil
}
