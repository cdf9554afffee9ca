package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// local is what the test plugin does with a port of this machine: it greets what it dialled and tells what comes back, or
// greets whoever comes and tells what that says, and then gives the port up.
func local(ctx context.Context, h wire.Host, what, port string) string {
	n, _ := strconv.Atoi(port)
	c, err := h.DialLocal(ctx, n)
	if what == "serve-local" {
		var l net.Listener
		if l, err = h.ListenLocal(ctx, n); err == nil {
			defer l.Close()
			c, err = l.Accept()
		}
	}
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	fmt.Fprint(c, "hello from the module")
	_ = c.(stream).CloseWrite()
	b, err := io.ReadAll(c)
	return fmt.Sprint(string(b), " ", err)
}

// shouter answers one connection after another at a port of the loopback: what it reads, in capitals, when that has ended.
func shouter(t *testing.T) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b, _ := io.ReadAll(c)
			fmt.Fprint(c, strings.ToUpper(string(b)))
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().(*net.TCPAddr).Port
}

// freePort is a port of the loopback that nobody has.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (r *rig) said(c tunnel.ConfigurationRef) string {
	b, _ := os.ReadFile(r.stateDir(c.Module) + "/" + c.Name + "/said")
	return string(b)
}

func (r *rig) says(c tunnel.ConfigurationRef, want string) {
	r.t.Helper()
	r.eventually(c.String()+" says "+want, func() bool { return strings.Contains(r.said(c), want) }, func() string { return r.said(c) })
}

// TestModuleDialsALocalPortWithTheGrant: its sandbox has no sockets but unix ones, and the host connects for it.
func TestModuleDialsALocalPortWithTheGrant(t *testing.T) {
	t.Parallel()
	port := shouter(t)
	r := newRig(t)
	r.install("hello", "")
	c := r.configure("hello/default", fmt.Sprint("dial-local ", port))
	r.run()
	r.says(c, fmt.Sprintf("culvert module grant hello dial %d", port))

	r.catalog.grant("hello", tunnel.Grant(fmt.Sprint("dial ", port)))
	if e := r.Regrant(t.Context(), "operator:7", "hello", tunnel.Grant(fmt.Sprint("dial ", port)), false); e.Process != Restarted || e.Remedy != "" {
		t.Errorf("%+v", e)
	}
	r.says(c, "HELLO FROM THE MODULE <nil>")
}

// TestGrantIsHeldBackWhileAnotherBinaryWaits, and said so, whether a process runs or none does.
func TestGrantIsHeldBackWhileAnotherBinaryWaits(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.install("hello", "")
	r.install("idle", "")
	c := r.configure("hello/default", "wait")
	r.run()
	r.note(c, "started")
	r.is("idle", Stopped, "")
	pid := r.Pid("hello")
	for _, name := range []tunnel.Owner{"hello", "idle"} {
		r.install(string(name), "2.0.0")
		must(t, r.Look(t.Context()))
		want := map[tunnel.Owner]string{"hello": Kept, "idle": NoProcess}[name]
		if e := r.Regrant(t.Context(), by, name, "network", false); e.Process != want || !strings.Contains(e.Message, "another binary lies under this name") || e.Remedy != "culvert module accept "+string(name) {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if got := r.is("hello", Running, tunnel.NeedsAcceptance); got.PID != pid {
		t.Errorf("process %d became %d", pid, got.PID)
	}
	e := r.Regrant(t.Context(), by, "hello", "network", true)
	if e.Process != Ended || !strings.HasPrefix(e.Message, "its process was ended, and none can be started: another binary") || e.Remedy != "culvert module accept hello" {
		t.Errorf("taken back: %+v", e)
	}
	if alivePid(pid) {
		t.Error("what was taken back still runs")
	}
	r.is("hello", Accept, tunnel.NeedsAcceptance)
}

// TestProcessThatIsToBeReplacedIsNotShownAsRunning: who waits for the restart asked for sees its own.
func TestProcessThatIsToBeReplacedIsNotShownAsRunning(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.install("hello", "")
	c := r.configure("hello/default", "wait")
	r.run()
	r.reports(c, tunnel.ConfigRunning, "")
	for range 3 {
		pid := r.Pid("hello")
		must(t, r.Restart("hello"))
		if s := r.catalog.status(c); s.State == tunnel.ConfigRunning && alivePid(pid) {
			t.Errorf("its configuration is %+v", s)
		}
		if got := r.is("hello", Running, ""); got.PID == pid {
			t.Errorf("process %d is shown", pid)
		}
		r.reports(c, tunnel.ConfigRunning, "")
	}
}

func TestModuleServesALocalPortWithTheGrant(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	r := newRig(t)
	r.install("hello", "")
	r.catalog.grant("hello", tunnel.Grant(fmt.Sprint("serve ", port)))
	c := r.configure("hello/default", fmt.Sprint("serve-local ", port))
	r.run()
	addr := fmt.Sprint("127.0.0.1:", port)
	var conn net.Conn
	r.eventually("the port is served", func() (ok bool) {
		var err error
		conn, err = net.Dial("tcp", addr)
		return err == nil
	}, func() string { return r.said(c) })
	defer conn.Close()
	fmt.Fprint(conn, "who is it")
	_ = conn.(stream).CloseWrite()
	if b, err := io.ReadAll(conn); string(b) != "hello from the module" {
		t.Errorf("the port answers %q, %v", b, err)
	}
	r.says(c, "who is it <nil>")
	r.eventually("the port is given up", func() bool {
		l, err := net.Listen("tcp", addr)
		if err == nil {
			l.Close()
		}
		return err == nil
	}, func() string { return "somebody still listens at " + addr })
}

// TestPortOfARevokedGrantIsFreeAtOnce: the process that had it need not even agree.
func TestPortOfARevokedGrantIsFreeAtOnce(t *testing.T) {
	t.Parallel()
	h := newRig(t)
	d := h.doorsOf(t, "hello")
	port := freePort(t)
	h.catalog.grant("hello", tunnel.Grant(fmt.Sprint("serve ", port)))
	path, err := d.listenPath(t.Context(), port)
	if err != nil {
		t.Fatal(err)
	}
	own, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	conn, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := own.Accept(); err != nil {
		t.Fatal(err)
	}
	h.catalog.grant("hello")
	d.review(t.Context())
	if l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port)); err != nil {
		t.Errorf("the port is not free: %v", err)
	} else {
		l.Close()
	}
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection outlives the grant: %v", err)
	}
	if _, err := d.listenPath(t.Context(), port); !errors.Is(err, tunnel.ErrPolicyRefused) {
		t.Errorf("asked again: %v", err)
	}
}

// doorsOf are doors whose process is this one.
func (r *rig) doorsOf(t *testing.T, name tunnel.Owner) *doors {
	t.Helper()
	if err := r.sockets.Prepare(name); err != nil {
		t.Fatal(err)
	}
	d := newDoors(r.Host, name)
	d.present, d.watch = func(pid int) bool { return pid == os.Getpid() }, 10*time.Millisecond
	t.Cleanup(d.close)
	return d
}

// TestOnlyTheModulesProcessPassesADoor: another process of the same user connects, and is neither greeted nor let through.
func TestOnlyTheModulesProcessPassesADoor(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d := r.doorsOf(t, "hello")
	var pid atomic.Int64
	d.present = func(is int) bool { return is == int(pid.Load()) }
	port := shouter(t)
	r.catalog.grant("hello", tunnel.Grant(fmt.Sprint("dial ", port)))
	path, err := d.dialPath(t.Context(), port)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		pid  int
		want string
	}{{os.Getpid(), `"ok":true`}, {os.Getppid(), ""}, {0, ""}} {
		pid.Store(int64(c.pid))
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.(stream).CloseWrite()
		b, _ := io.ReadAll(conn)
		conn.Close()
		if (c.want == "") != (len(b) == 0) || !strings.Contains(strings.ReplaceAll(string(b), " ", ""), c.want) {
			t.Errorf("process %d is told %q", c.pid, b)
		}
	}
}

func TestDoorsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d := r.doorsOf(t, "hello")
	taken, closed := shouter(t), freePort(t)
	for _, port := range []int{taken, closed} {
		for _, kind := range []tunnel.GrantKind{tunnel.GrantDial, tunnel.GrantServe} {
			r.catalog.grant("hello", append(r.catalog.grants["hello"], tunnel.Right{Kind: kind, Port: port}.Grant())...)
		}
	}
	if _, err := d.listenPath(t.Context(), taken); !errors.Is(err, tunnel.ErrPortCollision) {
		t.Errorf("a port that is taken: %v", err)
	}
	path, err := d.dialPath(t.Context(), closed)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := wire.ReadGreeting(conn); err == nil || !strings.Contains(err.Error(), "nothing answers at port "+strconv.Itoa(closed)) || !strings.Contains(err.Error(), syscall.ECONNREFUSED.Error()) {
		t.Errorf("a port at which nobody listens: %v", err)
	}
	if _, err := d.dialPath(t.Context(), 22); !errors.Is(err, tunnel.ErrPolicyRefused) {
		t.Errorf("a port that was not granted: %v", err)
	}
}

// TestServedPortIsGivenUpWithItsListener: the host holds no port for nobody.
func TestServedPortIsGivenUpWithItsListener(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d := r.doorsOf(t, "hello")
	port := freePort(t)
	r.catalog.grant("hello", tunnel.Grant(fmt.Sprint("serve ", port)))
	for range 3 { // again and again
		path, err := d.listenPath(t.Context(), port)
		if err != nil {
			t.Fatal(err)
		}
		own, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", port))
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if _, err := own.Accept(); err != nil {
			t.Fatal(err)
		}
		own.Close()
	}
	r.eventually("the port is free", func() bool {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
		if err == nil {
			l.Close()
		}
		return err == nil
	}, func() string { return "it is not" })
}

// TestDoorThatIsGivenUpLeavesNothing: what waits for its end hears of it, though the module's process goes on.
func TestDoorThatIsGivenUpLeavesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d := r.doorsOf(t, "hello")
	right := tunnel.Right{Kind: tunnel.GrantServe, Port: freePort(t)}
	r.catalog.grant("hello", right.Grant())
	path, err := d.listenPath(t.Context(), right.Port)
	must(t, err)
	d.mu.Lock()
	o := d.open[right]
	d.mu.Unlock()
	own, err := net.Listen("unix", path)
	must(t, err)
	time.Sleep(2 * d.watch) // it has been heard
	own.Close()
	select {
	case <-o.ctx.Done():
	case <-time.After(time.Minute):
		t.Fatal("its context lives on")
	}
	if d.ctx.Err() != nil {
		t.Error("the other doors are closed as well")
	}
}

// TestRevokeWhileADoorOpensIsNotMissed: whichever comes first, the door does not stay open.
func TestRevokeWhileADoorOpensIsNotMissed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d := r.doorsOf(t, "hello")
	right := tunnel.Right{Kind: tunnel.GrantServe, Port: freePort(t)}
	asked, revoked := make(chan struct{}), make(chan struct{})
	var asks atomic.Int64
	d.granted = func(context.Context, tunnel.Owner) ([]tunnel.Grant, error) {
		if asks.Add(1) > 1 {
			return nil, nil
		}
		close(asked)
		<-revoked // between this look and the opening
		return []tunnel.Grant{right.Grant()}, nil
	}
	opened, reviewed := make(chan error, 1), make(chan struct{})
	go func() { _, err := d.listenPath(context.Background(), right.Port); opened <- err }()
	<-asked
	go func() { d.review(context.Background()); close(reviewed) }()
	select {
	case <-reviewed: // it saw no door
	case <-time.After(50 * time.Millisecond): // it waits for the one that is being opened
	}
	close(revoked)
	<-opened
	<-reviewed
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.open) > 0 {
		t.Error("a door is open that is not granted any more")
	}
}

// TestReviewOutlivesItsCaller: who revokes one grant and hangs up closes no door to another.
func TestReviewOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	d := r.doorsOf(t, "hello")
	port := shouter(t)
	d.granted = func(ctx context.Context, _ tunnel.Owner) ([]tunnel.Grant, error) {
		return []tunnel.Grant{tunnel.Grant(fmt.Sprint("dial ", port))}, ctx.Err()
	}
	path, err := d.dialPath(t.Context(), port)
	must(t, err)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	d.review(gone)
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal("the door is closed: ", err)
	}
	defer conn.Close()
	must(t, wire.ReadGreeting(conn))
}
