package main

import (
	"context"
	"slices"
	"time"
)

// batch is a piece of a goal's work: one case, tried as often at once as a bed has room for.
type batch struct {
	goal, kind string
	also       string        // another goal that its trials count for
	want       int           // trials in all
	takes      time.Duration // about
	run        func(ctx context.Context, s *session) error
	beside     bool // so light that others run meanwhile
	alone      bool // measures the machine: nothing else may run
}

// limit is a figure that a goal promises.
type limit struct {
	goal   string
	kinds  []string // nil: all cases
	figure string
	asked  string // in words
	stat   string // p50, p99, max or sum
	most   float64
}

// asked are all promises, in the order of the table.
func asked() []limit {
	return slices.Concat(breakLimits(), hangLimits(), stormLimits(), loadLimits(), trustLimits())
}

// batches are all the work, in its order.
func batches() []batch {
	return slices.Concat(breakBatches(), hangBatches(), stormBatches(), trustBatches(), baselineBatches(), loadBatches())
}
