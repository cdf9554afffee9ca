// Package verify answers the PBX's question whether a password is right: POST /v1/auth/verify with a JSON object. It
// bounds what it takes, slows down whoever guesses, and neither logs nor keeps a password.
//
//	{"user": "alice", "password": "...", "source": "192.0.2.7"}
//
// source says where the login was tried, and may be left out. The answer is an object with ok, and with id and login that the
// user has in the PBX, or with a reason and a message: 200 where the password is right, 401 where it is not or the user may not log in, 429 after too many
// wrong ones, 503 where the directory could not be asked, so that the PBX knows to ask its own administrators' passwords
// alone, 400 and its like for what is no question.
package verify

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Path is where the question is asked.
const Path = "/v1/auth/verify"

// Limits of a question, and of those at a time.
const (
	maxBody      = 4 << 10
	maxUser      = 256
	maxPassword  = 1024
	maxSource    = 64
	maxAtOnce    = 16              // with the directory,
	maxQuestions = 80              // and with those that wait for that
	maxWaiting   = 128             // connections that have not asked yet
	askLimit     = 2 * time.Second // for the head of a question, and for the rest of it
	answerLimit  = 25 * time.Second
)

// Identity is whose password it was: the ID and the login of a user of the PBX.
type Identity struct{ ID, Login string }

// Refusal is the error of an Ask that got an answer: the user may not log in, for a reason in a word.
type Refusal struct{ Reason, Message string }

func (r *Refusal) Error() string { return r.Message }

// Ask asks the directory. Its errors are *Refusal, or mean that the directory could not be asked. It may be called
// concurrently.
type Ask func(ctx context.Context, user, password string) (Identity, error)

// Handler answers questions.
type Handler struct {
	ask         Ask
	told        func(result string)
	pace        *pace
	cache       *cache
	all, atOnce chan struct{} // a token for each question
}

// New makes a handler. told is called with the result of every question, in a word. remember is how long a right password
// is taken for right without asking again; 0: not at all.
func New(ask Ask, remember time.Duration, told func(result string)) *Handler {
	return &Handler{ask: ask, told: told, pace: newPace(), cache: newCache(remember),
		all: make(chan struct{}, maxQuestions), atOnce: make(chan struct{}, maxAtOnce)}
}

// question is what the PBX sends.
type question struct {
	User     string `json:"user"`
	Password string `json:"password"`
	Source   string `json:"source"`
}

// answer is what it gets.
type answer struct {
	OK      bool   `json:"ok"`
	ID      string `json:"id,omitempty"`
	Login   string `json:"login,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// Results beside the reasons of refusals.
const (
	right       = "ok"
	malformed   = "malformed"
	empty       = "empty-password"
	tooMany     = "too-many"
	unavailable = "unavailable"
)

// Serve answers whoever connects to l, one question a connection, until ctx ends.
func (h *Handler) Serve(ctx context.Context, l net.Listener, trouble *log.Logger) error {
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: askLimit, ReadTimeout: 2 * askLimit, WriteTimeout: answerLimit + 15*time.Second,
		MaxHeaderBytes: 8 << 10, ErrorLog: trouble, ConnContext: withGuest,
	}
	s.SetKeepAlivesEnabled(false)
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(&crowd{Listener: l}); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return ctx.Err()
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != Path:
		http.NotFound(w, r)
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "ask by POST", http.StatusMethodNotAllowed)
	case !fromThisMachine(r):
		http.Error(w, "this is no page for a browser", http.StatusForbidden)
	default:
		h.verify(w, r)
	}
}

// fromThisMachine refuses what a page of somebody else's can make a browser send: another Host, or a form.
func fromThisMachine(r *http.Request) bool {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return (host == "localhost" || host == "127.0.0.1") && err == nil && kind == "application/json" && r.Header.Get("Origin") == ""
}

func (h *Handler) verify(w http.ResponseWriter, r *http.Request) {
	line := http.NewResponseController(w)
	_ = line.SetReadDeadline(time.Now().Add(askLimit)) // a recorder of a test has none
	q, err := read(http.MaxBytesReader(w, r.Body, maxBody))
	_ = line.SetReadDeadline(time.Time{}) // the answer may take longer
	asked(r.Context())
	id, known := h.cache.find(q.User, q.Password)
	switch {
	case err != nil:
		h.answer(w, http.StatusBadRequest, malformed, answer{Message: err.Error()})
	case q.Password == "":
		h.answer(w, http.StatusUnauthorized, empty, answer{Message: "the password is empty"})
	case known:
		h.answer(w, http.StatusOK, right, answer{OK: true, ID: id.ID, Login: id.Login})
	default:
		h.paced(w, r, q)
	}
}

// paced asks the directory, unless there were too many wrong passwords.
func (h *Handler) paced(w http.ResponseWriter, r *http.Request, q question) {
	keys := []string{"user " + fold(q.User) + "\x00" + q.Source, "user " + fold(q.User), "source " + q.Source}
	if wait := h.pace.take(keys...); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
		h.answer(w, http.StatusTooManyRequests, tooMany, answer{Message: "too many wrong passwords: try again later"})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerLimit)
	defer cancel()
	id, err := h.consult(ctx, q)
	var no *Refusal
	switch {
	case err == nil:
		h.pace.giveBack(keys...)
		h.cache.put(q.User, q.Password, id)
		h.answer(w, http.StatusOK, right, answer{OK: true, ID: id.ID, Login: id.Login})
	case errors.As(err, &no):
		h.answer(w, http.StatusUnauthorized, no.Reason, answer{Message: no.Message})
	default:
		h.pace.giveBack(keys...)
		h.answer(w, http.StatusServiceUnavailable, unavailable, answer{Message: "the directory could not be asked"})
	}
}

// consult asks the directory when not too many others do.
func (h *Handler) consult(ctx context.Context, q question) (Identity, error) {
	select {
	case h.all <- struct{}{}:
		defer func() { <-h.all }()
	default:
		return Identity{}, errors.New("too many ask at once")
	}
	select {
	case h.atOnce <- struct{}{}:
		defer func() { <-h.atOnce }()
		return h.ask(ctx, q.User, q.Password)
	case <-ctx.Done():
		return Identity{}, ctx.Err()
	}
}

func (h *Handler) answer(w http.ResponseWriter, code int, result string, a answer) {
	h.told(result)
	if !a.OK {
		a.Reason = result
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(a) // who asked may be gone
}

// read reads a question. Errors never repeat what was sent: it may be a password in the wrong place.
func read(body io.Reader) (q question, err error) {
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if d.Decode(&q) != nil || d.More() {
		return q, errors.New("send one JSON object with user, password and source")
	}
	switch {
	case q.User == "" || len(q.User) > maxUser:
		return q, errors.New("user is missing or too long")
	case len(q.Password) > maxPassword, len(q.Source) > maxSource:
		return q, errors.New("password or source is too long")
	}
	return q, nil
}

// fold makes one of all the ways to write a login that a directory takes for the same: it looks at neither case nor width,
// spaces, accents or what cannot be seen (RFC 4518 §2). Two users of whom it makes one are counted together.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsNumber(r) || strings.ContainsRune("._@+-", r) {
			return r
		}
		return -1
	}, norm.NFKD.String(strings.ToLower(norm.NFKD.String(s))))
}
