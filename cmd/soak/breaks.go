package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/culvert-pbx/culvert/host/netbed"
)

// patience is how long a trial waits for data to flow again; what has not come by then counts as if it had come then.
const patience = 240 * time.Second

// side is how many lanes a bed has for trials beside each other.
const side = 20

func breakLimits() []limit {
	visible, away := []string{"kill", "ss -K"}, []string{"reset", "restart"} // away: refused for a while
	silent := []string{"5 s", "15 s", "30 s", "60 s", "150 s", "300 s", "to server", "from server", "15 s quiet", "30 s quiet", "60 s quiet"}
	return []limit{
		{goal: "G1", figure: "gap", asked: "a packet at least every 20.5 s", stat: "max", most: 20.5},
		{goal: "G2", kinds: visible, figure: "noticed", asked: "noticed ≤ 0.2 s p99", stat: "p99", most: 0.2},
		{goal: "G2", kinds: visible, figure: "back", asked: "data again p50 ≤ 0.3 s", stat: "p50", most: 0.3},
		{goal: "G2", kinds: visible, figure: "back", asked: "data again p99 ≤ 1 s", stat: "p99", most: 1},
		{goal: "G2", kinds: away, figure: "back", asked: "data again p50 ≤ 0.3 s", stat: "p50", most: 0.3},
		{goal: "G2", kinds: away, figure: "back", asked: "data again p99 ≤ 1 s", stat: "p99", most: 1},
		{goal: "G2", kinds: []string{"12 in a row"}, figure: "back", asked: "each of 12 breaks in a row ≤ 15 s", stat: "max", most: 15},
		{goal: "G3", kinds: silent, figure: "noticed", asked: "noticed ≤ 11 s p99", stat: "p99", most: 11},
		{goal: "G3", kinds: silent, figure: "noticed", asked: "noticed ≤ 20 s", stat: "max", most: 20},
		{goal: "G3", kinds: silent, figure: "back", asked: "after heal p50 ≤ 4 s", stat: "p50", most: 4},
		{goal: "G3", kinds: silent, figure: "back", asked: "after heal p99 ≤ 10 s", stat: "p99", most: 10},
		{goal: "G3", kinds: silent, figure: "back", asked: "after heal ≤ 20 s", stat: "max", most: 20},
		{goal: "G3", kinds: []string{"NAT"}, figure: "back", asked: "router forgot: ≤ 20 s in all", stat: "max", most: 20},
		{goal: "G4", kinds: []string{"blip"}, figure: "rebuilt", asked: "cuts ≤ 5 s: no rebuild", stat: "sum"},
		{goal: "G4", kinds: []string{"blip"}, figure: "broken", asked: "cuts ≤ 5 s: no stream broken", stat: "sum"},
		{goal: "G4", kinds: []string{lossyWay}, figure: "alarms", asked: "20 min at 600 ms and 5 % loss: no false alarm", stat: "sum"},
		{goal: "G5", kinds: []string{"30 s", "30 s quiet", "60 s", "60 s quiet", "150 s", "300 s"}, figure: "port", asked: "port regained ≤ 6 s after heal in 99 %", stat: "p99", most: 6},
		{goal: "G5", kinds: []string{"held"}, figure: "regained", asked: "held by another: regained ≤ 15 s after release", stat: "max", most: 15},
		{goal: "G5", kinds: []string{"held"}, figure: "unnamed", asked: "held by another: named, the rest up", stat: "sum"},
	}
}

func breakBatches() []batch {
	var all []batch
	for _, c := range []struct {
		kind string
		cut  func(*lane) error
		want int
	}{
		{"kill", kill, 200}, {"ss -K", resetSockets, 100}, {"reset", resetPath, 100}, {"restart", restart, 100},
	} {
		all = append(all, batch{goal: "G2", kind: c.kind, want: c.want, takes: 80 * time.Second, run: visible(c.kind, c.cut)})
	}
	all = append(all, batch{goal: "G2", kind: "12 in a row", want: 12 * side / 2, takes: 4 * time.Minute, run: inARow})
	for _, c := range []silentCut{
		{goal: "G3", kind: "5 s", cut: 5 * time.Second, want: 60}, {goal: "G3", kind: "15 s", cut: 15 * time.Second, want: 40},
		{goal: "G3", kind: "30 s", cut: 30 * time.Second, want: 100}, {goal: "G3", kind: "60 s", cut: 60 * time.Second, want: 40},
		{goal: "G3", kind: "15 s quiet", cut: 15 * time.Second, want: 40, quiet: true},
		{goal: "G3", kind: "30 s quiet", cut: 30 * time.Second, want: 40, quiet: true},
		{goal: "G3", kind: "60 s quiet", cut: 60 * time.Second, want: 40, quiet: true},
		{goal: "G3", kind: "150 s", cut: 150 * time.Second, want: 100}, {goal: "G3", kind: "300 s", cut: 300 * time.Second, want: 100},
		{goal: "G3", kind: "to server", cut: 30 * time.Second, want: 60, way: netbed.ToServer},
		{goal: "G3", kind: "from server", cut: 30 * time.Second, want: 60, way: netbed.FromServer},
	} {
		all = append(all, batch{goal: c.goal, kind: c.kind, also: "G5", want: c.want, takes: c.cut + 90*time.Second, run: c.run})
	}
	return append(all,
		batch{goal: "G3", kind: "NAT", want: 60, takes: 90 * time.Second, run: natLoss},
		batch{goal: "G4", kind: "blip", want: 100, takes: 90 * time.Second, run: blips},
		batch{goal: "G5", kind: "held", want: 20, takes: 2 * time.Minute, run: heldPort},
		batch{goal: "G1", kind: "idle", want: 1, takes: 11 * time.Minute, run: cadence, beside: true},
		batch{goal: "G4", kind: lossyWay, want: 16, takes: 22 * time.Minute, run: longLossy, beside: true},
	)
}

func kill(l *lane) error {
	if l.sshd.KillSessions() == 0 {
		return errors.New("there was no session")
	}
	return nil
}

func resetSockets(l *lane) error {
	n, err := l.w.bed.ResetSessions(l.port)
	if err == nil && n == 0 {
		err = errors.New("there was no connection")
	}
	return err
}

func resetPath(l *lane) error {
	if err := l.w.bed.CutRST(l.port); err != nil {
		return err
	}
	time.Sleep(3 * time.Second)
	return l.w.bed.Heal(l.port)
}

func restart(l *lane) error {
	l.sshd.Stop()
	return l.sshd.Start()
}

// visible breaks a link that has lived 10 s in a manner that both ends see.
func visible(kind string, cut func(*lane) error) func(context.Context, *session) error {
	return func(ctx context.Context, s *session) error {
		w, err := s.newWorld(ctx, worldOptions{lanes: side})
		if err != nil {
			return err
		}
		defer w.close()
		w.each(func(l *lane) {
			for range 3 {
				if err := l.settle(ctx, l.between(10500*time.Millisecond, 15*time.Second)); err != nil {
					return
				}
				l.visible(ctx, "G2", kind, cut)
			}
		})
		return ctx.Err()
	}
}

// visible is one trial: the cut is over when cut returns.
func (l *lane) visible(ctx context.Context, goal, kind string, cut func(*lane) error) {
	began := time.Now()
	if err := cut(l); err != nil {
		l.w.s.trial(goal, kind, nil, err)
		return
	}
	healed := time.Now()
	expose, reach, err := l.back(ctx, healed.Add(time.Millisecond), patience)
	if ctx.Err() != nil {
		return
	}
	figures := map[string]float64{"back": max(expose, reach).Seconds()}
	if noticed, ok := l.noticed(began); ok {
		figures["noticed"] = noticed.Seconds()
	}
	l.w.s.trial(goal, kind, figures, err)
	if l.settle(ctx, time.Second) == nil {
		l.honest(goal, began)
	}
}

// noticed is when the daemon first called the tunnel not up after since.
func (l *lane) noticed(since time.Time) (time.Duration, bool) {
	for _, said := range l.w.words.of(l.tunnel) {
		if !said.At.Before(since) && notUp(said) {
			return said.At.Sub(since), true
		}
	}
	return 0, false
}

// inARow breaks each link twelve times, each time as soon as it is up again.
func inARow(ctx context.Context, s *session) error {
	w, err := s.newWorld(ctx, worldOptions{lanes: side / 2})
	if err != nil {
		return err
	}
	defer w.close()
	w.each(func(l *lane) {
		for range 12 {
			if l.settle(ctx, 0) != nil {
				return
			}
			l.visible(ctx, "G2", "12 in a row", kill)
		}
	})
	return ctx.Err()
}

// silentCut is a cut that tells nobody.
type silentCut struct {
	goal, kind string
	cut        time.Duration
	way        netbed.Direction // "" for both
	quiet      bool             // nobody asks while the path is dead
	want       int
}

func (c silentCut) run(ctx context.Context, s *session) error {
	w, err := s.newWorld(ctx, worldOptions{lanes: side})
	if err != nil {
		return err
	}
	defer w.close()
	rounds := max(1, int(time.Minute/c.cut)/2)
	w.each(func(l *lane) {
		for range rounds {
			if err := l.settle(ctx, l.between(5*time.Second, 15*time.Second)); err != nil {
				s.trial(c.goal, c.kind, nil, err)
				return
			}
			c.try(ctx, l)
		}
	})
	return ctx.Err()
}

func (c silentCut) try(ctx context.Context, l *lane) {
	bed, before := l.w.bed, time.Now()
	if c.quiet {
		l.expose.Rest(true)
		l.reach.Rest(true)
		pause(ctx, l.between(5*time.Second, 10*time.Second))
	}
	err := bed.CutSilent(l.port)
	if c.way != "" {
		err = errors.Join(bed.Heal(l.port), bed.CutOneWay(l.port, c.way))
	}
	cut := time.Now()
	pause(ctx, c.cut)
	err = errors.Join(err, bed.Heal(l.port))
	healed := time.Now()
	l.expose.Rest(false)
	l.reach.Rest(false)
	if err != nil || ctx.Err() != nil {
		l.w.s.trial(c.goal, c.kind, nil, err)
		return
	}
	expose, reach, err := l.back(ctx, healed, patience)
	if ctx.Err() != nil {
		return
	}
	figures := map[string]float64{"back": max(expose, reach).Seconds()}
	if noticed, ok := l.noticed(cut); ok && noticed < c.cut {
		figures["noticed"] = noticed.Seconds()
	} else if c.cut > 20*time.Second {
		figures["noticed"] = c.cut.Seconds()
	}
	l.w.s.trial(c.goal, c.kind, figures, err)
	l.w.s.trial("G5", c.kind, map[string]float64{"port": expose.Seconds()}, nil)
	if l.settle(ctx, time.Second) == nil && !c.quiet {
		l.honest(c.goal, before)
	}
}

// natLoss has the router forget all links at once.
func natLoss(ctx context.Context, s *session) error {
	w, err := s.newWorld(ctx, worldOptions{lanes: side, before: func(w *world) error { return w.bed.NATOn() }})
	if err != nil {
		return err
	}
	defer w.close()
	pause(ctx, 11*time.Second)
	began := time.Now()
	if err := w.bed.NATForget(); err != nil {
		return err
	}
	w.each(func(l *lane) {
		down, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		since, err := l.expose.WaitDown(down, began)
		if err != nil {
			since = began
		}
		expose, reach, err := l.back(ctx, since, patience)
		s.trial("G3", "NAT", map[string]float64{"back": (since.Sub(began) + max(expose, reach)).Seconds()}, err)
		if l.settle(ctx, time.Second) == nil {
			l.honest("G3", began)
		}
	})
	return ctx.Err()
}

// heldPort has another program hold the port at the site for a minute.
func heldPort(ctx context.Context, s *session) error {
	w, err := s.newWorld(ctx, worldOptions{lanes: side})
	if err != nil {
		return err
	}
	defer w.close()
	w.each(func(l *lane) {
		if err := l.held(ctx); err != nil && ctx.Err() == nil {
			s.trial("G5", "held", nil, err)
		}
	})
	return ctx.Err()
}

func (l *lane) held(ctx context.Context) error {
	if err := l.settle(ctx, l.between(time.Second, 5*time.Second)); err != nil {
		return err
	}
	if _, err := l.w.daemon.cli(ctx, "", "tunnel", "disable", l.tunnel); err != nil {
		return err
	}
	release, err := l.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	if _, err := l.w.daemon.cli(ctx, "", "tunnel", "enable", l.tunnel); err != nil {
		return err
	}
	pause(ctx, time.Minute)
	unnamed := 0.0
	if text := l.state(); !strings.Contains(text, "e down (remote-port-held)") || !strings.Contains(text, "r up") {
		unnamed = 1
		err = fmt.Errorf("held for a minute, it is %s", text)
	}
	release()
	expose, _, late := l.back(ctx, time.Now(), patience)
	l.w.s.trial("G5", "held", map[string]float64{"regained": expose.Seconds(), "unnamed": unnamed}, errors.Join(err, late))
	return nil
}

// take listens at the lane's port of the site as soon as that is free.
func (l *lane) take(ctx context.Context) (release func(), err error) {
	var all []func()
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		err := until(ctx, 20*time.Second, func() error {
			at, err := l.w.bed.Srv.Listen(fmt.Sprintf("%s:%d", host, l.exposed))
			if err == nil {
				all = append(all, func() { at.Close() })
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return func() {
		for _, f := range all {
			f()
		}
	}, nil
}
