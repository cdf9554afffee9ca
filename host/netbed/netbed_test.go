package netbed

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) { ForgetDomain(); os.Exit(code) }))
}

// newBed is a bed with an echo service at a port of the site.
func newBed(t *testing.T) (b *Bed, port int) {
	t.Helper()
	if err := Missing(); err != nil {
		t.Skip("skipped: ", err)
	}
	b, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	port, err = b.Echo(b.Srv, SrvAddr+":0")
	if err != nil {
		t.Fatal(err)
	}
	return b, port
}

func at(port int) string { return net.JoinHostPort(SrvAddr, strconv.Itoa(port)) }

func (b *Bed) ask(port int, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return Ask(ctx, b.PBX, at(port))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Each fault breaks the flow of its port in its own manner, leaves that of another alone, and is gone after Heal.
func TestEachFaultBreaksItsFlowAndHeals(t *testing.T) {
	t.Parallel()
	b, port := newBed(t)
	other, err := b.Echo(b.Srv, SrvAddr+":0")
	must(t, err)
	for _, c := range []struct {
		name string
		on   func() error
		want string // of the error
	}{
		{"silent", func() error { return b.CutSilent(port) }, "i/o timeout"},
		{"to the server", func() error { return b.CutOneWay(port, ToServer) }, "i/o timeout"},
		{"from the server", func() error { return b.CutOneWay(port, FromServer) }, "i/o timeout"},
		{"ban", func() error { return b.Ban(port) }, "i/o timeout"},
		{"reset", func() error { return b.CutRST(port) }, "refused"},
		{"no way", func() error { return b.Refuse(port) }, "no route to host"},
	} {
		must(t, b.ask(port, 10*time.Second))
		must(t, c.on())
		if err := b.ask(port, 500*time.Millisecond); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the flow says %v", c.name, err)
		}
		if err := b.ask(other, 10*time.Second); err != nil {
			t.Errorf("%s: another flow says %v", c.name, err)
		}
		must(t, b.Heal(port))
		if err := b.ask(port, 10*time.Second); err != nil {
			t.Errorf("%s, healed: %v", c.name, err)
		}
	}
}

// held is a connection through the bed that stands.
func held(t *testing.T, b *Bed, port int) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := b.PBX.Dial(ctx, at(port))
	must(t, err)
	t.Cleanup(func() { c.Close() })
	must(t, echo(c, 1, 10*time.Second))
	return c
}

func echo(c net.Conn, n int, within time.Duration) error {
	_ = c.SetDeadline(time.Now().Add(within))
	go func() { _, _ = c.Write(make([]byte, n)) }()
	for buf := make([]byte, 64<<10); n > 0; {
		k, err := c.Read(buf)
		if err != nil {
			return err
		}
		n -= k
	}
	return nil
}

// A standing connection does not outlive the router's memory of it, and a new one needs none.
func TestARouterThatForgetsEndsWhatStands(t *testing.T) {
	t.Parallel()
	b, port := newBed(t)
	must(t, b.NATOn())
	c := held(t, b, port)
	must(t, echo(c, 1, 10*time.Second))
	must(t, b.NATForget())
	if err := echo(c, 1, 5*time.Second); err == nil || !strings.Contains(err.Error(), "reset") {
		t.Errorf("the connection says %v", err)
	}
	must(t, b.ask(port, 10*time.Second))
	must(t, b.NATOff())
	must(t, b.ask(port, 10*time.Second))
}

// Small packets pass the hole, big ones do not.
func TestAnMTUHoleSwallowsBigPackets(t *testing.T) {
	t.Parallel()
	b, port := newBed(t)
	must(t, b.MTUHole(port, 600))
	must(t, b.ask(port, 10*time.Second))
	if err := echo(held(t, b, port), 4000, time.Second); err == nil {
		t.Error("4000 bytes came through")
	}
	must(t, b.Heal(port))
	must(t, echo(held(t, b, port), 4000, 10*time.Second))
}

// The path of a program is as late as it is told, loses what it shall lose, and keeps the order.
func TestTheUserLinkIsLateAndLossy(t *testing.T) {
	t.Parallel()
	b, port := newBed(t)
	c := held(t, b, port)
	l, err := b.UserLink(LinkOptions{Delay: 100 * time.Millisecond, Loss: 0.02, Seed: 1})
	must(t, err)
	began := time.Now()
	must(t, echo(c, 1, 20*time.Second)) // the connection goes over to it
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("a round trip took %v", took)
	}
	must(t, echo(c, 200<<10, 30*time.Second))
	if l.Dropped() == 0 {
		t.Error("nothing was lost")
	}
	l.Cut(true)
	if err := b.ask(port, time.Second); err == nil {
		t.Error("data flows through the cut")
	}
	l.Cut(false)
	must(t, b.ask(port, 30*time.Second))
}

// New connections end at the stranger while he is in between.
func TestTheManInTheMiddleGetsNewConnections(t *testing.T) {
	t.Parallel()
	b, _ := newBed(t)
	var seen [2]atomic.Int32
	for i, in := range []*Namespace{b.Srv, b.Evil} {
		l, err := in.Listen([]string{SrvAddr, EvilAddr}[i] + ":2222")
		must(t, err)
		defer l.Close()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				seen[i].Add(1)
				c.Write([]byte("x"))
				c.Close()
			}
		}()
	}
	for i, on := range []func() error{func() error { return nil }, func() error { return b.MITMOn(2222) }, func() error { return b.Heal(2222) }} {
		must(t, on())
		c, err := b.PBX.Dial(t.Context(), at(2222))
		must(t, err)
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
		c.Close()
		if honest, evil := seen[0].Load(), seen[1].Load(); honest != int32(i+1)-evil || evil != int32(min(i, 1)) {
			t.Errorf("step %d: %d at the site, %d at the stranger", i, honest, evil)
		}
	}
}

// A prober says when data stops and when it flows again.
func TestAProberSaysWhenDataFlows(t *testing.T) {
	t.Parallel()
	b, port := newBed(t)
	p := b.Probe(ProbeOptions{From: b.PBX, Addr: at(port), Within: time.Second})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, err := p.WaitUp(ctx, time.Time{})
	must(t, err)
	must(t, b.CutSilent(port))
	cut := time.Now()
	down, err := p.WaitDown(ctx, cut)
	must(t, err)
	time.Sleep(500 * time.Millisecond) // so long the path stays cut
	must(t, b.Heal(port))
	healed := time.Now()
	up, err := p.WaitUp(ctx, healed)
	must(t, err)
	if down.Before(cut) || up.Before(healed) || up.Sub(healed) > 5*time.Second {
		t.Errorf("cut %v, down %v; healed %v, up %v", cut, down, healed, up)
	}
	p.Forget(healed)
	if n := len(p.Answers(cut)) - len(p.Answers(healed)); n != 0 {
		t.Errorf("%d forgotten answers remain", n)
	}
}

// What is started in a bed, its grandchildren too, ends with it.
func TestClosingEndsEveryProcess(t *testing.T) {
	t.Parallel()
	if err := Missing(); err != nil {
		t.Skip("skipped: ", err)
	}
	b, err := New()
	must(t, err)
	defer b.Close()
	var out buffer
	cmd := exec.Command("sh", "-c", "sleep 600 & sleep 601 & echo $! & wait")
	cmd.Stdout = &out
	must(t, b.Srv.StartTree(cmd))
	children := "/proc/" + strconv.Itoa(cmd.Process.Pid) + "/task/" + strconv.Itoa(cmd.Process.Pid) + "/children"
	var all []string
	for deadline := time.Now().Add(10 * time.Second); len(all) < 2 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		text, _ := os.ReadFile(children)
		all = strings.Fields(string(text))
	}
	b.Close()
	_ = cmd.Wait()
	if len(all) < 2 {
		t.Fatalf("the children are %v", all)
	}
	for _, pid := range all {
		if _, err := os.Stat("/proc/" + pid); err == nil {
			t.Errorf("process %s lives on", pid)
		}
	}
	if err := b.Srv.Start(exec.Command("true")); err == nil {
		t.Error("something was started in a closed bed")
	}
}

// An sshd of the bed counts its sessions, and ss can reset them.
func TestSSHDInABed(t *testing.T) {
	t.Parallel()
	b, _ := newBed(t)
	s, err := b.SSHD(b.Srv, SSHDOptions{Port: 2222})
	must(t, err)
	if f, err := s.Fingerprint(); err != nil || !strings.HasPrefix(f, "SHA256:") {
		t.Errorf("its fingerprint is %q, %v", f, err)
	}
	c, err := b.PBX.Dial(t.Context(), s.Addr)
	must(t, err)
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if n, err := c.Read(make([]byte, 100)); err != nil || n < 8 {
		t.Fatal(n, err)
	}
	if n := len(s.Sessions()); n != 1 {
		t.Errorf("%d sessions", n)
	}
	n, err := b.ResetSessions(2222)
	must(t, err)
	if n != 1 {
		t.Errorf("%d connections were reset", n)
	}
	if _, err := c.Read(make([]byte, 1<<16)); err == nil || !strings.Contains(err.Error(), "reset") {
		t.Errorf("the connection says %v", err)
	}
	s.Stop()
	if err := b.ask(2222, 5*time.Second); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("the stopped sshd's port says %v", err)
	}
	must(t, s.Start())
	all, err := b.Srv.Listeners()
	must(t, err)
	if !strings.Contains(strings.Join(all, " "), SrvAddr+":2222") {
		t.Errorf("the listeners are %v", all)
	}
}
