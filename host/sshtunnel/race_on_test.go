//go:build race

package sshtunnel_test

// underRace says that the race detector is at work, which multiplies memory.
const underRace = true
