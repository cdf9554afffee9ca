package main

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/netbed"
)

// A silent cut costs no connection on which nothing was said meanwhile: the old link goes on.
func TestConnectionsOutliveASilentCut(t *testing.T) {
	t.Parallel()
	p := newPath(t)
	held := p.open()
	sessions := p.sshd.Sessions()
	p.expose.Rest(true) // what the server sends into the cut it sends again only after a while
	p.reach.Rest(true)
	time.Sleep(time.Second) // and what was under way is over
	p.do(p.bed.CutSilent(pathPort))
	p.noticed(time.Now(), 33*time.Second)
	time.Sleep(5 * time.Second) // and attempts are made beside it
	p.do(p.bed.Heal(pathPort))
	healed := time.Now()
	p.waitState(pathTunnel, "up", 30*time.Second)
	t.Logf("up again %v after the cut", time.Since(healed))
	p.carries(held, 30*time.Second)
	eventually(t, 30*time.Second, "the old session alone to stand", func() error {
		if now := p.sshd.Sessions(); !slices.Equal(now, sessions) {
			return fmt.Errorf("the sessions are %v, they were %v", now, sessions)
		}
		return nil
	})
}

// A machine that gets another address notices that at once, by silence it would take ten seconds, and is back as soon as the new one works.
func TestAnotherAddressIsNoticedAtOnce(t *testing.T) {
	t.Parallel()
	p := newPath(t)
	p.pbx("addr del " + netbed.PBXAddr + "/24 dev e0")
	noticed := p.noticed(time.Now(), 8*time.Second)
	old := p.sshd.Sessions()
	p.pbx("addr add 10.99.1.77/24 dev e0")
	p.pbx("route replace default via 10.99.1.254")
	there := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := p.reach.WaitUp(ctx, there); err != nil {
		t.Fatal(err)
	}
	t.Logf("noticed after %v, data again %v after there was another address", noticed, time.Since(there))

	// The server cannot know that the old address is gone, and nobody can tell it any more: its port stays with the old
	// session. That is what has to be said.
	eventually(t, 30*time.Second, "the exposed port to be told held", func() error {
		v, err := p.tunnel(pathTunnel)
		if err == nil && (v.Reason != "remote-port-held" || !strings.Contains(v.Message, "our own session of ")) {
			err = fmt.Errorf("it is %s (%s): %s", v.State, v.Reason, v.Message)
		}
		return err
	})
	for _, pid := range old {
		p.do(syscall.Kill(pid, syscall.SIGKILL))
	}
	p.back(time.Now(), 45*time.Second)
}

// pbx runs ip at the PBX.
func (p *path) pbx(args string) {
	p.t.Helper()
	out, err := p.bed.PBX.Run("ip", strings.Fields(args)...)
	if err != nil {
		p.t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

// A tunnel that waits for its server tries at once when the network comes back.
func TestAnInterfaceThatComesUpIsUsedAtOnce(t *testing.T) {
	t.Parallel()
	p := newPath(t)
	p.pbx("link set e0 down")
	p.noticed(time.Now(), 8*time.Second)
	p.waitState(pathTunnel, "waiting", 10*time.Second)
	p.pbx("link set e0 up")
	p.pbx("route replace default via 10.99.1.254")
	t.Logf("data again %v after the interface was up", p.back(time.Now(), 30*time.Second))
}

// Tunnels whose keys the server does not know cost it few refusals, and the good ones nothing. Those that were not tried say
// because of whom.
func TestWrongKeysCostFewRefusals(t *testing.T) {
	t.Parallel()
	p := newPath(t)
	for i := range 8 {
		key := filepath.Join(p.dir, fmt.Sprintf("key%d", i))
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v: %s", err, out)
		}
		p.must("tunnel", "add", fmt.Sprintf("operator/wrong%d", i), "--server", "root@"+p.sshd.Addr, "--key", key)
	}
	for i := range 8 {
		name := fmt.Sprintf("operator/wrong%d", i)
		var v struct {
			State, Reason, Message, Remedy string
			Next                           time.Time `json:"next_attempt"`
		}
		eventually(t, 30*time.Second, name+" to be told apart", func() error {
			err := p.show(name, &v)
			refused := v.State == "blocked" && v.Reason == "login-refused" && strings.Contains(v.Message, "refused the key")
			waits := i > 0 && v.State == "waiting" && v.Reason == "login-postponed" && strings.Contains(v.Message, "operator/wrong0") &&
				strings.Contains(v.Remedy, "culvert tunnel why operator/wrong0 ")
			if err == nil && (!refused && !waits || v.Next.Before(time.Now())) {
				err = fmt.Errorf("it is %+v", v)
			}
			return err
		})
	}
	p.sshd.KillSessions()
	p.back(time.Now(), 30*time.Second)
	if n := strings.Count(p.sshd.Log(), "authenticating user root"); n > 3 {
		t.Errorf("the server refused %d logins:\n%s", n, p.sshd.Log())
	}
}

// Many tunnels to one sshd with its usual MaxStartups: none of their handshakes is dropped when it is started again, and
// all are up within 20 s; ceiling here 60.
func TestManyTunnelsComeBackTogether(t *testing.T) {
	t.Parallel()
	p := preparePath(t)
	n := long(200, 24)
	for i := range n {
		p.must("tunnel", "add", fmt.Sprintf("operator/t%d", i), "--server", "root@"+p.sshd.Addr, "--key", "host",
			"--expose", fmt.Sprintf("%d:%d", p.atPBX, 20000+i))
	}
	up := func() error {
		for i := range n {
			c, err := p.bed.Srv.Dial(t.Context(), net.JoinHostPort("127.0.0.1", fmt.Sprint(20000+i)))
			if err != nil {
				return fmt.Errorf("tunnel %d: %w", i, err)
			}
			c.Close()
		}
		return nil
	}
	eventually(t, 120*time.Second, "all to be up", up)
	p.sshd.Stop()
	p.waitState("operator/t0", "waiting", 20*time.Second)
	p.do(p.sshd.Start())
	started := time.Now()
	eventually(t, 60*time.Second, "all to be up again", up)
	t.Logf("%d tunnels up again %v after the server's start", n, time.Since(started))
	if log := p.sshd.Log(); strings.Contains(log, "drop connection") || strings.Contains(log, "beginning MaxStartups throttling") {
		t.Errorf("handshakes were dropped:\n%s", log)
	}
}
