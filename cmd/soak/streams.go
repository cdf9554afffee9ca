package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/culvert-pbx/culvert/host/netbed"
)

// stream is a connection through a mapping that is meant to last.
type stream struct{ net.Conn }

// streams opens one through each mapping of the lane.
func (l *lane) streams(ctx context.Context) (all []stream, err error) {
	for _, at := range []struct {
		in   *netbed.Namespace
		port int
	}{{l.w.bed.Srv, l.exposed}, {l.w.bed.PBX, l.local}} {
		c, err := at.in.Dial(ctx, local(at.port))
		if err != nil {
			return nil, err
		}
		all = append(all, stream{c})
	}
	return all, nil
}

// carry sends n bytes and has them come back.
func (s stream) carry(n int, within time.Duration) error {
	_ = s.SetDeadline(time.Now().Add(within))
	if _, err := s.Write(make([]byte, n)); err != nil {
		return err
	}
	for buf := make([]byte, n); n > 0; {
		k, err := s.Read(buf)
		if err != nil {
			return err
		}
		n -= k
	}
	return nil
}

// flow carries 10 kB/s until ctx ends or the stream breaks.
func (s stream) flow(ctx context.Context, within time.Duration) error {
	for ctx.Err() == nil {
		if err := s.carry(1000, within); err != nil {
			return err
		}
		pause(ctx, 100*time.Millisecond)
	}
	return nil
}

// blips cuts each lane for up to five seconds while its streams flow.
func blips(ctx context.Context, s *session) error {
	w, err := s.newWorld(ctx, worldOptions{lanes: side})
	if err != nil {
		return err
	}
	defer w.close()
	w.each(func(l *lane) {
		for range 3 {
			if l.settle(ctx, l.between(time.Second, 5*time.Second)) != nil {
				return
			}
			if err := l.blip(ctx); err != nil && ctx.Err() == nil {
				s.trial("G4", "blip", map[string]float64{"broken": 1}, err)
				return
			}
		}
	})
	return ctx.Err()
}

func (l *lane) blip(ctx context.Context) error {
	all, err := l.streams(ctx)
	if err != nil {
		return err
	}
	before := l.sshd.Sessions()
	flowing, stop := context.WithCancel(ctx)
	ends := make(chan error, len(all))
	for _, c := range all {
		defer c.Close()
		go func() { ends <- c.flow(flowing, 40*time.Second) }()
	}
	began := time.Now()
	err = l.w.bed.CutSilent(l.port)
	pause(ctx, l.between(time.Second, 5*time.Second))
	err = errors.Join(err, l.w.bed.Heal(l.port))
	pause(ctx, 10*time.Second)
	stop()
	lost := 0.0
	for range all {
		if end := <-ends; end != nil {
			lost++
			err = errors.Join(err, end)
		}
	}
	rebuilt := 0.0
	for _, pid := range before {
		if !slices.Contains(l.sshd.Sessions(), pid) {
			rebuilt++
		}
	}
	l.w.s.trial("G4", "blip", map[string]float64{"broken": lost, "rebuilt": rebuilt}, err)
	l.honest("G4", began)
	return nil
}

// lossyWay is the case of longLossy.
const lossyWay = "600 ms, 5 %"

// longLossy is 20 minutes of a way as bad as by satellite in rain, with 10 kB/s through each mapping.
func longLossy(ctx context.Context, s *session) error {
	const lanes = 16
	w, err := s.newWorld(ctx, worldOptions{lanes: lanes, every: time.Second, within: 15 * time.Second})
	if err != nil {
		return err
	}
	defer w.close()
	if _, err := w.bed.UserLink(netbed.LinkOptions{Delay: 300 * time.Millisecond, Loss: 0.05, Seed: s.log.seed}); err != nil {
		return err
	}
	w.each(func(l *lane) {
		if err := l.lossy(ctx, 20*time.Minute); err != nil && ctx.Err() == nil {
			s.trial("G4", lossyWay, map[string]float64{"alarms": 1}, err)
		}
	})
	return ctx.Err()
}

func (l *lane) lossy(ctx context.Context, long time.Duration) error {
	began := time.Now()
	all, err := l.streams(ctx)
	if err != nil {
		return err
	}
	before := fmt.Sprint(l.sshd.Sessions())
	flowing, stop := context.WithTimeout(ctx, long)
	defer stop()
	ends := make(chan error, len(all))
	for _, c := range all {
		defer c.Close()
		go func() { ends <- c.flow(flowing, time.Minute) }()
	}
	for range all {
		err = errors.Join(err, <-ends)
	}
	alarms := 0.0
	for _, said := range l.w.words.of(l.tunnel) {
		if said.At.After(began) && notUp(said) {
			alarms++
			err = errors.Join(err, fmt.Errorf("it was called %s (%s)", said.State, said.Reason))
		}
	}
	if now := fmt.Sprint(l.sshd.Sessions()); now != before && alarms == 0 {
		alarms++
		err = errors.Join(err, errors.New("the link was made anew"))
	}
	l.w.s.trial("G4", lossyWay, map[string]float64{"alarms": alarms}, err)
	return nil
}
