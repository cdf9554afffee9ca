package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/porttest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// freePort is a port of this machine that nobody listens on in either family.
func freePort(t *testing.T) int { t.Helper(); return porttest.Free(t) }

// ported is smb with a port of the PBX.
func ported(t *testing.T) tunnel.Mapping {
	m := smb
	m.Local.Port = freePort(t)
	return m
}

// call connects to a port of the PBX.
func (h *house) call(host string, m tunnel.Mapping) *net.TCPConn {
	h.t.Helper()
	c, err := net.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(m.Local.Port)))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		h.t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// talk says something, ends its direction and hears the answer to all of it.
func (h *house) talk(c *net.TCPConn) {
	h.t.Helper()
	if _, err := io.WriteString(c, "a question"); err != nil {
		h.t.Fatal(err)
	}
	h.listen(c)
}

func (h *house) listen(c *net.TCPConn) {
	h.t.Helper()
	if err := c.CloseWrite(); err != nil {
		h.t.Fatal(err)
	}
	if said, err := io.ReadAll(c); string(said) != "heard a question" {
		h.t.Fatalf("the site said %q, %v", said, err)
	}
}

// wasReset fails the test unless a client of m's port is reset in time.
func (h *house) wasReset(m tunnel.Mapping, within time.Duration) {
	h.t.Helper()
	began := time.Now()
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", m.Local.Port))
	if err == nil {
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(2 * within))
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) { // sometimes before it is even connected
		h.t.Errorf("got %v, want a reset", err)
	}
	if took := time.Since(began); took > within {
		h.t.Errorf("it took %v", took)
	}
}

// shut reports whether nobody listens on m's port.
func (h *house) shut(m tunnel.Mapping) bool {
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", m.Local.Port))
	if err == nil {
		c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

func (h *house) status() tunnel.MappingStatus { return h.source.now(berlin).Mapping("smb") }

func TestAPortLeadsToTheTargetInBothFamilies(t *testing.T) {
	h := newHouse(t)
	m := ported(t)
	h.source.want(active(berlin, 1, m))
	h.expect(tunnel.Up)
	for _, host := range []string{"127.0.0.1", "::1"} {
		h.talk(h.call(host, m))
	}
	if n := len(h.engine.link(0).times("prove", "smb")); n != 0 {
		t.Errorf("the link was asked to prove it %d times", n)
	}
}

func TestWhereAPortIsBound(t *testing.T) {
	for kind, want := range map[tunnel.Kind]tunnel.Bound{
		tunnel.Reach: tunnel.BoundLoopback, tunnel.ReachGateway: tunnel.BoundAll,
	} {
		h := newHouse(t)
		m := ported(t)
		m.Kind = kind
		h.source.want(active(berlin, 1, m))
		h.expect(tunnel.Up)
		if s := h.status(); s.Bound != want || s.Listener.State != tunnel.Up || s.Target.State != tunnel.Up {
			t.Errorf("%s: %+v", kind, s)
		}
		c, err := net.Dial("tcp", fmt.Sprintf("127.66.77.88:%d", m.Local.Port))
		if err == nil {
			c.Close()
		}
		if (err == nil) != kind.Gateway() {
			t.Errorf("%s at another address: %v", kind, err)
		}
	}
}

// TestAClientSeesADelayNotARefusal: who connects while the link is made anew is served as soon as it stands.
func TestAClientSeesADelayNotARefusal(t *testing.T) {
	h := newHouse(t)
	m := ported(t)
	h.source.want(active(berlin, 1, m))
	h.expect(tunnel.Up)
	made := make(chan struct{})
	h.engine.set(func() {
		h.engine.connect = func(ctx context.Context, _ Attempt) error {
			select {
			case <-made:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	h.engine.link(0).breaks(fail(tunnel.LinkLost))
	h.until("the link is gone", func() bool { return !h.source.now(berlin).State.Linked() })
	client := h.call("::1", m)
	if _, err := io.WriteString(client, "a question"); err != nil {
		t.Fatal(err)
	}
	h.until("it is said that it waits", func() bool { return h.status().Listener.Message == "1 client waits for the link" })
	close(made)
	h.listen(client)
	h.until("nobody waits", func() bool { return !strings.Contains(h.status().Listener.Message, "wait") })
}

func TestAPortStandsBeforeTheFirstLink(t *testing.T) {
	h := newHouse(t)
	m := ported(t)
	h.engine.connect = always(tunnel.Unreachable)
	h.source.want(active(berlin, 1, m))
	h.expect(tunnel.Waiting)
	client := h.call("127.0.0.1", m)
	h.engine.set(func() { h.engine.connect = nil })
	h.talk(client)
}

func TestAClientIsRefusedAtOnceWhereWaitingIsNoUse(t *testing.T) {
	t.Run("somebody has to do something", func(t *testing.T) {
		h := newHouse(t)
		m := ported(t)
		h.engine.connect = always(tunnel.HostKeyMismatch)
		h.source.want(active(berlin, 1, m))
		h.expect(tunnel.Blocked)
		h.wasReset(m, 5*time.Second)
	})
	t.Run("the target refuses", func(t *testing.T) {
		h := newHouse(t)
		m := ported(t)
		h.engine.shape = func(*fakeLink) {} // nothing listens there
		h.source.want(active(berlin, 1, m))
		h.expect(tunnel.Up)
		h.engine.link(0).script(func() {
			h.engine.link(0).target = func(context.Context, string) error { return fail(tunnel.TargetRefused) }
		})
		h.wasReset(m, 5*time.Second)
		h.expect(tunnel.Degraded) // a client's failure is a verdict
	})
}

func TestAClientIsHeldNotForEver(t *testing.T) {
	h := newHouseWith(t, Config{holdFor: 300 * time.Millisecond})
	m := ported(t)
	h.engine.connect = silent
	h.source.want(active(berlin, 1, m))
	h.expect(tunnel.Connecting)
	h.until("it listens", func() bool { return !h.shut(m) })
	h.wasReset(m, 10*time.Second)
}

// TestWhoWaitsInVainIsCounted, however that ends, and who hangs up is not.
func TestWhoWaitsInVainIsCounted(t *testing.T) {
	for name, c := range map[string]struct {
		hold    time.Duration
		end     func(h *house, m tunnel.Mapping, client *net.TCPConn)
		refused uint64
	}{
		"no link in time": {300 * time.Millisecond, func(*house, tunnel.Mapping, *net.TCPConn) {}, 1},
		"the tunnel goes": {time.Minute, func(h *house, m tunnel.Mapping, _ *net.TCPConn) { h.source.want(disabled(berlin, m)) }, 1},
		"it hangs up":     {time.Minute, func(_ *house, _ tunnel.Mapping, client *net.TCPConn) { client.Close() }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouseWith(t, Config{holdFor: c.hold})
			m := ported(t)
			h.engine.connect = silent
			h.source.want(active(berlin, 1, m))
			h.expect(tunnel.Connecting)
			held := func() int64 { return h.keeper().ports.held.now.Load() }
			var client *net.TCPConn // the only one: until it listens nothing connects
			h.until("it listens", func() bool {
				conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", m.Local.Port))
				if err == nil {
					client = conn.(*net.TCPConn)
				}
				return err == nil
			})
			defer client.Close()
			if c.hold == time.Minute {
				h.until("it waits", func() bool { return held() == 1 })
			}
			c.end(h, m, client)
			if c.refused > 0 {
				_ = client.SetDeadline(time.Now().Add(30 * time.Second))
				if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("the client heard %v", err)
				}
				h.until("it is counted", func() bool { return h.status().Refused > 0 })
			}
			h.until("nobody waits", func() bool { return held() == 0 })
			k := h.keeper()
			k.standing.mu.Lock()
			defer k.standing.mu.Unlock()
			if n := k.standing.mappings[0].turnedAway; n != c.refused {
				t.Errorf("%d are counted, not %d", n, c.refused)
			}
		})
	}
}

// A link that stands again and opens nothing keeps nobody longer than no link does.
func TestAClientIsHeldNoLongerByALinkThatOpensNothing(t *testing.T) {
	h := newHouseWith(t, Config{holdFor: 2 * time.Second})
	m := ported(t)
	made, asked := make(chan struct{}), make(chan struct{}, 1)
	h.engine.connect = func(ctx context.Context, _ Attempt) error {
		select {
		case <-made:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	h.engine.shape = func(l *fakeLink) {
		l.open = func(ctx context.Context, _ tunnel.Mapping) (Conn, error) { poke(asked); return nil, silence(ctx) }
	}
	h.source.want(active(berlin, 1, m))
	h.expect(tunnel.Connecting)
	var client net.Conn // the only one, so that it is this one that is held
	h.until("it listens", func() bool {
		var err error
		client, err = net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", m.Local.Port))
		return err == nil
	})
	defer client.Close()
	_ = client.SetDeadline(time.Now().Add(30 * time.Second))
	h.until("it is held", func() bool { return h.keeper().ports.held.now.Load() == 1 })
	close(made)
	began := time.Now()
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client heard %v", err)
	}
	if held := time.Since(began); held > 12*time.Second {
		t.Errorf("it was held for %s", held)
	}
	select {
	case <-asked:
	default:
		t.Error("its target was never asked for")
	}
}

// TestOnlySoManyClientsAreHeld: who is more is refused and counted, and who hangs up makes room.
func TestOnlySoManyClientsAreHeld(t *testing.T) {
	h := newHouse(t)
	m := ported(t)
	h.engine.connect = silent
	h.source.want(active(berlin, 1, m))
	h.expect(tunnel.Connecting)
	h.until("it listens", func() bool { return !h.shut(m) })
	held := func(n int) func() bool {
		return func() bool { return h.keeper().ports.held.now.Load() == int64(n) }
	}
	h.until("nobody is held", held(0))
	clients := make([]*net.TCPConn, heldPerMapping)
	for i := range clients {
		clients[i] = h.call("127.0.0.1", m)
	}
	h.until("all are held", held(heldPerMapping))
	h.wasReset(m, 5*time.Second)
	h.until("it is counted", func() bool { return h.status().Refused == 1 })
	h.until("it is said", func() bool { return h.status().Listener.Message == "64 clients wait for the link" })

	clients[0].Close()
	h.until("the end of one was noticed", held(heldPerMapping-1))
	_ = clients[1].SetLinger(0)
	clients[1].Close()
	h.until("the reset of one was noticed", held(heldPerMapping-2))
	if _, err := clients[2].Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	_ = clients[2].SetLinger(0)
	clients[2].Close()
	h.until("the reset of one that spoke was noticed", held(heldPerMapping-3))
	if err := clients[3].CloseWrite(); err != nil {
		t.Fatal(err)
	}
	h.until("the end of one that said nothing was noticed", held(heldPerMapping-4))
}

func TestPlacesOfTheHeldAreCountedTogether(t *testing.T) {
	host := &holds{most: 3}
	a, b := &holds{most: 2, wider: host}, &holds{most: 2, wider: host}
	leave, ok := a.enter()
	_, second := a.enter()
	_, third := a.enter()
	if !ok || !second || third {
		t.Error("not two of one")
	}
	_, ok = b.enter()
	_, more := b.enter()
	if !ok || more || b.now.Load() != 1 || host.now.Load() != 3 {
		t.Errorf("not three of all: %d, %d", b.now.Load(), host.now.Load())
	}
	leave()
	if _, ok := b.enter(); !ok {
		t.Error("a place was not given back")
	}
}

func TestAPortThatIsHeldInOneFamilyIsSaid(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		h := newHouse(t)
		m := ported(t)
		holder, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(m.Local.Port)))
		if err != nil {
			t.Fatal(err)
		}
		h.source.want(active(berlin, 1, m))
		h.expect(tunnel.Degraded)
		s := h.status()
		if s.Reason != tunnel.LocalPortInUse || !strings.Contains(s.Message, host) || !strings.Contains(s.Message, "this program itself") ||
			s.Listener.State != tunnel.Down || s.Diagnosis == nil || s.Diagnosis.Cause != tunnel.HeldInOneFamily || len(s.Diagnosis.Evidence) != 1 {
			t.Errorf("%+v, %+v", s, s.Diagnosis)
		}
		other := map[string]string{"127.0.0.1": "::1", "::1": "127.0.0.1"}[host]
		if c, err := net.Dial("tcp", net.JoinHostPort(other, strconv.Itoa(m.Local.Port))); err == nil {
			c.Close()
			t.Error("half of it is open")
		}
		holder.Close()
		h.expect(tunnel.Up)
	}
}

// TestACheckTriesThePort as a tunnel would, and leaves it free.
func TestACheckTriesThePort(t *testing.T) {
	h := newHouse(t)
	h.engine.connect = through("", nil)
	m := ported(t)
	holder, err := net.Listen("tcp", net.JoinHostPort("::1", strconv.Itoa(m.Local.Port)))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []tunnel.Reason{tunnel.LocalPortInUse, ""} {
		var got Failure
		_, err := h.sup.Check(t.Context(), Trial{Server: tunnel.Server{Host: "site.example", Port: 22}, Mappings: []tunnel.Mapping{m}},
			func(s TrialStep) {
				if s.Name == "forwarding smb" && s.Done {
					got = s.Failure
				}
			})
		if err != nil || got.Reason != want {
			t.Errorf("%+v, %v", got, err)
		}
		holder.Close()
		if !h.shut(m) {
			t.Error("it was left open")
		}
	}
}

func TestWhyAPortCannotBeOpened(t *testing.T) {
	for errno, want := range map[syscall.Errno]tunnel.Reason{
		syscall.EACCES: tunnel.LocalPortPrivileged, syscall.EADDRINUSE: tunnel.LocalPortInUse, syscall.ENOBUFS: tunnel.LocalPortInUse,
	} {
		err := fmt.Errorf("listen: %w", &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", errno)})
		f := cannotOpen(&heldPort{m: tunnel.Mapping{Local: tunnel.Endpoint{Port: 80}}, held: []heldAddress{{"127.0.0.1", err}}})
		if f.Reason != want || !strings.Contains(f.Message, "port 80 on 127.0.0.1") || f.Remedy == "" {
			t.Errorf("%v: %+v", errno, f)
		}
	}
}

func TestWhoListensIsReadFromTheKernel(t *testing.T) {
	for line, want := range map[string]string{
		"   0: 0100007F:056D 00000000:0000 0A 00000000:00000000 00:00000000 00000000   104        0 31337 1 0 100 0 0 10 0":                                              "127.0.0.1:1389 104 31337",
		"   1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 42 1 0 100 0 0 10 0": "[::1]:80 0 42",
		"   2: 0100007F:056D 0100007F:9999 01 00000000:00000000 00:00000000 00000000   104        0 31337 1":                                                             "",
		"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode":                                                               "",
		"   3: 01:00 0:0 0A 0 0 0 0 0 0 0": "",
		"":                                 "",
	} {
		got := ""
		if h, ok := parseListener(line); ok {
			got = fmt.Sprint(h.addr, " ", h.uid, " ", h.inode)
		}
		if got != want {
			t.Errorf("%q is %q, want %q", line, got, want)
		}
	}
}

// TestAPortPassesOn from one mapping to another, from one tunnel to another, and is gone with its tunnel.
func TestAPortPassesOn(t *testing.T) {
	h := newHouse(t)
	m := ported(t)
	h.source.want(active(berlin, 1, m))
	h.expect(tunnel.Up)
	other := m
	other.Name = "other"
	open := h.call("127.0.0.1", m)
	h.until("it is carried", func() bool { return len(h.engine.link(0).times("open", "smb")) == 1 })
	h.source.want(active(berlin, 1, other))
	if _, err := open.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection of the former mapping lives on: %v", err)
	}
	h.until("the other has it", func() bool { return h.source.now(berlin).Mapping("other").State == tunnel.Up })
	h.talk(h.call("127.0.0.1", other))

	began := time.Now()
	h.source.want(disabled(berlin, other), active(office, 1, m))
	h.until("the other tunnel has it", func() bool { return h.source.now(office).State == tunnel.Up })
	h.talk(h.call("127.0.0.1", m))
	h.source.want(disabled(office, m))
	h.until("it is gone", func() bool { return h.shut(m) })
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestAChangedNeighbourKeepsThePort and its connections.
func TestAChangedNeighbourKeepsThePort(t *testing.T) {
	h := newHouse(t)
	m := ported(t)
	h.source.want(active(berlin, 1, m))
	h.expect(tunnel.Up)
	client := h.call("127.0.0.1", m)
	h.until("it is carried", func() bool { return len(h.engine.link(0).times("open", "smb")) == 1 })
	p := h.keeper().ports
	p.mu.Lock()
	before := p.open["smb"]
	p.mu.Unlock()
	more := m
	more.Name, more.Local.Port = "more", freePort(t)
	for _, ms := range [][]tunnel.Mapping{{m, more}, {m}} {
		h.source.want(active(berlin, 1, ms...))
		h.until("it is so", func() bool {
			return len(h.source.now(berlin).Mappings) == len(ms) && h.source.now(berlin).State == tunnel.Up
		})
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open["smb"] != before {
		t.Error("the port was opened anew")
	}
	h.talk(client)
}

// TestALateConnectionOfOurOwnOpensNothing: it is of a proof that was given up, and accepted when nobody waits for it.
func TestALateConnectionOfOurOwnOpensNothing(t *testing.T) {
	t.Run("at once", func(t *testing.T) { acceptsLate(t, false) })
	t.Run("when they are expected no more", func(t *testing.T) { acceptsLate(t, true) })
}

// acceptsLate has a port accept connections of proofs that were given up, at once or when their addresses are forgotten.
func acceptsLate(t *testing.T, forgotten bool) {
	h := newHouse(t)
	m := ported(t)
	h.source.want(active(berlin, 1, m))
	h.expect(tunnel.Up)
	l, err := net.Listen("tcp", "127.0.0.1:0") // that nobody accepts at yet
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	x := &port{
		ports: h.keeper().ports, mapping: m, listeners: []*net.TCPListener{l.(*net.TCPListener)}, held: &holds{most: 1},
		own: map[netip.AddrPort][]byte{}, ctx: ctx, cancel: cancel,
	}
	for range 5 {
		short, end := context.WithTimeout(ctx, 50*time.Millisecond)
		if err := x.prove(short); why(err).Reason != tunnel.LocalPortInUse {
			t.Errorf("a proof that nobody answered: %v", err)
		}
		end()
	}
	for i := range 300 { // and some given up while they connect
		short, end := context.WithTimeout(ctx, time.Duration(i)*time.Microsecond)
		_ = x.prove(short)
		end()
	}
	if forgotten {
		h.until("they are forgotten", func() bool {
			x.mu.Lock()
			defer x.mu.Unlock()
			return len(x.own) == 0
		})
	}
	x.accepting.Go(func() { x.accept(x.listeners[0]) })
	if err := x.prove(ctx); err != nil { // it comes after the late ones
		t.Errorf("the proof after them: %v", err)
	}
	x.shut()
	if n := len(h.engine.link(0).times("open", "smb")); n != 0 {
		t.Errorf("%d channels were asked for", n)
	}
}
