//go:build !race

package sshtunnel_test

const underRace = false
