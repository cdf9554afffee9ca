package main

import (
	"context"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// cadence looks on the wire of the router at what an idle tunnel sends: SSH packets, not the kernel's probes (G1).
func cadence(ctx context.Context, s *session) error {
	w, err := s.newWorld(ctx, worldOptions{lanes: 1, every: -1})
	if err != nil {
		return err
	}
	defer w.close()
	if _, err := exec.LookPath("tcpdump"); err != nil {
		return errors.New("G1 needs tcpdump (package tcpdump)")
	}
	watch, cancel := context.WithTimeout(ctx, 10*time.Minute+time.Second)
	defer cancel()
	var seen strings.Builder
	cmd := exec.CommandContext(watch, "tcpdump", "-n", "-tt", "-l", "-i", "w2", "tcp dst port "+strconv.Itoa(w.lanes[0].port)+" and tcp[13]&8!=0")
	cmd.Stdout = &seen
	if err := w.bed.Wan.Start(cmd); err != nil {
		return err
	}
	_ = cmd.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var last, gap float64
	packets := 0
	for line := range strings.Lines(seen.String()) {
		at, err := strconv.ParseFloat(strings.Fields(line)[0], 64)
		if err != nil {
			continue
		}
		if packets > 0 {
			gap = max(gap, at-last)
		}
		last = at
		packets++
	}
	if packets < 30 {
		err = errors.New("too few packets: " + strconv.Itoa(packets))
		gap = 600
	}
	s.trial("G1", "idle", map[string]float64{"gap": gap, "packets": float64(packets)}, err)
	return nil
}
