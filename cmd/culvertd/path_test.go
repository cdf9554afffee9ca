package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/netbed"
)

// The ceilings here are three times the figures that the long runs (cmd/soak) hold.

// A path that is dead for 15 s and tells nobody: noticed within 11 s, data again within 10 s of its return, at the same
// port of the server although that still keeps it for the dead link.
func TestASilentCutIsNoticedAndOverWithTheCut(t *testing.T) {
	t.Parallel()
	p := newPath(t)
	p.do(p.bed.CutSilent(pathPort))
	cut := time.Now()
	noticed := p.noticed(cut, 33*time.Second)
	time.Sleep(max(0, 15*time.Second-time.Since(cut))) // so long the path is dead
	p.do(p.bed.Heal(pathPort))
	back := p.back(time.Now(), 30*time.Second)
	t.Logf("noticed after %v, data again %v after the cut", noticed, back)
	p.waitState(pathTunnel, "up", 60*time.Second)
}

// Five seconds are no break: no connection ends, and the link is not made anew.
func TestABlipBreaksNothing(t *testing.T) {
	t.Parallel()
	p := newPath(t)
	held := p.open()
	sessions := fmt.Sprint(p.sshd.Sessions())
	p.do(p.bed.CutSilent(pathPort))
	time.Sleep(5 * time.Second) // so long the path is dead
	p.do(p.bed.Heal(pathPort))
	p.carries(held, 30*time.Second)
	p.back(time.Now(), 30*time.Second)
	p.waitState(pathTunnel, "up", 30*time.Second)
	if now := fmt.Sprint(p.sshd.Sessions()); now != sessions {
		t.Errorf("the sessions were %s and are %s", sessions, now)
	}
	if lost := p.losses(); len(lost) > 0 {
		t.Errorf("it was called lost: %+v", lost)
	}
}

// One direction that is dead is a break like any other, whichever it is.
func TestADirectionThatIsDeadIsNoticed(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]netbed.Direction{"to the server": netbed.ToServer, "from the server": netbed.FromServer} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPath(t)
			p.do(p.bed.CutOneWay(pathPort, d))
			cut := time.Now()
			noticed := p.noticed(cut, 60*time.Second) // what still comes from the server can hide it for 20 s
			p.do(p.bed.Heal(pathPort))
			t.Logf("noticed after %v, data again %v after the cut", noticed, p.back(time.Now(), 30*time.Second))
		})
	}
}

// A firewall that resets both ends is noticed at once, and the link stands again within a second of its end.
func TestAResetIsOverAtOnce(t *testing.T) {
	t.Parallel()
	p := newPath(t)
	time.Sleep(10500 * time.Millisecond) // so old a link comes back at once
	p.do(p.bed.CutRST(pathPort))
	p.noticed(time.Now(), 10*time.Second)
	time.Sleep(time.Second) // so long every attempt is reset
	p.do(p.bed.Heal(pathPort))
	t.Logf("data again %v after the last reset", p.back(time.Now(), 12*time.Second))
}

// A router that was rebooted knows no connection any more: the server is there all the time, so data flows within 20 s.
func TestARouterThatForgotIsNoticed(t *testing.T) {
	t.Parallel()
	p := newPath(t, func(p *path) error { return p.bed.NATOn() })
	forgot := time.Now()
	p.do(p.bed.NATForget())
	eventually(t, 60*time.Second, "the loss to be noticed", func() error {
		if len(p.losses()) == 0 {
			return errors.New("it is called up")
		}
		return nil
	})
	noticed := time.Since(forgot)
	p.back(time.Now(), max(0, 60*time.Second-noticed))
	t.Logf("noticed after %v, data again %v after the router forgot", noticed, time.Since(forgot))
	p.waitState(pathTunnel, "up", 60*time.Second)
}

// A path that swallows big packets lets the connection be made and no key exchange: that is said, with its likely cause.
func TestAnMTUHoleIsSuspected(t *testing.T) {
	t.Parallel()
	p := preparePath(t)
	p.do(p.bed.MTUHole(pathPort, 600))
	p.add()
	var v struct{ State, Reason, Message, Remedy string }
	eventually(t, 45*time.Second, "the failure to be named", func() error {
		if err := p.show(pathTunnel, &v); err != nil {
			return err
		}
		if v.Reason != "handshake-timeout" || !strings.Contains(v.Remedy, "MTU") {
			return fmt.Errorf("it is %+v", v)
		}
		return nil
	})
	p.do(p.bed.Heal(pathPort))
	p.back(time.Now(), 40*time.Second)
}

// Whoever puts himself in between gets no login, whatever he does, and what was pinned stays pinned.
func TestTheManInTheMiddleGetsNoLogin(t *testing.T) {
	t.Parallel()
	p := newPath(t)
	evil, err := p.bed.SSHD(p.bed.Evil, netbed.SSHDOptions{Port: pathPort, Keys: []string{p.publicKey()}})
	p.do(err)
	p.do(p.bed.MITMOn(pathPort))
	p.sshd.KillSessions()
	v := p.waitState(pathTunnel, "blocked", 40*time.Second)
	if v.Reason != "hostkey-mismatch" {
		t.Errorf("it is blocked for %s: %s", v.Reason, v.Message)
	}
	p.must("tunnel", "restart", pathTunnel)
	eventually(t, 30*time.Second, "another attempt", func() error {
		if n := strings.Count(evil.Log(), "Connection from"); n < 2 {
			return fmt.Errorf("%d connections so far", n)
		}
		return nil
	})
	p.waitState(pathTunnel, "blocked", 30*time.Second)
	for _, word := range []string{"Accepted", "Failed", "userauth", "publickey"} {
		if log := evil.Log(); strings.Contains(log, word) {
			t.Errorf("a login reached him:\n%s", log)
		}
	}
	p.do(p.bed.Heal(pathPort))
	p.must("tunnel", "restart", pathTunnel)
	p.back(time.Now(), 30*time.Second)
}

// A long and lossy way, as by satellite: slow, and never called dead.
func TestALongLossyWayIsNoBreak(t *testing.T) {
	t.Parallel()
	p := newPath(t)
	held := p.open()
	sessions := fmt.Sprint(p.sshd.Sessions())
	link, err := p.bed.UserLink(netbed.LinkOptions{Delay: 300 * time.Millisecond, Loss: 0.02, Seed: 7})
	p.do(err)
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); {
		p.carries(held, 30*time.Second)
	}
	if now := fmt.Sprint(p.sshd.Sessions()); now != sessions {
		t.Errorf("the sessions were %s and are %s, after %d lost packets", sessions, now, link.Dropped())
	}
	for _, e := range p.losses() {
		if e.Reason == "link-lost" {
			t.Errorf("it was called lost: %+v", e)
		}
	}
}

// A port of the server that another program holds is named, keeps nothing else down, and is never exchanged for another:
// it is ours within 15 s of being free.
func TestAPortThatIsTakenIsNamedAndAwaited(t *testing.T) {
	t.Parallel()
	p := preparePath(t)
	var holders []interface{ Close() error }
	for _, addr := range []string{"127.0.0.1:9100", "[::1]:9100"} {
		l, err := p.bed.Srv.Listen(addr)
		p.do(err)
		defer l.Close()
		holders = append(holders, l)
	}
	p.add()
	eventually(t, 40*time.Second, "the held port to be named", func() error {
		m, err := p.mapping("e")
		if err == nil && (m.State != "down" || m.Reason != "remote-port-held") {
			err = fmt.Errorf("it is %+v", m)
		}
		return err
	})
	if m, err := p.mapping("r"); err != nil || m.State != "up" {
		t.Errorf("the other mapping is %+v, %v", m, err)
	}
	for _, l := range holders {
		l.Close()
	}
	t.Logf("ours %v after it was free", p.back(time.Now(), 45*time.Second))
}
