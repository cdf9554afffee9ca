package main

import (
	"math"
	"slices"
)

// stat is p50, p99, max or sum of the values. A percentile is a value that was measured: the smallest that so many
// are not above.
func stat(values []float64, name string) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := func(p float64) float64 { return sorted[max(0, int(math.Ceil(p*float64(len(sorted))))-1)] }
	switch name {
	case "p50":
		return rank(0.5)
	case "p99":
		return rank(0.99)
	case "sum":
		sum := 0.0
		for _, v := range sorted {
			sum += v
		}
		return sum
	}
	return sorted[len(sorted)-1]
}
