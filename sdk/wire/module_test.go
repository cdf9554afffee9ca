package wire

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestDescriptionArrives(t *testing.T) {
	want := tunnel.Description{
		Name: "adsync", Version: "1.2.0",
		Slots: []tunnel.Slot{
			{Name: "dc1-ldaps", Title: "Domain controller", Kinds: []tunnel.Kind{tunnel.Reach, tunnel.ReachGateway}, Spec: ":636", On: true},
			{Name: "dc2-ldaps", Kinds: []tunnel.Kind{tunnel.Reach}, Spec: ":636"},
		},
		Policy: tunnel.Policy{Any: true, Kinds: []tunnel.Kind{tunnel.Expose}},
		Grants: []tunnel.Grant{"network", "dial 5038"},
		Schema: json.RawMessage(`{"type":"object"}`),
	}
	got, err := moduleOf(t, scripted{description: want}).Describe(t.Context())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("it is %+v, %v", got, err)
	}
}

func TestDescriptionIsBoundedAndEscaped(t *testing.T) {
	d := tunnel.Description{Name: "a\x1b[2J", Slots: []tunnel.Slot{{Title: "\u202ereversed"}}}
	got, err := moduleOf(t, scripted{description: d}).Describe(t.Context())
	if err != nil || got.Name != `a\x1b[2J` || got.Slots[0].Title != `\u202ereversed` {
		t.Errorf("it is %q %q, %v", got.Name, got.Slots[0].Title, err)
	}
	for _, d := range []tunnel.Description{
		{Version: strings.Repeat("1", MaxText+1)},
		{Schema: json.RawMessage(strings.Repeat("x", MaxSchema+1))},
		{Slots: make([]tunnel.Slot, MaxList+1)},
	} {
		if _, err := moduleOf(t, scripted{description: d}).Describe(t.Context()); len(findingsIn(err)) != 1 {
			t.Errorf("it is answered with %v", err)
		}
	}
}

func TestRunGetsWhatItWasGiven(t *testing.T) {
	var got Run
	m := connected(t, scriptedRun(func(_ context.Context, r Run) error { got = r; return nil }), adsync(nil))
	if err := m.Run(t.Context(), config("berlin"), json.RawMessage(`{"base":"dc=corp"}`), "/var/lib/culvert/modules/adsync/berlin"); err != nil {
		t.Fatal(err)
	}
	if got.Configuration != "berlin" || string(got.Settings) != `{"base":"dc=corp"}` ||
		got.Dir != "/var/lib/culvert/modules/adsync/berlin" || got.Host == nil || got.Log == nil {
		t.Errorf("the run got %+v", got)
	}
}

// blocking is a module whose runs last until their context ends and then take some time to clean up.
type blocking struct {
	began   chan string
	cleanUp time.Duration
	cleaned atomic.Int32
}

func newBlocking(cleanUp time.Duration) *blocking {
	return &blocking{began: make(chan string, 10), cleanUp: cleanUp}
}

func (b *blocking) Describe() (tunnel.Description, error) {
	return tunnel.Description{Name: "adsync"}, nil
}

func (b *blocking) Run(ctx context.Context, r Run) error {
	b.began <- r.Configuration
	<-ctx.Done()
	time.Sleep(b.cleanUp)
	b.cleaned.Add(1)
	return ctx.Err()
}

// start begins a run and returns where its end arrives.
func start(ctx context.Context, m *Module, b *blocking, name string) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx, config(name), nil, "") }()
	<-b.began
	return ended
}

func TestStopWaitsForTheCleanUp(t *testing.T) {
	b := newBlocking(50 * time.Millisecond)
	m := connected(t, b, adsync(nil))
	ended := start(t.Context(), m, b, "berlin")
	other := start(t.Context(), m, b, "rome")
	if err := m.Stop(t.Context(), config("berlin")); err != nil {
		t.Fatal(err)
	}
	if b.cleaned.Load() != 1 {
		t.Error("Stop returned before the run had cleaned up, or ended another")
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the run ended with %v", err)
	}
	if err := m.Stop(t.Context(), config("rome")); err != nil {
		t.Fatal(err)
	}
	<-other
}

func TestStopGivesUpWithItsContext(t *testing.T) {
	b := newBlocking(200 * time.Millisecond)
	m := connected(t, b, adsync(nil))
	ended := start(t.Context(), m, b, "berlin")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := m.Stop(ctx, config("berlin")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Stop returned %v", err)
	}
	<-ended
}

func TestStopOfWhatDoesNotRun(t *testing.T) {
	m := connected(t, newBlocking(0), adsync(nil))
	if err := m.Stop(t.Context(), config("berlin")); err != nil {
		t.Error(err)
	}
}

func TestAConfigurationRunsOnce(t *testing.T) {
	b := newBlocking(0)
	m := connected(t, b, adsync(nil))
	ended := start(t.Context(), m, b, "berlin")
	if err := m.Run(t.Context(), config("berlin"), nil, ""); !errors.Is(err, tunnel.ErrExists) {
		t.Errorf("the second run is answered with %v", err)
	}
	if err := m.Stop(t.Context(), config("berlin")); err != nil {
		t.Error(err)
	}
	<-ended
	again := start(t.Context(), m, b, "berlin")
	_ = m.Stop(t.Context(), config("berlin"))
	<-again
}

func TestEndingTheContextOfRunEndsTheRun(t *testing.T) {
	b := newBlocking(0)
	m := connected(t, b, adsync(nil))
	ctx, cancel := context.WithCancel(t.Context())
	ended := start(ctx, m, b, "berlin")
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v", err)
	}
	for b.cleaned.Load() == 0 {
		time.Sleep(time.Millisecond) // the test's deadline ends this where the run does not
	}
}

func TestNothingRunsBeforeConnect(t *testing.T) {
	m := moduleOf(t, newBlocking(0))
	if err := m.Run(t.Context(), config("berlin"), nil, ""); err == nil {
		t.Error("a run without a host began")
	}
}

func TestConnectIsForOnce(t *testing.T) {
	m := connected(t, newBlocking(0), adsync(nil))
	if err := m.Connect(t.Context(), adsync(nil)); err == nil {
		t.Error("the module was connected twice")
	}
}

func TestMessagesAreLimitedEitherWay(t *testing.T) {
	big := strings.Repeat("x", 5<<20)
	var fromModule error
	m := connected(t, scriptedRun(func(ctx context.Context, r Run) error {
		fromModule = r.Host.Declare(ctx, big, nil)
		return nil
	}), adsync(refusing{}))
	if err := m.Run(t.Context(), config("berlin"), nil, ""); err != nil {
		t.Fatal(err)
	}
	if fs := findingsIn(fromModule); len(fs) != 1 || fs[0].Code != tunnel.TooLong {
		t.Errorf("5 MiB from the module are answered with %v", fromModule)
	}
	err := m.Run(t.Context(), config("berlin"), json.RawMessage(big), "")
	if fs := findingsIn(err); len(fs) != 1 || fs[0].Code != tunnel.TooLong {
		t.Errorf("5 MiB to the module are answered with %v", err)
	}
}

// A module that does not go through this package is held to the limit too.
func TestTheHostRefusesWhatALooserClientSends(t *testing.T) {
	g := guard(t)
	req := newMessage(hostMethods()[0].Input())
	fill(req.ProtoReflect(), "configuration", strings.Repeat("x", 5<<20))
	err := g.conn.Invoke(t.Context(), "/culvert.host.v1.HostService/Declare", req, newMessage(hostMethods()[0].Output()))
	if !errors.Is(decode(err), tunnel.ErrInvalid) {
		t.Errorf("it is answered with %v", err)
	}
}

// hanging is a registry that answers when the context ends, and never tells a watcher anything.
type hanging struct {
	tunnel.Service
	left chan error
}

func (h hanging) Declare(ctx context.Context, _ string, _ []tunnel.Declaration) error {
	<-ctx.Done()
	h.left <- ctx.Err()
	return ctx.Err()
}

func TestTheCallersContextEndsACall(t *testing.T) {
	h := hanging{left: make(chan error, 2)}
	c := hostOf(t, adsync(h))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := c.Declare(ctx, "berlin", nil); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errTimeout) {
		t.Errorf("past its deadline it returned %v", err)
	}
	if err := <-h.left; err == nil {
		t.Error("the host's end did not see it")
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if err := c.Declare(ctx, "berlin", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled it returned %v", err)
	}
	<-h.left
}

func TestACallWithoutADeadlineEndsAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hanging{left: make(chan error, 1)}
		c := hostOf(t, adsync(h))
		begin := time.Now()
		err := c.Declare(t.Context(), "berlin", nil)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "within 10s") {
			t.Errorf("it returned %v", err)
		}
		if took := time.Since(begin); took != CallTimeout {
			t.Errorf("it took %v", took)
		}
		<-h.left
	})
}

func TestTheHostLimitsACallItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hanging{left: make(chan error, 1)}
		conn := connect(t, newHostServer(adsync(h)))
		begin := time.Now()
		_ = conn.Invoke(t.Context(), "/culvert.host.v1.HostService/Declare", newMessage(hostMethods()[0].Input()), newMessage(hostMethods()[0].Output()))
		if took := time.Since(begin); took != CallTimeout {
			t.Errorf("it took %v", took)
		}
		<-h.left
	})
}

// Whatever of a module panics when it is called, the caller is told and the process goes on.
func TestAPanicIsTheErrorOfItsCall(t *testing.T) {
	m := connected(t, scriptedRun(func(_ context.Context, r Run) error {
		if string(r.Settings) == `{"calm":true}` {
			return nil
		}
		panic("at the disco")
	}), adsync(nil))
	if err := m.Run(t.Context(), config("main"), nil, ""); !errors.Is(err, ErrPanicked) || !strings.Contains(err.Error(), "at the disco") {
		t.Errorf("a panic is %v", err)
	}
	if err := m.Run(t.Context(), config("main"), []byte(`{"calm":true}`), ""); err != nil {
		t.Errorf("the next run is %v", err)
	}
}

// judge is a module that judges settings.
type judge struct{ scripted }

func (judge) Validate(settings json.RawMessage) (tunnel.Findings, error) {
	return tunnel.Findings{{Code: tunnel.Malformed, Field: "host", Value: string(settings), Message: "go\x1bes not together", WayOut: "set it"}}, nil
}

func TestWhatAModuleSaysOfSettings(t *testing.T) {
	m := moduleOf(t, judge{})
	got, err := m.Validate(t.Context(), config("main"), []byte(`{"a":1}`))
	want := tunnel.Findings{{Code: tunnel.Malformed, Field: "host", Value: `{"a":1}`, Message: `go\x1bes not together`, WayOut: "set it"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("it says %+v, %v", got, err)
	}
	if _, err := moduleOf(t, scripted{}).Validate(t.Context(), config("main"), nil); err == nil || !strings.Contains(err.Error(), ErrNoValidator.Error()) {
		t.Errorf("one that judges none says %v", err)
	}
}

// A module is told what it was granted when its process is connected.
func TestGrantsReachTheRun(t *testing.T) {
	var got []tunnel.Grant
	h := adsync(nil)
	h.Granted = []tunnel.Grant{"dial 5038", "network"}
	m := connected(t, scriptedRun(func(_ context.Context, r Run) error { got = r.Granted; return nil }), h)
	if err := m.Run(t.Context(), config("main"), nil, ""); err != nil || !reflect.DeepEqual(got, h.Granted) {
		t.Errorf("it was granted %q, %v", got, err)
	}
}
