//go:build race

package pluginhost

// raceMemory is what the race detector takes in a module's process, in bytes: all but the whole limit of a module in an
// idle one, and more with each thread. Where it gets no more, it ends the process.
const raceMemory = 4 << 30
