package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// writeTimeout is how long a reader of a stream may leave its buffer full.
const writeTimeout = 15 * time.Second

// stream writes server-sent events: `event: NAME` and one line of JSON. A comment every heartbeat shows both ends
// that the other lives. Safe for concurrent use.
type stream struct {
	mu  sync.Mutex
	w   http.ResponseWriter
	ctl *http.ResponseController
}

// live turns the answer into a stream for as long as f runs. f's context ends when the reader is gone or the daemon
// stops; its error becomes the stream's last event, "error", unless that context ended.
func (s *Server) live(w http.ResponseWriter, r *http.Request, f func(context.Context, *stream) error) error {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	st := &stream{w: w, ctl: http.NewResponseController(w)}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	if err := st.begin(); err != nil {
		return nil
	}
	var wg sync.WaitGroup
	wg.Go(func() { s.beat(ctx, cancel, st) })
	err := f(ctx, st)
	if err != nil && ctx.Err() == nil {
		e := problemOf(err)
		_ = st.send("error", streamError{e, e.Status})
	}
	cancel()
	wg.Wait()
	return nil
}

// streamError is an Error that comes too late to be the answer's status.
type streamError struct {
	*Error
	Status int `json:"status"`
}

// beat keeps st alive and ends ctx when the daemon stops or nobody reads.
func (s *Server) beat(ctx context.Context, cancel context.CancelFunc, st *stream) {
	defer cancel()
	tick := time.NewTicker(s.heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.closing:
			return
		case <-tick.C:
			if st.write(": alive\n\n") != nil {
				return
			}
		}
	}
}

func (st *stream) begin() error {
	if err := st.ctl.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	st.w.WriteHeader(http.StatusOK)
	return st.write(": begin\n\n")
}

// send writes one event.
func (st *stream) send(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return st.write(fmt.Sprintf("event: %s\ndata: %s\n\n", name, b))
}

func (st *stream) write(text string) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if err := st.ctl.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if _, err := st.w.Write([]byte(text)); err != nil {
		return err
	}
	return st.ctl.Flush()
}
