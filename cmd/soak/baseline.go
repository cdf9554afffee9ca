package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/host/netbed"
)

// The baselines: what people use instead, in the same bed, cut at the same moment.
const (
	autossh  = "autossh"
	plainSSH = "ssh in a loop"
	culvert  = "culvert"
)

// baselineCuts are how long the path is dead for them.
var baselineCuts = []time.Duration{30 * time.Second, 40 * time.Second, 150 * time.Second}

func baselineBatches() []batch {
	var all []batch
	for _, cut := range baselineCuts {
		all = append(all, batch{goal: "baseline", kind: fmt.Sprintf("%s, %v", culvert, cut), want: 6, takes: cut + 5*time.Minute,
			run: func(ctx context.Context, s *session) error { return baseline(ctx, s, cut) }, beside: true})
	}
	return all
}

// baseline cuts lanes of Culvert, autossh and ssh at once.
func baseline(ctx context.Context, s *session, cut time.Duration) error {
	const each = 3
	w, err := s.newWorld(ctx, worldOptions{lanes: each})
	if err != nil {
		return err
	}
	defer w.close()
	others, err := w.addOthers(ctx, each)
	if err != nil {
		return err
	}
	pause(ctx, 35*time.Second) // autossh calls a link that ended before its gate time a mistake
	var all sync.WaitGroup
	for who, lanes := range map[string][]*lane{culvert: w.lanes, autossh: others[autossh], plainSSH: others[plainSSH]} {
		for _, l := range lanes {
			all.Go(func() { l.baseline(ctx, fmt.Sprintf("%s, %v", who, cut), cut) })
		}
	}
	all.Wait()
	return ctx.Err()
}

func (l *lane) baseline(ctx context.Context, kind string, cut time.Duration) {
	pause(ctx, l.between(0, 10*time.Second))
	if err := l.w.bed.CutSilent(l.port); err != nil {
		l.w.s.trial("baseline", kind, nil, err)
		return
	}
	began := time.Now()
	pause(ctx, cut)
	if err := l.w.bed.Heal(l.port); err != nil {
		l.w.s.trial("baseline", kind, nil, err)
		return
	}
	healed := time.Now()
	expose, reach, err := l.back(ctx, healed, 5*time.Minute)
	if ctx.Err() != nil {
		return
	}
	back := max(expose, reach)
	l.w.s.trial("baseline", kind, map[string]float64{"back": back.Seconds(), "in all": (healed.Sub(began) + back).Seconds()}, err)
}

// addOthers makes lanes that autossh and ssh keep, with the keepalive that their manuals recommend.
func (w *world) addOthers(ctx context.Context, each int) (map[string][]*lane, error) {
	if _, err := exec.LookPath("autossh"); err != nil {
		return nil, errors.New("the baselines need autossh (package autossh)")
	}
	key := filepath.Join(w.daemon.dir, "client")
	if out, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("ssh-keygen: %w: %s", err, out)
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		return nil, err
	}
	atPBX, err := w.bed.Echo(w.bed.PBX, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	atSite, err := w.bed.Echo(w.bed.Srv, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	all := map[string][]*lane{}
	for i := range 2 * each {
		who := []string{autossh, plainSSH}[i%2]
		l := &lane{w: w, tunnel: who, port: 2300 + i, exposed: 9300 + i, local: 11300 + i, chance: rand.New(rand.NewPCG(w.chance.Uint64(), 0))}
		if l.sshd, err = w.bed.SSHD(w.bed.Srv, netbed.SSHDOptions{Port: l.port, Keys: []string{string(public)}}); err != nil {
			return nil, err
		}
		if err := l.keptBy(who, key, atPBX, atSite); err != nil {
			return nil, err
		}
		l.probe(worldOptions{})
		if _, _, err := l.back(ctx, time.Now(), 30*time.Second); err != nil {
			return nil, err
		}
		all[who] = append(all[who], l)
	}
	return all, nil
}

// keptBy starts the program that keeps the lane.
func (l *lane) keptBy(who, key string, atPBX, atSite int) error {
	args := []string{"-F", "none", "-N", "-i", key, "-p", strconv.Itoa(l.port),
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
		"-o", "ServerAliveInterval=20", "-o", "ServerAliveCountMax=3", "-o", "ExitOnForwardFailure=yes",
		"-R", fmt.Sprintf("localhost:%d:127.0.0.1:%d", l.exposed, atPBX), "-L", fmt.Sprintf("127.0.0.1:%d:127.0.0.1:%d", l.local, atSite),
		"root@" + netbed.SrvAddr}
	cmd := exec.Command("sh", append([]string{"-c", `while :; do ssh "$@"; sleep 1; done`, "sh"}, args...)...)
	if who == autossh {
		cmd = exec.Command("autossh", append([]string{"-M", "0"}, args...)...)
	}
	cmd.Dir = l.w.daemon.dir
	if err := l.w.bed.PBX.StartTree(cmd); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // it ends with the bed
	return nil
}
