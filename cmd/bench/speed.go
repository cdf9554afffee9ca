package main

import (
	"context"
	"fmt"
	"os/exec"
	"time"
)

// sample is one round of one side.
type sample struct {
	rate float64 // in the unit of its row
	cpu  float64 // seconds of processor per GB
}

// path is one way to the same service: through Culvert or through ssh.
type path struct{ culvert, ssh int }

// load puts one round of work on a port. moved is how many bytes it carried, 0 where that says nothing.
type load func(ctx context.Context, port int, length time.Duration) (rate float64, moved int64, err error)

// speed measures connections, streams and round trips.
func (b *bench) speed(ctx context.Context) error {
	r, err := newRig(ctx)
	if err != nil {
		return err
	}
	defer r.close()
	expose, reach := path{r.culvertR, r.sshR}, path{r.culvertL, r.sshL}
	for _, m := range []struct {
		what string
		p    path
		f    load
		unit string
	}{
		{"expose (-R): connections, one at a time", expose, connections(1), "1/s"},
		{"expose (-R): connections, 32 at a time", expose, connections(32), "1/s"},
		{"reach (-L): connections, one at a time", reach, connections(1), "1/s"},
		{"reach (-L): connections, 32 at a time", reach, connections(32), "1/s"},
		{"expose (-R): PBX to site, 1 stream", expose, receive(1), "MB/s"},
		{"expose (-R): PBX to site, 8 streams", expose, receive(8), "MB/s"},
		{"reach (-L): PBX to site, 1 stream", reach, send(1), "MB/s"},
		{"reach (-L): PBX to site, 8 streams", reach, send(8), "MB/s"},
		{"expose (-R): site to PBX, 1 stream", expose, send(1), "MB/s"},
		{"expose (-R): site to PBX, 8 streams", expose, send(8), "MB/s"},
		{"reach (-L): site to PBX, 1 stream", reach, receive(1), "MB/s"},
		{"reach (-L): site to PBX, 8 streams", reach, receive(8), "MB/s"},
	} {
		if err := b.compare(ctx, r, m.what, m.unit, m.p, m.f); err != nil {
			return err
		}
	}
	for _, m := range []struct {
		what string
		p    path
	}{{"expose (-R): round trip", expose}, {"reach (-L): round trip", reach}} {
		if err := b.roundTrips(ctx, m.what, m.p); err != nil {
			return err
		}
	}
	return b.besideBulk(ctx, r)
}

// compare measures both sides in turn.
func (b *bench) compare(ctx context.Context, r *rig, what, unit string, p path, f load) error {
	if !b.begin(what) {
		return nil
	}
	var ours, theirs []sample
	for range b.rounds {
		o, err := b.round(ctx, r.daemon, p.culvert, f)
		if err != nil {
			return fmt.Errorf("%s through culvert: %w", what, err)
		}
		t, err := b.round(ctx, r.client, p.ssh, f)
		if err != nil {
			return fmt.Errorf("%s through ssh: %w", what, err)
		}
		ours, theirs = append(ours, o), append(theirs, t)
	}
	b.add(what, unit, ours, theirs)
	return nil
}

// round is one round of one side, with what it cost the relay.
func (b *bench) round(ctx context.Context, relay *exec.Cmd, port int, f load) (sample, error) {
	before, err := cpuTime(relay.Process.Pid)
	if err != nil {
		return sample{}, err
	}
	rate, moved, err := f(ctx, port, b.length)
	if err != nil {
		return sample{}, err
	}
	after, err := cpuTime(relay.Process.Pid)
	s := sample{rate: rate}
	if moved > 0 {
		s.cpu = (after - before).Seconds() / (float64(moved) / 1e9)
	}
	return s, err
}

func (b *bench) roundTrips(ctx context.Context, what string, p path) error {
	if !b.begin(what) {
		return nil
	}
	var p50, p99 [2][]sample
	for range b.rounds {
		for side, port := range []int{p.culvert, p.ssh} {
			half, most, err := roundTrip(ctx, port, b.length)
			if err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			p50[side], p99[side] = append(p50[side], sample{rate: half}), append(p99[side], sample{rate: most})
		}
	}
	b.add(what+" p50", "µs", p50[0], p50[1])
	b.add(what+" p99", "µs", p99[0], p99[1])
	return nil
}

// besideBulk measures round trips while an upload runs: through Culvert on the tunnel's second link, through ssh on its
// only one.
func (b *bench) besideBulk(ctx context.Context, r *rig) error {
	const what = "expose (-R): round trip beside an upload"
	if !b.begin(what) {
		return nil
	}
	var p50, p99 [2][]sample
	for range b.rounds {
		for side, p := range []struct{ trip, bulk int }{{r.culvertR, r.culvertBulk}, {r.sshR, r.sshL}} {
			half, most, err := underBulk(ctx, p.trip, p.bulk, b.length)
			if err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			p50[side], p99[side] = append(p50[side], sample{rate: half}), append(p99[side], sample{rate: most})
		}
	}
	b.add(what+" p50", "µs", p50[0], p50[1])
	b.add(what+" p99", "µs", p99[0], p99[1])
	return nil
}
