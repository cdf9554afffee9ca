package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/host/pluginhost"
	"github.com/culvert-pbx/culvert/host/porttest"
	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
	"github.com/culvert-pbx/culvert/host/supervisor"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// oneTunnel is a registry of one tunnel that never changes, and the board on which it is reported.
type oneTunnel struct {
	mu     sync.Mutex
	wanted tunnel.Wanted
	status tunnel.Status
}

func (s *oneTunnel) Wanted(ctx context.Context) iter.Seq2[tunnel.Wanted, error] {
	return func(yield func(tunnel.Wanted, error) bool) {
		if w, _, _ := s.Login(ctx, s.wanted.Tunnel.Ref); yield(w, nil) {
			<-ctx.Done()
			yield(tunnel.Wanted{}, ctx.Err())
		}
	}
}

func (s *oneTunnel) Login(context.Context, tunnel.Ref) (tunnel.Wanted, tunnel.Credential, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wanted, tunnel.Credential{Login: tunnel.LoginKey}, nil
}

func (s *oneTunnel) Learned(_ context.Context, _ tunnel.Ref, _ tunnel.Server, shown tunnel.Pin) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted.Tunnel.Pin = shown
	return nil
}

func (s *oneTunnel) Shown(tunnel.Ref, tunnel.Pin) {}

func (s *oneTunnel) Report(_ tunnel.Ref, now tunnel.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = now
}

func (s *oneTunnel) now() tunnel.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// seeing is the SSH engine, with the links that it made.
type seeing struct {
	engine
	sshd  *sshdtest.Server
	mu    sync.Mutex
	links []supervisor.Link
}

func (e *seeing) Run(ctx context.Context, a *supervisor.Attempt, stands func(context.Context, supervisor.Link) func()) error {
	return e.engine.Run(ctx, a, func(ctx context.Context, l supervisor.Link) func() {
		e.mu.Lock()
		e.links = append(e.links, l)
		e.mu.Unlock()
		return stands(ctx, l)
	})
}

func (e *seeing) link(i int) supervisor.Link {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.links[i]
}

// runTunnel keeps a tunnel to a real sshd running until the test ends, and returns it when it is up.
func runTunnel(t *testing.T, o sshdtest.Options, ms ...tunnel.Mapping) (*oneTunnel, *seeing) {
	t.Helper()
	pair, err := sshtunnel.NewKeyPair("test")
	must(t, err)
	o.AuthorizedKeys = []string{pair.AuthorizedKey()}
	sshd := sshdtest.Start(t, o)
	source := &oneTunnel{wanted: tunnel.Wanted{
		Tunnel: tunnel.Tunnel{
			Ref: tunnel.Ref{Owner: tunnel.Operator, Name: "office"}, Node: tunnel.Node,
			Server: tunnel.Server{Host: sshd.Host, Port: sshd.Port, User: "root"}, Mappings: ms,
		},
		Active: true, Generation: 1,
	}}
	e := &seeing{engine: engine{keys: pair}, sshd: sshd}
	s := supervisor.New(supervisor.Config{
		Source: source, Engine: e, Log: hclog.NewNullLogger(), DialLocal: localDialer(pluginhost.Sockets{}, nil, publishAll),
		Relay: func(client, site supervisor.Conn) { sshtunnel.Relay(client, site) },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-done)
	})
	waitFor(t, "the tunnel is up", func() bool { return source.now().State == tunnel.Up })
	return source, e
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not in time: " + what)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// serveTCP serves each connection by handle until the test ends.
func serveTCP(t *testing.T, handle func(net.Conn)) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var work sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			work.Go(func() {
				defer c.Close()
				handle(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		work.Wait()
	})
	return l.Addr().(*net.TCPAddr).Port
}

func echo(c net.Conn) { _, _ = io.Copy(c, c) }

func freePort(t *testing.T) int { t.Helper(); return porttest.Free(t) }

func dialPort(t *testing.T, port int) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), 5*time.Second)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// nameServer answers every name. Silenced, it keeps what it has to say until it speaks again. It is at port 53, because a
// resolver asks at no other.
func nameServer(t *testing.T) (addr string, silence, speak func()) {
	t.Helper()
	var pc net.PacketConn
	var err error
	for i := 1; i < 250; i++ {
		addr = fmt.Sprintf("127.66.%d.53", i)
		if pc, err = net.ListenPacket("udp", addr+":53"); err == nil {
			break
		}
	}
	if errors.Is(err, os.ErrPermission) {
		t.Skip("skipped: only root listens at port 53")
	}
	must(t, err)
	var mu sync.Mutex
	silent, kept := false, []func(){}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b := make([]byte, 1500); ; {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			if n <= 12 {
				continue
			}
			reply := answer(b[:n])
			say := func() { _, _ = pc.WriteTo(reply, from) }
			mu.Lock()
			if silent {
				kept = append(kept, say)
			} else {
				say()
			}
			mu.Unlock()
		}
	}()
	t.Cleanup(func() { pc.Close(); <-done })
	silence = func() {
		mu.Lock()
		defer mu.Unlock()
		silent = true
	}
	speak = func() {
		mu.Lock()
		defer mu.Unlock()
		silent = false
		for _, say := range kept {
			say()
		}
		kept = nil
	}
	return addr, silence, speak
}

// answer says that whatever IPv4 address is asked for is 127.0.0.1, and that there is no other (RFC 1035, 4.1).
func answer(query []byte) []byte {
	const header, a = 12, 1
	end := header + bytes.IndexByte(query[header:], 0) + 5
	out := slices.Clone(query[:end])
	copy(out[2:], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0})
	if out[end-3] == a {
		out[7] = 1
		out = append(out, 0xc0, header, 0, a, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1)
	}
	return out
}

// TestASilentResolverStopsTheSecondLinkAlone: a client opens a target by name at a site whose resolver is silent, and
// everything else goes on as if nothing were.
func TestASilentResolverStopsTheSecondLinkAlone(t *testing.T) {
	resolver, silence, speak := nameServer(t)
	svc, exposed := serveTCP(t, echo), freePort(t)
	named := tunnel.Mapping{Name: "named", Kind: tunnel.Reach, Local: tunnel.Endpoint{Port: freePort(t)},
		Remote: tunnel.Endpoint{Host: "dc1.corp.test", Port: svc}}
	numeric := tunnel.Mapping{Name: "numeric", Kind: tunnel.Reach, Local: tunnel.Endpoint{Port: freePort(t)},
		Remote: tunnel.Endpoint{Host: "127.0.0.1", Port: svc}}
	expose := tunnel.Mapping{Name: "expose", Kind: tunnel.Expose, Local: tunnel.Endpoint{Port: svc}, Remote: tunnel.Endpoint{Port: exposed}}
	_, e := runTunnel(t, sshdtest.Options{
		Config: []string{"UseDNS no"},
		Files:  sshdtest.Files{"/etc/resolv.conf": "nameserver " + resolver + "\noptions timeout:10 attempts:2\n"},
	}, named, numeric, expose)
	exchange := func(port int) error {
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.WriteString(c, "hello")
		_, err = io.ReadFull(c, make([]byte, 5))
		return err
	}
	must(t, exchange(named.Local.Port))
	silence()
	hung := make(chan struct{})
	go func() {
		defer close(hung)
		_ = exchange(named.Local.Port)
	}()
	main, second := e.link(0), e.link(1)
	stopped := func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		return second.Keepalive(ctx) != nil
	}
	waitFor(t, "the second link stops, because the name is asked for there", stopped)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	questions := map[string]func() error{
		"keepalive":            func() error { return main.Keepalive(ctx) },
		"proof of an exposure": func() error { return main.Prove(ctx, expose.Name) },
		"numeric target":       func() error { _, err := main.Target(ctx, numeric.Name, nil); return err },
		"numeric exchange":     func() error { return exchange(numeric.Local.Port) },
		"exposed exchange":     func() error { return exchange(exposed) },
	}
	slowest := map[string]time.Duration{}
	for range 20 {
		for what, ask := range questions {
			began := time.Now()
			must(t, ask())
			slowest[what] = max(slowest[what], time.Since(began))
		}
	}
	select {
	case <-hung:
		t.Error("the name did not hang: nothing was tried")
	default:
	}
	for what, took := range slowest {
		t.Logf("%s: at most %s", what, took.Round(10*time.Microsecond))
		if took > 5*time.Second { // of the ten for which the resolver waits; 1 ms on a quiet machine
			t.Errorf("%s took %s", what, took)
		}
	}
	speak()
	<-hung
}

// TestOnlyItsOwnMappingsNoticeTheEndOfTheSecondLink: sshd's child for it is killed, and a connection through the main link
// and its port go on.
func TestOnlyItsOwnMappingsNoticeTheEndOfTheSecondLink(t *testing.T) {
	svc, exposed := serveTCP(t, echo), freePort(t)
	steady := tunnel.Mapping{Name: "steady", Kind: tunnel.Reach, Local: tunnel.Endpoint{Port: freePort(t)}, Remote: tunnel.Endpoint{Port: svc}}
	bulk := tunnel.Mapping{Name: "bulk", Kind: tunnel.Expose, Lane: tunnel.LaneBulk,
		Local: tunnel.Endpoint{Port: svc}, Remote: tunnel.Endpoint{Port: exposed}}
	source, e := runTunnel(t, sshdtest.Options{}, steady, bulk)
	say := func(c net.Conn) error {
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(c, "hello")
		_, err := io.ReadFull(c, make([]byte, 5))
		return err
	}
	through, carried := dialPort(t, steady.Local.Port), dialPort(t, exposed)
	must(t, say(through))
	must(t, say(carried))
	sessions := e.sshd.Sessions()
	if len(sessions) != 2 {
		t.Fatalf("%d sessions", len(sessions))
	}
	must(t, syscall.Kill(slices.Max(sessions), syscall.SIGKILL))
	if err := say(carried); err == nil {
		t.Error("the connection through the second link lives: another session was killed")
	}
	waitFor(t, "the loss is seen", func() bool { return source.now().State == tunnel.Degraded })
	for _, m := range source.now().Mappings {
		if (m.State == tunnel.Up) != (m.Name == steady.Name) {
			t.Errorf("%s is %s", m.Name, m.State)
		}
	}
	must(t, say(through))
	began := time.Now()
	waitFor(t, "all is up again", func() bool { return source.now().State == tunnel.Up })
	t.Logf("up again %s after the loss was seen", time.Since(began).Round(time.Millisecond))
	must(t, say(dialPort(t, exposed)))
	must(t, say(through))
}

// TestAFrozenMainLinkTakesNothingFromTheSecond: sshd's child for the main link is stopped, and what rides on the second link
// goes on and is said to.
func TestAFrozenMainLinkTakesNothingFromTheSecond(t *testing.T) {
	svc, exposed := serveTCP(t, echo), freePort(t)
	plain := tunnel.Mapping{Name: "plain", Kind: tunnel.Reach, Local: tunnel.Endpoint{Port: freePort(t)}, Remote: tunnel.Endpoint{Port: svc}}
	bulk := tunnel.Mapping{Name: "bulk", Kind: tunnel.Expose, Lane: tunnel.LaneBulk,
		Local: tunnel.Endpoint{Port: svc}, Remote: tunnel.Endpoint{Port: exposed}}
	source, e := runTunnel(t, sshdtest.Options{}, plain, bulk)
	is := func(name string, state tunnel.State) bool { m := source.now().Mapping(name); return m.State == state }
	carried := dialPort(t, exposed)
	sessions := e.sshd.Sessions()
	if len(sessions) != 2 {
		t.Fatalf("%d sessions", len(sessions))
	}
	must(t, syscall.Kill(slices.Min(sessions), syscall.SIGSTOP))
	defer e.sshd.Thaw()
	waitFor(t, "the main link counts as frozen", func() bool {
		_ = carried.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(carried, "hello")
		if _, err := io.ReadFull(carried, make([]byte, 5)); err != nil || !is("bulk", tunnel.Up) {
			t.Fatalf("the second link: %v; %+v", err, source.now().Mapping("bulk"))
		}
		return is("plain", tunnel.Down)
	})
	for range 20 { // proofs go on
		time.Sleep(50 * time.Millisecond)
		if !is("bulk", tunnel.Up) || !is("plain", tunnel.Down) {
			t.Fatalf("%+v", source.now().Mappings)
		}
	}
	e.sshd.Thaw()
	waitFor(t, "all is up again", func() bool { return source.now().State == tunnel.Up })
}

// TestBulkOnItsLaneDoesNotDelaySmallExchanges measures small exchanges beside an upload on the same link, and on another.
func TestBulkOnItsLaneDoesNotDelaySmallExchanges(t *testing.T) {
	lasts := time.Second
	if os.Getenv("CULVERT_SOAK") != "" {
		lasts = 10 * time.Second
	}
	small, sink := serveTCP(t, echo), serveTCP(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	median, p99 := map[tunnel.Lane]time.Duration{}, map[tunnel.Lane]time.Duration{}
	for _, lane := range []tunnel.Lane{tunnel.LaneMain, tunnel.LaneBulk} {
		t.Run(lane.String(), func(t *testing.T) {
			ask := tunnel.Mapping{Name: "small", Kind: tunnel.Reach, Local: tunnel.Endpoint{Port: freePort(t)}, Remote: tunnel.Endpoint{Port: small}}
			bulk := tunnel.Mapping{Name: "bulk", Kind: tunnel.Reach, Lane: lane, Local: tunnel.Endpoint{Port: freePort(t)}, Remote: tunnel.Endpoint{Port: sink}}
			_, e := runTunnel(t, sshdtest.Options{}, ask, bulk)
			upload := dialPort(t, bulk.Local.Port)
			var sending sync.WaitGroup
			sending.Go(func() {
				for b := make([]byte, 1<<20); ; {
					if _, err := upload.Write(b); err != nil {
						return
					}
				}
			})
			c := dialPort(t, ask.Local.Port)
			var took []time.Duration
			for began := time.Now(); time.Since(began) < lasts; {
				asked := time.Now()
				_, err := io.WriteString(c, "x")
				must(t, err)
				_, err = io.ReadFull(c, make([]byte, 1))
				must(t, err)
				took = append(took, time.Since(asked))
			}
			upload.Close()
			sending.Wait()
			slices.Sort(took)
			median[lane], p99[lane] = took[len(took)/2], took[len(took)*99/100]
			on := e.link(0)
			if lane == tunnel.LaneBulk {
				on = e.link(1)
			}
			carried := on.Traffic("bulk").Out >> 20
			t.Logf("%d exchanges: p50 %s, p99 %s, beside %d MB", len(took), median[lane], p99[lane], carried)
			if carried == 0 {
				t.Error("the upload was not on its lane")
			}
		})
	}
	// the tail of a second tells how busy the machine is
	if main, bulk := median[tunnel.LaneMain], median[tunnel.LaneBulk]; bulk > max(main, 150*time.Millisecond) {
		t.Errorf("the median is %s on two links and %s on one", bulk, main)
	}
	if main, bulk := p99[tunnel.LaneMain], p99[tunnel.LaneBulk]; lasts > time.Second && bulk > max(main, 150*time.Millisecond) {
		t.Errorf("p99 is %s on two links and %s on one", bulk, main)
	}
}
