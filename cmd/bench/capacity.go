package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// Ports of the tunnels that are measured in numbers.
const (
	firstLocal  = 21000
	firstRemote = 25000
)

// each is how much passes through every tunnel, each way, before its memory is read.
const each = 1 << 20

// memory measures what one tunnel costs in the daemon once it has carried something and rests again, beside what one ssh
// process costs.
func (b *bench) memory(ctx context.Context) error {
	what := fmt.Sprintf("memory of a tunnel, of %d, %v after 1 MB through each", b.tunnels, b.settle)
	if b.tunnels == 0 || !b.begin(what) {
		return nil
	}
	r, err := newSite(ctx)
	if err != nil {
		return err
	}
	defer r.close()
	for _, step := range []func(context.Context) error{r.startClient, r.startDaemon} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	empty, err := rss(r.daemon.Process.Pid)
	if err != nil {
		return err
	}
	for i := range b.tunnels {
		if err := r.addNumbered(ctx, i, false); err != nil {
			return err
		}
	}
	if err := r.allUp(ctx, b.tunnels); err != nil {
		return err
	}
	if err := r.carryThrough(ctx, b.tunnels); err != nil {
		return err
	}
	if err := carry(ctx, r.sshR, each); err != nil {
		return err
	}
	wait(ctx, b.settle)
	full, err := rss(r.daemon.Process.Pid)
	if err != nil {
		return err
	}
	theirs, err := rss(r.client.Process.Pid)
	if err != nil {
		return err
	}
	ours := (full - empty) / float64(b.tunnels)
	b.rows = append(b.rows, row{what: what, unit: "KB", culvert: ours, ssh: theirs, ratio: ours / theirs, lo: ours / theirs, hi: ours / theirs})
	return nil
}

// capacity measures a daemon that starts with very many tunnels of two mappings each.
func (b *bench) capacity(ctx context.Context) error {
	what := fmt.Sprintf("%d tunnels of two mappings", b.many)
	if b.many == 0 || !b.begin(what) {
		return nil
	}
	r, err := newSite(ctx)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.startDaemon(ctx); err != nil {
		return err
	}
	for i := range b.many {
		if err := r.addNumbered(ctx, i, true); err != nil {
			return err
		}
	}
	if err := r.stopDaemon(); err != nil {
		return err
	}
	began := time.Now()
	if r.daemon, err = r.start(r.path("culvertd"), r.daemonArgs()...); err != nil {
		return err
	}
	if err := r.allUp(ctx, b.many); err != nil {
		return err
	}
	up := time.Since(began)
	if err := r.carryThrough(ctx, b.many); err != nil {
		return err
	}
	wait(ctx, time.Minute)
	idle, err := r.idleCPU(ctx, time.Minute)
	if err != nil {
		return err
	}
	held, err := rss(r.daemon.Process.Pid)
	if err != nil {
		return err
	}
	b.rows = append(b.rows,
		row{what: what + ": all up after", unit: "s", culvert: up.Seconds(), digits: 1},
		row{what: what + ": memory of the daemon after 1 MB through each", unit: "MB", culvert: held / 1e3},
		row{what: what + ": of a core when idle", unit: "%", culvert: idle * 100, digits: 1})
	return nil
}

// addNumbered adds the i-th of many tunnels: an exposed port and, where it is to have two mappings, a local one.
func (r *rig) addNumbered(ctx context.Context, i int, two bool) error {
	args := []string{"tunnel", "add", fmt.Sprintf("operator/t%d", i), "--server", r.server(), "--key", "host",
		"--expose", fmt.Sprintf("%d:%d", r.servicePort, firstRemote+i)}
	if two {
		args = append(args, "--reach", fmt.Sprintf("%d:127.0.0.1:%d", firstLocal+i, r.servicePort))
	}
	_, err := r.culvert(ctx, args...)
	return err
}

// allUp waits until n tunnels are up.
func (r *rig) allUp(ctx context.Context, n int) error {
	return within(ctx, 5*time.Minute, func() error {
		out, err := r.culvert(ctx, "tunnel", "list", "-o", "json")
		if err != nil {
			return err
		}
		var all []struct{ State string }
		if err := json.Unmarshal([]byte(out), &all); err != nil {
			return err
		}
		up := 0
		for _, t := range all {
			if t.State == "up" {
				up++
			}
		}
		if up < n {
			return fmt.Errorf("%d of %d tunnels are up", up, n)
		}
		return nil
	})
}

// carryThrough moves a megabyte each way through the exposed port of each of n tunnels.
func (r *rig) carryThrough(ctx context.Context, n int) error {
	for i := range n {
		if err := carry(ctx, firstRemote+i, each); err != nil {
			return fmt.Errorf("through tunnel %d: %w", i, err)
		}
	}
	return nil
}

// idleCPU is the share of one core that the daemon uses over a time.
func (r *rig) idleCPU(ctx context.Context, over time.Duration) (float64, error) {
	before, err := cpuTime(r.daemon.Process.Pid)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	wait(ctx, over)
	after, err := cpuTime(r.daemon.Process.Pid)
	return (after - before).Seconds() / time.Since(began).Seconds(), err
}

// stopDaemon ends the daemon, which then no longer counts as started.
func (r *rig) stopDaemon() error {
	r.processes = r.processes[:len(r.processes)-1]
	_ = r.daemon.Process.Signal(syscall.SIGTERM)
	ended := make(chan error, 1)
	go func() { ended <- r.daemon.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-time.After(20 * time.Second):
		return errors.Join(errors.New("the daemon does not end"), r.daemon.Process.Kill())
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// within asks again until ok has no error, for at most most.
func within(ctx context.Context, most time.Duration, ok func() error) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for {
		err := ok()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}
