package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/host/netbed"
)

// world is a bed with a daemon and lanes through it: an sshd with a tunnel each, so that one lane can be broken alone.
type world struct {
	s      *session
	bed    *netbed.Bed
	daemon *daemon
	words  *words
	lanes  []*lane
	chance *rand.Rand // of the goroutine that runs the batch

	cancel context.CancelFunc
	all    sync.WaitGroup
}

// lane is one tunnel with a mapping each way, and the probers that say whether they carry data.
type lane struct {
	w             *world
	tunnel        string
	port          int // of the sshd
	exposed       int // at the site
	local         int // at the PBX
	sshd          *netbed.SSHD
	expose, reach *netbed.Probe
	chance        *rand.Rand
}

// worldOptions say what a world has; the zero one has nothing but a daemon.
type worldOptions struct {
	lanes  int
	every  time.Duration // of the probers, default 100 ms; below zero: none
	within time.Duration // of the probers, default 2 s
	config []string      // of the sshds
	before func(*world) error
}

// newWorld makes a world whose tunnels are all up.
func (s *session) newWorld(ctx context.Context, o worldOptions) (w *world, err error) {
	bed, err := netbed.New()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	w = &world{s: s, bed: bed, chance: s.chance(), cancel: cancel}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.daemon, err = s.newDaemon(ctx, bed); err != nil {
		return nil, err
	}
	if w.words, err = w.daemon.follow(ctx); err != nil {
		return nil, err
	}
	w.all.Go(func() { w.watchListeners(ctx) })
	if o.before != nil {
		if err := o.before(w); err != nil {
			return nil, err
		}
	}
	return w, w.addLanes(ctx, o)
}

// close ends everything of the world.
func (w *world) close() {
	w.cancel()
	w.all.Wait()
	if w.daemon != nil {
		w.daemon.stop()
		os.RemoveAll(w.daemon.dir)
	}
	w.bed.Close()
}

func (w *world) addLanes(ctx context.Context, o worldOptions) error {
	if o.lanes == 0 {
		return nil
	}
	key, err := w.daemon.key(ctx)
	if err != nil {
		return err
	}
	atPBX, err := w.bed.Echo(w.bed.PBX, "127.0.0.1:0")
	if err != nil {
		return err
	}
	atSite, err := w.bed.Echo(w.bed.Srv, "127.0.0.1:0")
	if err != nil {
		return err
	}
	for i := range o.lanes {
		l := &lane{w: w, tunnel: fmt.Sprintf("operator/t%d", i), port: 2200 + i, exposed: 9000 + i, local: 11000 + i,
			chance: rand.New(rand.NewPCG(w.chance.Uint64(), uint64(i)))}
		if l.sshd, err = w.bed.SSHD(w.bed.Srv, netbed.SSHDOptions{Port: l.port, Keys: []string{key}, Config: o.config}); err != nil {
			return err
		}
		if err := l.add(ctx, atPBX, atSite); err != nil {
			return err
		}
		w.lanes = append(w.lanes, l)
	}
	if err := w.daemon.allUp(ctx, 90*time.Second); err != nil {
		return err
	}
	for _, l := range w.lanes {
		l.probe(o)
	}
	return nil
}

func (l *lane) add(ctx context.Context, atPBX, atSite int) error {
	_, err := l.w.daemon.cli(ctx, "", "tunnel", "add", l.tunnel, "--server", "root@"+l.sshd.Addr, "--key", "host",
		"--expose", fmt.Sprintf("e=%d:%d", atPBX, l.exposed), "--reach", fmt.Sprintf("r=%d:127.0.0.1:%d", l.local, atSite))
	return err
}

func (l *lane) probe(o worldOptions) {
	if o.every < 0 {
		return
	}
	bed := l.w.bed
	l.expose = bed.Probe(netbed.ProbeOptions{From: bed.Srv, Addr: local(l.exposed), Every: o.every, Within: o.within})
	l.reach = bed.Probe(netbed.ProbeOptions{From: bed.PBX, Addr: local(l.local), Every: o.every, Within: o.within})
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// each does the same in every lane at once and waits.
func (w *world) each(f func(*lane)) {
	var all sync.WaitGroup
	for _, l := range w.lanes {
		all.Go(func() { f(l) })
	}
	all.Wait()
}

// between is a time that chance chooses.
func (l *lane) between(from, to time.Duration) time.Duration {
	return from + time.Duration(l.chance.Int64N(int64(to-from)))
}

// back waits until data flows through both mappings, asked after since, and returns how long after it that was for each.
func (l *lane) back(ctx context.Context, since time.Time, within time.Duration) (expose, reach time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	one, err := l.expose.WaitUp(ctx, since)
	if err != nil {
		return within, within, fmt.Errorf("%s: no data through expose within %v: %s", l.tunnel, within, l.state())
	}
	two, err := l.reach.WaitUp(ctx, since)
	if err != nil {
		return one.Sub(since), within, fmt.Errorf("%s: no data through reach within %v: %s", l.tunnel, within, l.state())
	}
	return one.Sub(since), two.Sub(since), nil
}

// state is what the daemon says of the lane's tunnel now, in words.
func (l *lane) state() string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	v, err := l.w.daemon.show(ctx, l.tunnel)
	if err != nil {
		return err.Error()
	}
	text := fmt.Sprintf("%s (%s) %s", v.State, v.Reason, v.Message)
	for _, m := range v.Mappings {
		text += fmt.Sprintf("; %s %s (%s) %s", m.Name, m.State, m.Reason, m.Message)
	}
	return text
}

// settle waits until the tunnel is called up and data flows, and then so long.
func (l *lane) settle(ctx context.Context, then time.Duration) error {
	if _, _, err := l.back(ctx, time.Now(), 2*time.Minute); err != nil {
		return err
	}
	if err := until(ctx, time.Minute, func() error {
		if !l.w.words.up(l.tunnel) {
			return fmt.Errorf("%s is not called up", l.tunnel)
		}
		return nil
	}); err != nil {
		return err
	}
	pause(ctx, then)
	return ctx.Err()
}
