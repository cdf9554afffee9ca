//go:build !race

package pluginhost

// raceMemory is what the race detector takes in a module's process, in bytes.
const raceMemory = 0
