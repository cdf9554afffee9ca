package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// runAll does the work until it is done or the time is used up: what may run beside others in one row, what wants the
// machine for itself at the end, the rest in another row. The case that lacks most of its trials is next.
func (s *session) runAll(ctx context.Context) {
	all := slices.DeleteFunc(batches(), func(b batch) bool { return !s.wants(b) })
	began := time.Now()
	spent := s.log.spent
	defer func() { _ = s.log.spend(time.Since(began)) }()
	left := func() time.Duration { return s.budget - spent - time.Since(began) }
	alone := pick(all, func(b batch) bool { return b.alone })
	var reserved time.Duration
	for _, b := range alone {
		reserved += b.takes
	}
	reserved = min(reserved, s.budget/3)
	var rows sync.WaitGroup
	rows.Go(func() {
		s.row(ctx, pick(all, func(b batch) bool { return b.beside }), func() time.Duration { return left() - reserved })
	})
	rows.Go(func() {
		s.row(ctx, pick(all, func(b batch) bool { return !b.beside && !b.alone }), func() time.Duration { return left() - reserved })
	})
	rows.Wait()
	s.row(ctx, alone, left)
}

// wants reports whether a batch was asked for, by its goal, another one that it counts for, or one case of it.
func (s *session) wants(b batch) bool {
	kind, _, _ := strings.Cut(b.kind, ",")
	return len(s.only) == 0 || slices.ContainsFunc(s.only, func(o string) bool {
		return o != "" && (o == b.goal || o == b.also || o == b.goal+"/"+kind)
	})
}

func pick(all []batch, ok func(batch) bool) []batch {
	return slices.DeleteFunc(slices.Clone(all), func(b batch) bool { return !ok(b) })
}

// row does batch after batch. One that fails twice without a trial is given up: the others go on.
func (s *session) row(ctx context.Context, all []batch, left func() time.Duration) {
	failures := map[string]int{}
	for ctx.Err() == nil {
		all = slices.DeleteFunc(all, func(b batch) bool {
			return failures[b.goal+b.kind] > 1 || len(s.log.of(b.goal, b.kind)) >= b.want || b.takes > left()
		})
		if len(all) == 0 {
			return
		}
		b := slices.MinFunc(all, func(x, y batch) int { return int(1000 * (s.done(x) - s.done(y))) })
		before := len(s.log.of(b.goal, b.kind))
		fmt.Fprintf(os.Stderr, "%s %s %s: %d of %d, %s left\n", time.Now().Format("15:04:05"), b.goal, b.kind, before, b.want, left().Round(time.Minute))
		err := s.try(ctx, b)
		if err != nil && ctx.Err() == nil {
			fmt.Fprintf(os.Stderr, "soak: %s %s: %v\n", b.goal, b.kind, err)
		}
		if len(s.log.of(b.goal, b.kind)) == before {
			failures[b.goal+b.kind]++
		}
	}
}

// try runs a batch, for at most three times what it should take and five minutes more.
func (s *session) try(ctx context.Context, b batch) error {
	ctx, cancel := context.WithTimeout(ctx, 3*b.takes+5*time.Minute)
	defer cancel()
	return b.run(ctx, s)
}

// done is how much of a case is done.
func (s *session) done(b batch) float64 {
	return float64(len(s.log.of(b.goal, b.kind))) / float64(b.want)
}
