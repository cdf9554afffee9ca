package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestAModuleReachesItsSiteHalfCloseIncluded(t *testing.T) {
	h := newHouse(t)
	h.source.want(active(berlin, 1, smb))
	h.expect(tunnel.Up)
	m := h.start(h.path(), 1)
	if a := h.hear(m); !a.OK {
		t.Fatalf("refused: %v", a.Error)
	}
	if _, err := io.WriteString(m.in, "a question"); err != nil {
		t.Fatal(err)
	}
	m.in.Close()
	said, err := io.ReadAll(m.out)
	if string(said) != "heard a question" {
		t.Errorf("the site said %q, %v", said, err)
	}
}

func TestAPrivateMappingIsProvedThroughItsSocket(t *testing.T) {
	h := newHouse(t)
	h.source.want(active(berlin, 1, smb))
	h.expect(tunnel.Up)
	if m := h.source.now(berlin).Mapping("smb"); m.ProvedAt.IsZero() || m.TargetProvedAt.IsZero() || m.Bound != tunnel.BoundLoopback {
		t.Errorf("mapping %+v", m)
	}
	l := h.engine.link(0)
	if len(l.times("prove", "smb")) != 0 || len(l.times("open", "smb")) != 0 {
		t.Error("a proof of the private socket went over the link")
	}
}

func TestAPrivateMappingWhoseSocketSomebodyElseHoldsIsDown(t *testing.T) {
	h := newHouse(t)
	if err := os.WriteFile(h.path(), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.source.want(active(berlin, 1, smb))
	h.expect(tunnel.Degraded)
	if m := h.source.now(berlin).Mapping("smb"); m.State != tunnel.Down || m.Reason != tunnel.LocalPortInUse {
		t.Errorf("mapping %+v", m)
	}
	if b, err := os.ReadFile(h.path()); string(b) != "mine" {
		t.Errorf("the file is gone: %v", err)
	}
	os.Remove(h.path())
	h.expect(tunnel.Up)
}

func TestDialWaitsForTheLink(t *testing.T) {
	for _, reason := range []tunnel.Reason{"", tunnel.Unreachable} {
		h := newHouse(t)
		hold := make(chan struct{})
		h.engine.connect = func(ctx context.Context, _ Attempt) error {
			if reason != "" && h.engine.count() == 1 {
				return fail(reason)
			}
			select {
			case <-hold:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		h.source.want(active(berlin, 1, smb))
		h.until("it is tried", func() bool { return h.source.now(berlin).State != "" })
		m := h.start(h.path(), 1)
		h.until("the module waits", func() bool { return h.waiters() == 1 })
		close(hold)
		if a := h.hear(m); !a.OK {
			t.Errorf("after %q: %v", reason, a.Error)
		}
	}
}

// waiters is how many connections of smb wait now.
func (h *house) waiters() int {
	k := h.keeper()
	k.private.mu.Lock()
	defer k.private.mu.Unlock()
	if d := k.private.doors["smb"]; d != nil {
		return len(d.waiters)
	}
	return 0
}

func TestAWaitingDialEndsWhenTheModuleHangsUp(t *testing.T) {
	h := newHouse(t)
	h.engine.connect = always(tunnel.Unreachable)
	h.source.want(active(berlin, 1, smb))
	h.expect(tunnel.Waiting)
	m := h.start(h.path(), 1)
	h.until("the module waits", func() bool { return h.waiters() == 1 })
	if err := m.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	h.until("nobody waits", func() bool { return h.waiters() == 0 })
}

func TestDialIsToldAtOnceWhatSomebodyHasToDo(t *testing.T) {
	suspended := disabled(berlin, smb)
	inactive := active(berlin, 1, smb)
	inactive.Active, inactive.State, inactive.Reason = false, tunnel.Inactive, tunnel.NoConfiguration
	cases := map[tunnel.State]struct {
		wanted  tunnel.Wanted
		connect func(context.Context, Attempt) error
		reason  tunnel.Reason
	}{
		tunnel.Disabled: {wanted: suspended, reason: tunnel.SuspendedReason},
		tunnel.Inactive: {wanted: inactive, reason: tunnel.NoConfiguration},
		tunnel.Blocked:  {wanted: active(berlin, 1, smb), connect: always(tunnel.HostKeyMismatch), reason: tunnel.HostKeyMismatch},
	}
	for state, c := range cases {
		h := newHouse(t)
		h.engine.connect = c.connect
		h.source.want(c.wanted)
		h.expect(state)
		a := h.hear(h.start(h.path(), 1))
		if a.OK || a.Error.State != state || a.Error.Reason != c.reason || a.Error.Ref != berlin || a.Error.Mapping != "smb" {
			t.Errorf("%s: %+v", state, a.Error)
		}
	}
}

func TestDialIsToldThatTheTargetRefuses(t *testing.T) {
	h := newHouse(t)
	h.engine.shape = func(l *fakeLink) {} // nothing listens there
	h.source.want(active(berlin, 1, smb))
	h.expect(tunnel.Up)
	h.engine.link(0).script(func() {
		h.engine.link(0).target = func(context.Context, string) error { return fail(tunnel.TargetRefused) }
	})
	a := h.hear(h.start(h.path(), 1))
	if a.OK || a.Error.Reason != tunnel.TargetRefused {
		t.Errorf("%+v", a)
	}
	h.expect(tunnel.Degraded)
}

// Whoever dials while the server does not answer is told that it is the server; the target is not called down for it.
func TestDialIsToldThatTheServerIsBusy(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.shaped(func(l *fakeLink) {
			l.open = func(ctx context.Context, _ tunnel.Mapping) (Conn, error) { return nil, silence(ctx) }
		})
		s.source.want(active(berlin, 1, smb))
		s.pass(time.Second)
		s.sup.mu.Lock()
		p := s.sup.keepers[berlin].private
		s.sup.mu.Unlock()
		began := time.Now()
		_, err := p.open(t.Context(), "smb", "adsync")
		var se *tunnel.StatusError
		if !errors.As(err, &se) || se.Reason != tunnel.ServerBusy || se.Remedy == "" || time.Since(began) != openPatience {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		if now := s.source.now(berlin); now.State != tunnel.Up {
			t.Errorf("it is %s (%s): %+v", now.State, now.Reason, now.Mappings)
		}
	})
}

func TestDialIsToldThatTheMappingDoesNotStand(t *testing.T) {
	h := newHouse(t)
	h.engine.shape = func(l *fakeLink) {
		l.apply = func(context.Context, tunnel.Mapping) error { return fail(tunnel.LocalPortInUse) }
		l.open = func(context.Context, tunnel.Mapping) (Conn, error) { return nil, fail(tunnel.LinkLost) }
	}
	h.source.want(active(berlin, 1, smb))
	h.expect(tunnel.Degraded)
	if a := h.hear(h.start(h.path(), 1)); a.OK || a.Error.Reason != tunnel.LocalPortInUse {
		t.Errorf("%+v", a)
	}
}

func TestASocketThatAnotherProcessPutThereIsNoProof(t *testing.T) {
	h := newHouse(t)
	h.source.want(active(berlin, 1, smb))
	h.expect(tunnel.Up)
	if err := os.Remove(h.path()); err != nil {
		t.Fatal(err)
	}
	other := h.start(h.path(), asListener)
	h.until("it listens", func() bool {
		conn, err := net.Dial("unix", h.path())
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	if err := h.sup.Restart(berlin); err != nil { // the next proof would be in ten seconds
		t.Fatal(err)
	}
	h.expect(tunnel.Degraded)
	m := h.source.now(berlin).Mapping("smb")
	if want := fmt.Sprintf("that of process %d is there", other.cmd.Process.Pid); !strings.Contains(m.Message, want) {
		t.Errorf("mapping %+v", m)
	}
	h.expect(tunnel.Up) // with a new one in its place
}

func TestAStrangerIsSentAwayWithoutAWord(t *testing.T) {
	h := newHouse(t)
	h.opened.Store(false)
	h.source.want(active(berlin, 1, smb))
	h.expect(tunnel.Up)
	if heard, err := io.ReadAll(h.start(h.path(), 1).out); len(heard) != 0 {
		t.Errorf("heard %q, %v", heard, err)
	}
	if len(h.engine.link(0).times("open", "smb")) != 0 {
		t.Error("the target was opened for a stranger")
	}
}

func TestOnlySoManyDialsWait(t *testing.T) {
	h := newHouse(t)
	h.engine.connect = always(tunnel.Unreachable)
	h.source.want(active(berlin, 1, smb))
	h.expect(tunnel.Waiting)
	m := h.start(h.path(), waitersPerDoor+2) // the last is dialled only when the others are refused
	if a := h.hear(m); a.OK || a.Error.State != tunnel.Down || !strings.Contains(a.Error.Message, "64") {
		t.Errorf("%+v", a.Error)
	}
}

func TestSocketsLiveAsLongAsTheirRecords(t *testing.T) {
	h := newHouse(t)
	if l, err := net.Listen("unix", h.path()); err != nil { // left by an earlier process
		t.Fatal(err)
	} else {
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		l.Close()
	}
	ldap := tunnel.Mapping{Name: "ldap", Kind: tunnel.ReachGateway, Local: tunnel.Endpoint{Port: 1389}, Remote: tunnel.Endpoint{Port: 389}}
	h.source.want(disabled(berlin, smb, ldap, http))
	h.expect(tunnel.Disabled)
	for _, name := range []string{"smb", "ldap"} {
		h.until("the socket of "+name+" is there for the module alone", func() bool { return h.listens(name) })
	}
	if _, err := os.Stat(filepath.Join(h.dir, "http")); err == nil {
		t.Error("an expose mapping has a socket")
	}
	h.source.want(active(berlin, 2, smb))
	h.until("ldap's socket is gone", func() bool { return h.gone("ldap") && !h.gone("smb") })
	h.source.want(tunnel.Wanted{Tunnel: tunnel.Tunnel{Ref: berlin}, Gone: true})
	h.until("smb's socket is gone", func() bool { return h.gone("smb") })
}

// After a boot the directory of all sockets is empty. A tunnel without a link has its sockets all the same: whoever dials
// one is told why nothing goes through.
func TestSocketsAppearWithoutALinkAndInAnEmptyDirectory(t *testing.T) {
	h := newHouse(t)
	h.dir = filepath.Join(h.dir, "m")
	h.source.want(disabled(berlin, smb))
	h.until("the socket is there", func() bool { return !h.gone("smb") })
	if a := h.hear(h.start(h.path(), 1)); a.OK || a.Error.Reason != tunnel.SuspendedReason {
		t.Errorf("%+v", a)
	}
}

func TestASocketThatCannotBeOpenedIsTriedOn(t *testing.T) {
	h := newHouse(t)
	if err := os.Remove(h.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.dir, nil, 0o600); err != nil { // in the way
		t.Fatal(err)
	}
	h.source.want(disabled(berlin, smb))
	h.expect(tunnel.Disabled)
	h.until("it cannot be opened", func() bool { return h.keeper().private.failing() })
	if err := os.Remove(h.dir); err != nil {
		t.Fatal(err)
	}
	h.until("the socket is there", func() bool { return !h.gone("smb") })
	h.until("nothing is tried any more", func() bool { return !h.keeper().private.failing() })
}

func (h *house) keeper() *keeper {
	h.sup.mu.Lock()
	defer h.sup.mu.Unlock()
	return h.sup.keepers[berlin]
}

func (p *private) failing() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.again != nil
}

// listens reports whether the socket of that mapping is there, and for nobody but the daemon's user.
func (h *house) listens(name string) bool {
	info, err := os.Stat(filepath.Join(h.dir, name))
	return err == nil && info.Mode().Perm() == 0o600 && info.Mode().Type() == fs.ModeSocket
}

func (h *house) gone(name string) bool {
	_, err := os.Stat(filepath.Join(h.dir, name))
	return os.IsNotExist(err)
}

func TestTheOperatorsTunnelsHaveNoSockets(t *testing.T) {
	h := newHouse(t)
	h.source.want(active(office, 1, ldap))
	h.until("it is up", func() bool { return h.source.now(office).State == tunnel.Up })
	if left, err := os.ReadDir(h.dir); len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestAConnectionEndsWithItsTunnel(t *testing.T) {
	h := newHouse(t)
	h.source.want(active(berlin, 1, smb))
	h.expect(tunnel.Up)
	m := h.start(h.path(), 1)
	if a := h.hear(m); !a.OK {
		t.Fatal(a.Error)
	}
	h.source.want(tunnel.Wanted{Tunnel: tunnel.Tunnel{Ref: berlin}, Gone: true})
	if _, err := io.ReadAll(m.out); err != nil {
		t.Error(err)
	}
}

// A relay whose ends are stuck holds up nothing: no change of a mapping, no disabling, no enabling, no end.
func TestAStuckRelayHoldsUpNothing(t *testing.T) {
	h := newHouse(t)
	stuck := make(chan struct{})
	t.Cleanup(func() { close(stuck) }) // before the end of Run
	h.sup.config.Relay = func(_, _ Conn) { <-stuck }
	other := smb
	other.Name = "other"
	h.source.want(active(berlin, 1, smb, other))
	h.expect(tunnel.Up)
	if a := h.hear(h.start(h.path(), 1)); !a.OK {
		t.Fatal(a.Error)
	}
	within := func(what string, limit time.Duration, ok func() bool) {
		t.Helper()
		began := time.Now()
		h.until(what, ok)
		if took := time.Since(began); took > limit {
			t.Errorf("it took %s until %s", took, what)
		}
	}
	h.source.want(active(berlin, 1, other))
	within("the socket is gone", time.Second, func() bool { return h.gone("smb") })
	h.source.want(disabled(berlin, other))
	within("the link is gone", 2*time.Second, func() bool { return len(h.engine.live()) == 0 })
	h.source.want(active(berlin, 2, smb, other))
	h.expect(tunnel.Up)
	if a := h.hear(h.start(h.path(), 1)); !a.OK {
		t.Fatal(a.Error)
	}
	h.source.want(disabled(berlin, smb, other))
	within("the link is gone again", 2*time.Second, func() bool { return len(h.engine.live()) == 0 })
	h.source.want(tunnel.Wanted{Tunnel: tunnel.Tunnel{Ref: berlin}, Gone: true}, active(berlin, 3, smb))
	within("it is there anew", 2*partingPatience, func() bool { return h.source.now(berlin).State == tunnel.Up })
}

func TestALongErrorFitsTheGreeting(t *testing.T) {
	h := newHouse(t)
	w := disabled(berlin, smb)
	w.Remedy = strings.Repeat("do this and that; ", 1000)
	h.source.want(w)
	h.expect(tunnel.Disabled)
	if a := h.hear(h.start(h.path(), 1)); a.OK || a.Error.State != tunnel.Disabled || a.Error.Reason != tunnel.SuspendedReason {
		t.Errorf("%+v", a.Error)
	}
}
