package main

import (
	"context"
	"errors"
	"fmt"

	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/culvert-pbx/culvert/host/netbed"
)

func loadLimits() []limit {
	return []limit{
		{goal: "G14", figure: "build", asked: "1,000 tunnels of two mappings all up ≤ 60 s", stat: "max", most: 60},
		{goal: "G14", figure: "memory", asked: "resident after 1 MB through each ≤ 150 MB", stat: "max", most: 150},
		{goal: "G14", figure: "cpu", asked: "idle ≤ 10 % of a core", stat: "max", most: 10},
		{goal: "G14", figure: "list", asked: "tunnel list ≤ 0.2 s", stat: "max", most: 0.2},
		{goal: "G14", figure: "answer", asked: "a nonce through a mapping ≤ 0.2 s p99", stat: "max", most: 0.2},
		{goal: "G14", figure: "losses", asked: "no unplanned rebuild while held", stat: "sum"},
		{goal: "G15", figure: "refused", asked: "2,000 connections at once over 10 tunnels, none refused", stat: "sum"},
		{goal: "G15", figure: "stalled", asked: "200 stalled readers: resident + ≤ 504 MB", stat: "max", most: 504},
		{goal: "G15", figure: "delay", asked: "a dead target delays others ≤ 0.05 s p99, beyond ssh without one", stat: "max", most: 0.05},
	}
}

func loadBatches() []batch {
	return []batch{
		{goal: "G15", kind: "connections", want: 3, takes: 3 * time.Minute, run: connections, alone: true},
		{goal: "G14", kind: "1,000 tunnels", want: 1, takes: 45 * time.Minute, run: thousand, alone: true},
	}
}

// connections opens 2,000 connections at once over 10 tunnels, then stalls 200 readers, then asks a dead target.
func connections(ctx context.Context, s *session) error {
	w, err := s.newWorld(ctx, worldOptions{lanes: 10, every: -1})
	if err != nil {
		return err
	}
	defer w.close()
	figures := map[string]float64{}
	figures["refused"], err = w.manyAtOnce(ctx, 200)
	if err == nil {
		figures["stalled"], err = w.stalledReaders(ctx, 20)
	}
	if err == nil {
		figures["delay"], figures["ssh"], err = w.deadTarget(ctx)
	}
	if ctx.Err() == nil {
		s.trial("G15", "connections", figures, err)
	}
	return ctx.Err()
}

// manyAtOnce opens so many connections through each lane, half each way, has all carry data while all are open, and
// returns how many failed.
func (w *world) manyAtOnce(ctx context.Context, each int) (failed float64, err error) {
	var wrong atomic.Int64
	var open, all sync.WaitGroup
	open.Add(len(w.lanes) * each)
	for _, l := range w.lanes {
		for i := range each {
			all.Go(func() {
				if err := l.oneOfMany(ctx, i%2 == 0, &open); err != nil {
					wrong.Add(1)
				}
			})
		}
	}
	all.Wait()
	return float64(wrong.Load()), ctx.Err()
}

func (l *lane) oneOfMany(ctx context.Context, exposed bool, open *sync.WaitGroup) error {
	in, at := l.w.bed.PBX, l.local
	if exposed {
		in, at = l.w.bed.Srv, l.exposed
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c, err := in.Dial(ctx, local(at))
	if err == nil {
		defer c.Close()
		err = stream{c}.carry(100, time.Minute)
	}
	open.Done()
	if err != nil {
		return err
	}
	open.Wait() // all are open now
	return stream{c}.carry(1000, time.Minute)
}

// stalledReaders has clients of each lane ask for much and read nothing, and returns by how many MB the daemon grew.
func (w *world) stalledReaders(ctx context.Context, each int) (float64, error) {
	before := w.daemon.memory()
	for _, l := range w.lanes {
		for range each {
			c, err := w.bed.PBX.Dial(ctx, local(l.local))
			if err != nil {
				return 0, err
			}
			defer c.Close()
			_ = c.SetWriteDeadline(time.Now().Add(20 * time.Second))
			go func() { // the echo of it is never read
				for buf := make([]byte, 64<<10); ; {
					if _, err := c.Write(buf); err != nil {
						return
					}
				}
			}()
		}
	}
	most := 0.0
	for range 20 {
		pause(ctx, time.Second)
		most = max(most, w.daemon.memory()-before)
	}
	return most, ctx.Err()
}

// deadTarget has a mapping whose target swallows every packet asked again and again, and returns the p99 of the times that
// a question through another mapping of the same tunnel takes, beyond that of questions put at the same moments through
// ssh, which has no such target: what the machine is busy with delays both.
func (w *world) deadTarget(ctx context.Context) (beyond, ssh float64, err error) {
	control, err := w.control(ctx)
	if err != nil {
		return 0, 0, err
	}
	l := w.lanes[0]
	if _, err := w.daemon.cli(ctx, "", "tunnel", "set", l.tunnel, "--reach", "dead=12999:10.99.2.77:80"); err != nil {
		return 0, 0, err
	}
	asking, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	for range 20 {
		all.Go(func() {
			for asking.Err() == nil {
				_ = netbed.Ask(asking, w.bed.PBX, local(12999))
				pause(asking, 100*time.Millisecond)
			}
		})
	}
	pause(ctx, 2*time.Second)
	ours, theirs, err := l.timesBeside(ctx, control, 500)
	ssh = stat(theirs, "p99")
	return max(0, stat(ours, "p99")-ssh), ssh, err
}

// control is a lane that ssh keeps.
func (w *world) control(ctx context.Context) (*lane, error) {
	others, err := w.addOthers(ctx, 1)
	if err != nil {
		return nil, err
	}
	for _, lanes := range others {
		for _, l := range lanes {
			l.expose.Rest(true)
			l.reach.Rest(true)
		}
	}
	return others[plainSSH][0], nil
}

// timesBeside asks n times through reach of both lanes at once, ten times a second, and returns how long each took.
func (l *lane) timesBeside(ctx context.Context, other *lane, n int) (ours, theirs []float64, err error) {
	for range n {
		var mine, its float64
		var failed [2]error
		var both sync.WaitGroup
		both.Go(func() { mine, failed[0] = l.ask(ctx) })
		both.Go(func() { its, failed[1] = other.ask(ctx) })
		both.Wait()
		if err := errors.Join(failed[:]...); err != nil {
			return nil, nil, err
		}
		ours, theirs = append(ours, mine), append(theirs, its)
		pause(ctx, 100*time.Millisecond)
	}
	return ours, theirs, nil
}

// ask asks once through reach and returns how many seconds that took.
func (l *lane) ask(ctx context.Context) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	began := time.Now()
	err := netbed.Ask(ctx, l.w.bed.PBX, local(l.local))
	return time.Since(began).Seconds(), err
}

// thousand holds 1,000 tunnels of two mappings, 100 at each of ten servers, for the time the budget leaves.
func thousand(ctx context.Context, s *session) error {
	w, err := s.newWorld(ctx, worldOptions{})
	if err != nil {
		return err
	}
	defer w.close()
	h := &held{w: w}
	if err := h.add(ctx); err != nil {
		return err
	}
	figures, err := h.measure(ctx, min(time.Hour, s.budget/4))
	if ctx.Err() == nil {
		s.trial("G14", "1,000 tunnels", figures, err)
	}
	return ctx.Err()
}

// held are many tunnels that are held.
type held struct {
	w     *world
	names []string
}

const heldServers, heldEach = 10, 100

func (h *held) add(ctx context.Context) error {
	key, err := h.w.daemon.key(ctx)
	if err != nil {
		return err
	}
	bed := h.w.bed
	atPBX, err := bed.Echo(bed.PBX, "127.0.0.1:0")
	if err != nil {
		return err
	}
	atSite, err := bed.Echo(bed.Srv, "127.0.0.1:0")
	if err != nil {
		return err
	}
	for i := range heldServers {
		sshd, err := bed.SSHD(bed.Srv, netbed.SSHDOptions{Port: 2200 + i, Keys: []string{key}})
		if err != nil {
			return err
		}
		for j := range heldEach {
			n := i*heldEach + j
			name := fmt.Sprintf("operator/h%d", n)
			if _, err := h.w.daemon.cli(ctx, "", "tunnel", "add", name, "--server", "root@"+sshd.Addr, "--key", "host",
				"--expose", fmt.Sprintf("e=%d:%d", atPBX, 20000+n), "--reach", fmt.Sprintf("r=%d:127.0.0.1:%d", 20000+n, atSite)); err != nil {
				return err
			}
			h.names = append(h.names, name)
		}
	}
	return h.w.daemon.allUp(ctx, 5*time.Minute)
}

// measure starts the daemon anew, has 1 MB pass each tunnel and holds them.
func (h *held) measure(ctx context.Context, hold time.Duration) (map[string]float64, error) {
	d, figures := h.w.daemon, map[string]float64{}
	d.stop()
	began := time.Now()
	if err := d.start(ctx); err != nil {
		return figures, err
	}
	words, err := d.follow(ctx)
	if err != nil {
		return figures, err
	}
	if err := d.allUp(ctx, 5*time.Minute); err != nil {
		return figures, err
	}
	figures["build"] = time.Since(began).Seconds()
	for n := range h.names {
		if err := h.megabyte(ctx, n); err != nil {
			return figures, err
		}
	}
	pause(ctx, min(5*time.Minute, hold/4))
	figures["memory"] = d.memory()
	held, cpu := time.Now(), d.cpu()
	pause(ctx, hold/2)
	figures["cpu"] = 100 * (d.cpu() - cpu).Seconds() / time.Since(held).Seconds()
	if figures["list"], err = h.list(ctx); err != nil {
		return figures, err
	}
	answers, err := h.ask(ctx, hold/4)
	figures["answer"] = stat(answers, "p99")
	for _, name := range h.names {
		for _, said := range words.of(name) {
			if said.At.After(held) && notUp(said) {
				figures["losses"]++
			}
		}
	}
	figures["losses"] += 0 // there, also when there was none
	return figures, err
}

// list is how many seconds the list takes whoever asks for it once, long after anybody else did: until all of it is read,
// as JSON, which takes longer than the table. What the soak then makes of it is no part of that.
func (h *held) list(ctx context.Context) (seconds float64, err error) {
	asked := time.Now()
	_, err = h.w.daemon.cli(ctx, "", "tunnel", "list", "-o", "json")
	return time.Since(asked).Seconds(), err
}

// megabyte has 1 MB pass the tunnel, half each way through each mapping.
func (h *held) megabyte(ctx context.Context, n int) error {
	for _, in := range []*netbed.Namespace{h.w.bed.Srv, h.w.bed.PBX} {
		c, err := in.Dial(ctx, local(20000+n))
		if err != nil {
			return err
		}
		for range 16 {
			if err = (stream{c}).carry(32<<10, time.Minute); err != nil {
				break
			}
		}
		c.Close()
		if err != nil {
			return fmt.Errorf("tunnel %d: %w", n, err)
		}
	}
	return nil
}

// ask asks one mapping after the other, five a second.
func (h *held) ask(ctx context.Context, long time.Duration) (all []float64, err error) {
	for n, until := 0, time.Now().Add(long); time.Now().Before(until) && ctx.Err() == nil; n++ {
		in := []*netbed.Namespace{h.w.bed.Srv, h.w.bed.PBX}[n%2]
		began := time.Now()
		one, cancel := context.WithTimeout(ctx, 10*time.Second)
		err = errors.Join(err, netbed.Ask(one, in, local(20000+n%len(h.names))))
		cancel()
		all = append(all, time.Since(began).Seconds())
		pause(ctx, 200*time.Millisecond)
	}
	return all, err
}

// memory is the daemon's resident memory, in MB.
func (d *daemon) memory() float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			kb, _ := strconv.ParseFloat(f[1], 64)
			return kb / 1024
		}
	}
	return 0
}

// cpu is the time that the daemon has computed.
func (d *daemon) cpu() time.Duration {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.cmd.Process.Pid))
	_, after, _ := strings.Cut(string(text), ") ")
	f := strings.Fields(after)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * (time.Second / 100) // USER_HZ, the same on every Linux that Go runs on
}
