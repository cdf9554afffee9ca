package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/host/netbed"
)

func stormLimits() []limit {
	return []limit{
		{goal: "G7", kinds: []string{"200 tunnels"}, figure: "back", asked: "200 tunnels after a restart of sshd ≤ 20 s", stat: "max", most: 20},
		{goal: "G7", kinds: []string{"200 tunnels"}, figure: "dropped", asked: "handshakes dropped by MaxStartups ≤ 1 %", stat: "max", most: 2},
		{goal: "G7", kinds: []string{"wrong password"}, figure: "failures", asked: "wrong password, 10 min: ≤ 6 failed logins", stat: "max", most: 6},
		{goal: "G7", kinds: []string{"wrong password"}, figure: "losses", asked: "and the 20 good tunnels beside it stay up", stat: "sum"},
		{goal: "G7", kinds: []string{"ban"}, figure: "back", asked: "15 s ban: good ones up ≤ 20 s after it", stat: "max", most: 20},
		{goal: "G8", figure: "false up", asked: "called up while no data flows ≤ 20 s", stat: "max", most: 20},
		{goal: "G8", figure: "false down", asked: "called down while data flows ≤ 2 s", stat: "max", most: 2},
	}
}

func stormBatches() []batch {
	return []batch{
		{goal: "G7", kind: "200 tunnels", want: 20, takes: 8 * time.Minute, run: massReconnect},
		{goal: "G7", kind: "ban", want: 20, takes: 3 * time.Minute, run: banned},
		{goal: "G7", kind: "wrong password", want: 5, takes: 13 * time.Minute, run: wrongPasswords, beside: true},
	}
}

// crowd is many tunnels with an expose mapping each to one sshd.
type crowd struct {
	w      *world
	sshd   *netbed.SSHD
	port   int
	names  []string
	probes []*netbed.Probe
}

// newCrowd makes one; everything is up when it returns.
func (w *world) newCrowd(ctx context.Context, number, port, tunnels int, every time.Duration, config ...string) (*crowd, error) {
	key, err := w.daemon.key(ctx)
	if err != nil {
		return nil, err
	}
	c := &crowd{w: w, port: port}
	if c.sshd, err = w.bed.SSHD(w.bed.Srv, netbed.SSHDOptions{Port: port, Keys: []string{key}, Config: config}); err != nil {
		return nil, err
	}
	echo, err := w.bed.Echo(w.bed.PBX, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	for i := range tunnels {
		name, exposed := fmt.Sprintf("operator/c%d-%d", number, i), 20000+1000*number+i
		if _, err := w.daemon.cli(ctx, "", "tunnel", "add", name, "--server", "root@"+c.sshd.Addr, "--key", "host", "--expose", fmt.Sprintf("e=%d:%d", echo, exposed)); err != nil {
			return nil, err
		}
		c.names = append(c.names, name)
		c.probes = append(c.probes, w.bed.Probe(netbed.ProbeOptions{From: w.bed.Srv, Addr: local(exposed), Every: every}))
	}
	return c, w.daemon.allUp(ctx, 3*time.Minute)
}

// back waits for data through every mapping and returns how long the last one took.
func (c *crowd) back(ctx context.Context, since time.Time) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var mu sync.Mutex
	var last time.Duration
	var failed error
	var all sync.WaitGroup
	for i, p := range c.probes {
		all.Go(func() {
			up, err := p.WaitUp(ctx, since)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				last, failed = patience, errors.Join(failed, fmt.Errorf("%s is not back", c.names[i]))
				return
			}
			last = max(last, up.Sub(since))
		})
	}
	all.Wait()
	return last, failed
}

func (c *crowd) forget() {
	for _, p := range c.probes {
		p.Forget(time.Now())
	}
}

// massReconnect restarts an sshd with its default MaxStartups under 200 tunnels.
func massReconnect(ctx context.Context, s *session) error {
	w, err := s.newWorld(ctx, worldOptions{})
	if err != nil {
		return err
	}
	defer w.close()
	c, err := w.newCrowd(ctx, 0, 2222, 200, 500*time.Millisecond)
	if err != nil {
		return err
	}
	for range 5 {
		pause(ctx, 12*time.Second)
		c.sshd.Stop()
		pause(ctx, 2*time.Second)
		if err := c.sshd.Start(); err != nil {
			return err
		}
		took, err := c.back(ctx, time.Now())
		if ctx.Err() != nil {
			return ctx.Err()
		}
		log := c.sshd.Log()
		dropped := strings.Count(log, "drop connection") + strings.Count(log, "past MaxStartups")
		s.trial("G7", "200 tunnels", map[string]float64{"back": took.Seconds(), "dropped": float64(dropped)}, err)
		c.forget()
		if err := w.daemon.allUp(ctx, 2*time.Minute); err != nil {
			return err
		}
	}
	return nil
}

// addWrong adds a tunnel to the crowd's sshd whose password is wrong.
func (c *crowd) addWrong(ctx context.Context, name string) error {
	_, err := c.w.daemon.cli(ctx, "wrong\n", "tunnel", "add", name, "--server", "root@"+c.sshd.Addr, "--password-stdin")
	return err
}

func (c *crowd) failures() float64 { return float64(strings.Count(c.sshd.Log(), "Failed password")) }

// wrongPasswords has a tunnel with a wrong password beside 20 good ones, at five servers, for ten minutes.
func wrongPasswords(ctx context.Context, s *session) error {
	w, err := s.newWorld(ctx, worldOptions{})
	if err != nil {
		return err
	}
	defer w.close()
	var all []*crowd
	for i := range 5 {
		c, err := w.newCrowd(ctx, i, 2222+i, 20, 2*time.Second, "PasswordAuthentication yes")
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	began := time.Now()
	for i, c := range all {
		if err := c.addWrong(ctx, fmt.Sprintf("operator/wrong%d", i)); err != nil {
			return err
		}
	}
	pause(ctx, 10*time.Minute)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, c := range all {
		losses := 0.0
		for _, name := range c.names {
			for _, said := range w.words.of(name) {
				if said.At.After(began) && notUp(said) {
					losses++
				}
			}
		}
		s.trial("G7", "wrong password", map[string]float64{"failures": c.failures(), "losses": losses}, nil)
	}
	return nil
}

// banned has a server ban the PBX's address for 15 s, as those do that penalise failed logins, just when all links are lost.
func banned(ctx context.Context, s *session) error {
	w, err := s.newWorld(ctx, worldOptions{})
	if err != nil {
		return err
	}
	defer w.close()
	c, err := w.newCrowd(ctx, 0, 2222, 20, 200*time.Millisecond, "PasswordAuthentication yes")
	if err != nil {
		return err
	}
	if err := c.addWrong(ctx, "operator/wrong"); err != nil {
		return err
	}
	for range 5 {
		pause(ctx, 11*time.Second)
		if err := w.bed.Ban(c.port); err != nil {
			return err
		}
		c.sshd.KillSessions()
		pause(ctx, 15*time.Second)
		if err := w.bed.Heal(c.port); err != nil {
			return err
		}
		took, err := c.back(ctx, time.Now())
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.trial("G7", "ban", map[string]float64{"back": took.Seconds()}, err)
		c.forget()
	}
	return nil
}
