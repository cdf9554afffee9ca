package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/culvert-pbx/culvert/host/netbed"
)

// banner is how an SSH server begins.
const banner = "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"

// mutes are servers that take a connection and then hang, each in its own manner, until the other end is gone.
var mutes = []struct {
	kind  string
	serve func(net.Conn)
}{
	{"accepts", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }},
	{"banner", func(c net.Conn) {
		_, _ = c.Write([]byte(banner))
		_, _ = io.Copy(io.Discard, c)
	}},
	{"half a key exchange", func(c net.Conn) {
		_, _ = c.Write([]byte(banner + "\x00\x00\x03\xfc\x08\x14half of a list"))
		_, _ = io.Copy(io.Discard, c)
	}},
	{"a byte a second", func(c net.Conn) {
		go func() {
			for _, b := range []byte(banner) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		_, _ = io.Copy(io.Discard, c)
	}},
}

func hangLimits() []limit {
	var kinds []string
	for _, m := range mutes {
		kinds = append(kinds, m.kind)
	}
	return []limit{
		{goal: "G6", kinds: kinds, figure: "attempt", asked: "an attempt at a hanging sshd ends ≤ 10 s", stat: "max", most: 10.5},
		{goal: "G6", kinds: kinds, figure: "descriptors", asked: "no file descriptor left", stat: "max", most: 0},
		{goal: "G6", kinds: []string{"frozen session", "frozen host"}, figure: "noticed", asked: "a frozen sshd is noticed ≤ 30 s", stat: "max", most: 30},
		{goal: "G6", kinds: []string{"frozen session", "frozen host"}, figure: "back", asked: "after thaw ≤ 20 s", stat: "max", most: 20},
		{goal: "G17", figure: "back", asked: "after the daemon's own sleep ≤ 20 s", stat: "max", most: 20},
		{goal: "G17", figure: "sessions", asked: "and one session of each tunnel", stat: "max", most: 1},
	}
}

func hangBatches() []batch {
	var all []batch
	for _, m := range mutes {
		all = append(all, batch{goal: "G6", kind: m.kind, want: 50, takes: 2 * time.Minute, run: mute(m.kind, m.serve)})
	}
	all = append(all,
		batch{goal: "G6", kind: "frozen session", want: 50, takes: 3 * time.Minute, run: frozen("frozen session", false)},
		batch{goal: "G6", kind: "frozen host", want: 50, takes: 3 * time.Minute, run: frozen("frozen host", true)})
	for _, d := range []time.Duration{30 * time.Second, 90 * time.Second, 10 * time.Minute} {
		kind := fmt.Sprintf("asleep %v", d)
		all = append(all, batch{goal: "G17", kind: kind, want: side, takes: d + time.Minute, run: asleep(kind, d)})
	}
	return all
}

// mute lets 25 tunnels try servers that hang, twice: what the daemon still holds after the second time and did not after
// the first is lost.
func mute(kind string, serve func(net.Conn)) func(context.Context, *session) error {
	return func(ctx context.Context, s *session) error {
		w, err := s.newWorld(ctx, worldOptions{})
		if err != nil {
			return err
		}
		defer w.close()
		var attempts []float64
		var left [2]int
		for i := range left {
			some, err := w.muted(ctx, serve)
			if err != nil {
				return err
			}
			attempts = append(attempts, some...)
			left[i] = w.daemon.resting(ctx)
		}
		for _, seconds := range attempts {
			s.trial("G6", kind, map[string]float64{"attempt": seconds, "descriptors": float64(max(0, left[1]-left[0]))}, nil)
		}
		return ctx.Err()
	}
}

// muted adds tunnels to 25 such servers, waits for an attempt at each and removes them.
func (w *world) muted(ctx context.Context, serve func(net.Conn)) (attempts []float64, err error) {
	const lanes = 25
	took := make(chan time.Duration, 1000)
	for i := range lanes {
		l, err := w.bed.Srv.Listen(fmt.Sprintf("%s:%d", netbed.SrvAddr, 2200+i))
		if err != nil {
			return nil, err
		}
		defer l.Close()
		go hang(l, serve, took)
		if _, err := w.daemon.cli(ctx, "", "tunnel", "add", fmt.Sprintf("operator/t%d", i), "--server", "root@"+l.Addr().String(), "--key", "host"); err != nil {
			return nil, err
		}
	}
	for len(attempts) < lanes {
		select {
		case d := <-took:
			attempts = append(attempts, d.Seconds())
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	for i := range lanes {
		if _, err := w.daemon.cli(ctx, "", "tunnel", "remove", fmt.Sprintf("operator/t%d", i)); err != nil {
			return nil, err
		}
	}
	return attempts, nil
}

// resting is how many descriptors the daemon holds when that has not changed for three seconds.
func (d *daemon) resting(ctx context.Context) int {
	last, since := d.descriptors(), time.Now()
	for until := since.Add(20 * time.Second); time.Since(since) < 3*time.Second && time.Now().Before(until); pause(ctx, 200*time.Millisecond) {
		if now := d.descriptors(); now != last {
			last, since = now, time.Now()
		}
	}
	return last
}

// hang serves until the listener is closed, and says how long each connection lasted.
func hang(l net.Listener, serve func(net.Conn), took chan<- time.Duration) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			began := time.Now()
			serve(c)
			select {
			case took <- time.Since(began):
			default:
			}
		}()
	}
}

// descriptors are how many files and sockets the daemon has open.
func (d *daemon) descriptors() int {
	all, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", d.cmd.Process.Pid))
	return len(all)
}

// frozen stops the session, or the whole sshd, for 25 to 40 s: its kernel acknowledges everything meanwhile.
func frozen(kind string, host bool) func(context.Context, *session) error {
	return func(ctx context.Context, s *session) error {
		w, err := s.newWorld(ctx, worldOptions{lanes: side + 5})
		if err != nil {
			return err
		}
		defer w.close()
		w.each(func(l *lane) {
			if l.settle(ctx, l.between(time.Second, 15*time.Second)) == nil {
				l.freeze(ctx, kind, host)
			}
		})
		return ctx.Err()
	}
}

func (l *lane) freeze(ctx context.Context, kind string, host bool) {
	began := time.Now()
	if host {
		l.sshd.FreezeListener()
	}
	l.sshd.Freeze()
	wait, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	figures := map[string]float64{"noticed": 60}
	if said, err := l.w.words.wait(wait, l.tunnel, began, notUp); err == nil {
		figures["noticed"] = said.At.Sub(began).Seconds()
	}
	pause(ctx, time.Until(began.Add(l.between(25*time.Second, 40*time.Second))))
	l.sshd.Thaw()
	l.sshd.ThawListener()
	expose, reach, err := l.back(ctx, time.Now(), patience)
	if ctx.Err() != nil {
		return
	}
	figures["back"] = max(expose, reach).Seconds()
	l.w.s.trial("G6", kind, figures, err)
	if l.settle(ctx, time.Second) == nil {
		l.honest("G6", began)
	}
}

// asleep stops the daemon itself, as a host that sleeps does.
func asleep(kind string, long time.Duration) func(context.Context, *session) error {
	return func(ctx context.Context, s *session) error {
		w, err := s.newWorld(ctx, worldOptions{lanes: side, every: 500 * time.Millisecond})
		if err != nil {
			return err
		}
		defer w.close()
		pause(ctx, 5*time.Second)
		w.daemon.freeze(true)
		pause(ctx, long)
		w.daemon.freeze(false)
		thawed := time.Now()
		w.each(func(l *lane) {
			expose, reach, err := l.back(ctx, thawed, patience)
			sessions := 0
			_ = until(ctx, 20*time.Second, func() error {
				if sessions = len(l.sshd.Sessions()); sessions != 1 {
					return errors.New("more than one")
				}
				return nil
			})
			s.trial("G17", kind, map[string]float64{"back": max(expose, reach).Seconds(), "sessions": float64(sessions)}, err)
		})
		return ctx.Err()
	}
}
