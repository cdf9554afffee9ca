package control_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/host/control/controltest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Fifty edits in ten seconds make three connections, the last of them for the last edit.
func TestTypingMakesFewConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := control.NewTurns()
		var began []time.Duration
		var last, told int
		start := time.Now()
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				server := tunnel.Server{Host: []string{"office.example", "OFFICE.example"}[i%2], Port: 22, User: fmt.Sprint("u", i)}
				err := turns.Wait(t.Context(), server, func(left time.Duration) {
					mu.Lock()
					defer mu.Unlock()
					if told++; left <= 0 || left > control.CheckSpacing {
						t.Errorf("edit %d waits %s", i, left)
					}
				})
				mu.Lock()
				defer mu.Unlock()
				var e *control.Error
				switch {
				case err == nil:
					began, last = append(began, time.Since(start)), i
				case !errors.As(err, &e) || e.Code != "superseded":
					t.Error(err)
				}
			})
			time.Sleep(200 * time.Millisecond)
		}
		wg.Wait()
		if len(began) != 3 || began[1] != control.CheckSpacing || began[2] != 2*control.CheckSpacing || last != 49 || told < 40 {
			t.Errorf("connections at %v, the last for edit %d, %d were told to wait", began, last, told)
		}
	})
}

// Servers do not wait for each other, and those of long ago are forgotten, however many there were.
func TestTurnsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := control.NewTurns()
		at := func(i int) tunnel.Server {
			return tunnel.Server{Host: fmt.Sprintf("h%d.example", i), Port: 22, User: "u"}
		}
		wait := func(s tunnel.Server) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return turns.Wait(ctx, s, func(time.Duration) {})
		}
		for i := range control.MaxTurns {
			if err := wait(at(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := wait(at(control.MaxTurns)); err != nil { // the first of those that take turns together
			t.Error(err)
		}
		if err := wait(at(control.MaxTurns + 1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one too many: %v", err)
		}
		if n := turns.Known(); n > control.MaxTurns+1 {
			t.Errorf("%d servers are remembered", n)
		}
		time.Sleep(control.CheckSpacing)
		if err := wait(at(0)); err != nil || turns.Known() != 1 {
			t.Errorf("later: %v, %d servers are remembered", err, turns.Known())
		}
	})
}

// One server written in several ways is one server, as it is for its ports.
func TestTurnsAreOfTheServer(t *testing.T) {
	for first, again := range map[string]string{"office.example": "Office.Example.", "192.0.2.1": "::ffff:192.0.2.1", "2001:db8::1": "2001:DB8:0::1"} {
		synctest.Test(t, func(t *testing.T) {
			turns, waited := control.NewTurns(), false
			for _, host := range []string{first, again} {
				if err := turns.Wait(t.Context(), tunnel.Server{Host: host, Port: 22, User: "u"}, func(time.Duration) { waited = true }); err != nil {
					t.Error(err)
				}
			}
			if !waited {
				t.Errorf("%s and %s do not take turns", first, again)
			}
		})
	}
}

// A caller who no longer waits takes nobody's place.
func TestTurnOfWhoLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := control.NewTurns()
		s := tunnel.Server{Host: "h.example", Port: 22, User: "u"}
		ctx, cancel := context.WithCancel(t.Context())
		_ = turns.Wait(ctx, s, func(time.Duration) { t.Error("the first waits") })
		left := make(chan error)
		go func() { left <- turns.Wait(ctx, s, func(time.Duration) {}) }()
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		began := time.Now()
		if err := turns.Wait(t.Context(), s, func(time.Duration) {}); err != nil || time.Since(began) != control.CheckSpacing {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

// Fifty requests at once: two connections, and each of the others is told by name why it made none.
func TestCrowdOfChecks(t *testing.T) {
	f := controltest.New()
	f.CheckSpacing = control.CheckSpacing
	d := controltest.StartAt(t, filepath.Join(controltest.Dir(t), "s"), f)
	c := control.NewClient(d.Socket)
	t.Cleanup(c.Close)
	var connections, superseded, waited atomic.Int32
	d.Steps = []control.Step{{Name: "name", State: control.StepOK}}
	d.OnCheck = func(_ context.Context, r control.CheckRequest) {
		connections.Add(1)
		if r.Via.User != "u" || r.Credential.Via.Reveal() != "p" || r.LAN != "192.168.1.10" {
			t.Errorf("%+v", r)
		}
	}
	in := control.CheckInput{Server: "a@b", LoginInput: control.LoginInput{Login: "key"}, RouteInput: control.RouteInput{Via: "http://u@proxy:3128", ViaPassword: "p", LAN: "192.168.1.10"}}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	began := time.Now()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			out, err := c.Check(ctx, in, func(s control.Step) {
				if s.Name == control.StepTurn && s.State == control.StepRunning && strings.Contains(s.Message, "5s") {
					waited.Add(1)
				}
			})
			var e *control.Error
			switch {
			case err == nil:
				if !out.OK {
					t.Errorf("%+v", out)
				}
			case errors.As(err, &e) && e.Code == "superseded" && e.Status == 409 && e.Hint != "":
				superseded.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	most := 2 + int32(time.Since(began)/control.CheckSpacing)
	if n := connections.Load(); n < 1 || n > most || superseded.Load() != 50-n || waited.Load() < 50-n {
		t.Errorf("%d connections, %d superseded, %d waited", n, superseded.Load(), waited.Load())
	}
}
