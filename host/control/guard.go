package control

import (
	"bufio"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// tokenHeader carries the token on every request.
const tokenHeader = "Culvert-Token"

// guard lets a request through to its handler when its peer is known, no module's process, and brings the token; it
// writes the error of whoever refuses.
func (s *Server) guard(r route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		allow(w)
		err := s.admit(req)
		if err == nil {
			err = r.handle(s, w, req)
		}
		if err != nil {
			s.refuse(w, req, problemOf(err))
			return
		}
		if r.access == changing {
			s.Log.Info("request", "by", by(req), "method", req.Method, "path", tunnel.Clean(req.URL.Path, 200))
		}
	})
}

// allow gives the reader of an answer writeTimeout from now on.
func allow(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout)) // the server's own writers can
}

// admit checks who calls, before anything of the request is looked at.
func (s *Server) admit(req *http.Request) error {
	p := peerFrom(req.Context())
	if p.limit != nil {
		return p.limit
	}
	if !p.ok {
		return &Error{Status: http.StatusForbidden, Code: codeRefused, Message: "the caller cannot be told from this connection",
			Hint: "use the unix socket of the daemon"}
	}
	if owner, is := s.IsModule(p.pid); is {
		return s.refuseModule(owner, req)
	}
	given := req.Header.Get(tokenHeader)
	if s.Token == "" || subtle.ConstantTimeCompare([]byte(given), []byte(s.Token)) != 1 {
		return badToken(given)
	}
	return nil
}

// refuseModule tells the journal that a module tried to act as the operator.
func (s *Server) refuseModule(owner tunnel.Owner, req *http.Request) error {
	what := req.Method + " " + tunnel.Clean(req.URL.Path, 120)
	message := fmt.Sprintf("module %s is not an operator: it asked the control API for %s", owner, what)
	now := time.Now()
	if due, silent := s.refusals.note(owner, now); due {
		s.Tell(tunnel.Event{Time: now, Type: tunnel.Refused, Actor: "module:" + string(owner), Subject: string(owner),
			Message: message + silent, Fields: map[string]string{"request": what}})
	}
	return &Error{Status: http.StatusForbidden, Code: codeRefused, Message: message,
		Hint: "a module declares tunnels over the SDK, under its own name"}
}

func badToken(given string) error {
	e := &Error{Status: http.StatusUnauthorized, Code: codeToken, Message: "the token of this daemon's present run is missing",
		Hint: "it is read from SOCKET.token beside the socket; be root or a member of the group that may read it (culvert)"}
	if given != "" {
		e.Message = "the token is not that of this daemon's present run"
		e.Hint = "it is new at each start: try again; if that does not help, --socket names another daemon's socket"
	}
	return e
}

// by is who asks, as registry and journal call it.
func by(r *http.Request) string { return peerFrom(r.Context()).actor() }

// refuse writes e. Whoever's fault is the daemon's own stands in its log too.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, e *Error) {
	if e.Code == codeCrowded {
		w.Header().Set("Connection", "close")
	} else if e.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		s.Log.Error("request failed", "method", r.Method, "path", tunnel.Clean(r.URL.Path, 200), "error", e.Message)
	}
	if e.Findings == nil {
		e.Findings = tunnel.Findings{}
	}
	_ = answer(w, e.Status, e)
}

// answer writes v as JSON. What goes wrong then only shows that the reader is gone, so it is no error of the request.
func answer(w http.ResponseWriter, status int, v any) error {
	beginAnswer(w, status)
	_ = json.NewEncoder(w).Encode(v)
	return nil
}

func beginAnswer(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
}

// answerList writes a long list as answer does, item by item: nothing holds all of it, and who asked reads the first while
// the others are made.
func answerList[T any](w http.ResponseWriter, all iter.Seq[T]) error {
	beginAnswer(w, http.StatusOK)
	out := bufio.NewWriterSize(w, 32<<10)
	enc, before := json.NewEncoder(out), "["
	var v T // one for all, not a copy for each
	for v = range all {
		_, _ = out.WriteString(before)
		if enc.Encode(&v) != nil {
			return nil
		}
		before = ","
	}
	if before == "[" {
		_, _ = out.WriteString(before)
	}
	_, _ = out.WriteString("]\n")
	_ = out.Flush()
	return nil
}
