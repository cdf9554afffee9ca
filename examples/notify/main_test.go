package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/culvert-pbx/culvert/sdk/sdktest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	sdktest.Conformance(t, notify{}, sdktest.Strict(), sdktest.VirtualTime(), // nobody is there, which is soon known
		sdktest.Settings(`{"url":"http://127.0.0.1:9/T0KEN","authorization":"Bearer T0KEN","after":1}`))
}

// webhook is who is called: a real server on loopback.
type webhook struct {
	*httptest.Server
	mu     sync.Mutex
	status int // of its answers, 204 where 0
	got    []event
	auth   string
}

func newWebhook(t *testing.T) *webhook {
	h := &webhook{}
	h.Server = httptest.NewServer(http.HandlerFunc(h.serve))
	t.Cleanup(h.Close)
	return h
}

func (h *webhook) serve(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var e event
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil || r.Method != http.MethodPost {
		h.status = http.StatusBadRequest
	}
	h.got, h.auth = append(h.got, e), r.Header.Get("Authorization")
	w.WriteHeader(max(h.status, http.StatusNoContent))
}

// answer has it answer with status from now on.
func (h *webhook) answer(status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = status
}

// calls are those since it was last asked, as "down operator/office waiting".
func (h *webhook) calls() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []string
	for _, e := range h.got {
		all = append(all, fmt.Sprintf("%s %s %s", e.Event, e.Tunnel, e.State))
	}
	h.got = nil
	return strings.Join(all, ", ")
}

var office = tunnel.Ref{Owner: tunnel.Operator, Name: "office"}

// play runs the module in virtual time, with a tunnel that is up. The webhook stands outside: what is real holds time up
// until it has answered.
func play(t *testing.T, story func(t *testing.T, w *sdktest.World, h *webhook)) {
	h := newWebhook(t)
	synctest.Test(t, func(t *testing.T) {
		w := sdktest.Run(t, notify{}, `{"url":"`+h.URL+`/T0KEN","authorization":"Bearer T0KEN"}`)
		server, _ := tunnel.ParseServer("tunnel@site.example.org")
		if err := w.AddTunnel(tunnel.Tunnel{Ref: office, Server: server}); err != nil {
			t.Fatal(err)
		}
		w.Report(office, tunnel.Status{State: tunnel.Up})
		synctest.Wait()
		story(t, w, h)
		if err := w.Stop(); err != nil {
			t.Error(err)
		}
		if strings.Contains(w.Log(), "T0KEN") {
			t.Errorf("the log holds the secret:\n%s", w.Log())
		}
	})
}

func lost(w *sdktest.World) {
	w.Report(office, tunnel.Status{State: tunnel.Waiting, Reason: tunnel.LinkLost, Message: "the link is gone"})
}

// after lets time pass and expects these calls meanwhile.
func after(t *testing.T, d time.Duration, h *webhook, want string) {
	t.Helper()
	time.Sleep(d)
	synctest.Wait()
	if got := h.calls(); got != want {
		t.Errorf("after %v it is told %q, want %q", d, got, want)
	}
}

func TestAnOutageIsToldOnceAndItsEndToo(t *testing.T) {
	play(t, func(t *testing.T, w *sdktest.World, h *webhook) {
		lost(w)
		after(t, 59*time.Second, h, "")
		after(t, 2*time.Second, h, "down operator/office waiting")
		if h.auth != "Bearer T0KEN" {
			t.Errorf("it is called with %q", h.auth)
		}
		w.Report(office, tunnel.Status{State: tunnel.Connecting, Reason: tunnel.LinkLost}) // still the same outage
		lost(w)
		after(t, time.Hour, h, "")
		w.Report(office, tunnel.Status{State: tunnel.Up})
		after(t, time.Second, h, "back operator/office up")
	})
}

func TestAShortOutageIsNotTold(t *testing.T) {
	play(t, func(t *testing.T, w *sdktest.World, h *webhook) {
		lost(w)
		after(t, 59*time.Second, h, "")
		w.Report(office, tunnel.Status{State: tunnel.Up})
		after(t, time.Hour, h, "")
	})
}

func TestARestartTellsNothingTwice(t *testing.T) {
	play(t, func(t *testing.T, w *sdktest.World, h *webhook) {
		lost(w)
		time.Sleep(40 * time.Second)
		_ = w.RestartHost() // the 60 s go on
		after(t, 19*time.Second, h, "")
		after(t, 2*time.Second, h, "down operator/office waiting")
		_ = w.Restart()
		w.FallBehind()
		after(t, time.Hour, h, "")
		_ = w.Disable()
		if err := w.RemoveTunnel(office); err != nil {
			t.Fatal(err)
		}
		w.Enable()
		after(t, time.Second, h, "back operator/office removed") // though nobody looked when it went
	})
}

func TestAWebhookThatFailsIsCalledAgain(t *testing.T) {
	play(t, func(t *testing.T, w *sdktest.World, h *webhook) {
		h.answer(http.StatusServiceUnavailable)
		lost(w)
		const down = "down operator/office waiting"
		after(t, 60*time.Second+500*time.Millisecond, h, down)
		after(t, time.Second, h, down) // 1 s after the first
		after(t, time.Second, h, "")   // 2 s after that
		after(t, time.Second, h, down) //
		w.Report(office, tunnel.Status{State: tunnel.Up})
		h.answer(0)
		_ = w.Restart() // the queue is kept, in its order
		after(t, time.Second, h, down+", back operator/office up")
		h.Close() // nobody is there any more
		lost(w)
		after(t, 2*time.Minute, h, "")
		if !strings.Contains(w.Log(), "connection refused") {
			t.Errorf("the log does not say why:\n%s", w.Log())
		}
	})
}

func TestWhatCountsAsDown(t *testing.T) {
	m := &memory{in: instance(t)}
	for s, want := range map[tunnel.State]bool{
		tunnel.Up: false, tunnel.Disabled: false, tunnel.Inactive: false, tunnel.Connecting: true,
		tunnel.Waiting: true, tunnel.Blocked: true, tunnel.Degraded: false,
	} {
		if m.down(s) != want {
			t.Errorf("%s counts as down: %v", s, !want)
		}
	}
	m.in.Settings.Degraded = true
	if !m.down(tunnel.Degraded) {
		t.Error("degraded does not count, though it is set so")
	}
}

func TestTheQueueIsBounded(t *testing.T) {
	m := &memory{in: instance(t)}
	for i := range 3 * maxQueue {
		m.enqueue("down", event{Tunnel: fmt.Sprint(i)}, time.Now(), time.Now())
	}
	if len(m.Queue) != maxQueue || m.Queue[maxQueue-1].Tunnel != fmt.Sprint(3*maxQueue-1) {
		t.Errorf("%d wait, the last is of %s", len(m.Queue), m.Queue[len(m.Queue)-1].Tunnel)
	}
}

func TestADamagedFileIsBegunAnew(t *testing.T) {
	in := instance(t)
	m := &memory{in: in}
	if err := os.WriteFile(m.path(), []byte(`{"queue":[{"event"`), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := open(in)
	if err != nil || got.Down == nil || len(got.Queue) != 0 {
		t.Errorf("it begins with %+v, %v", got, err)
	}
}
