//go:build !linux

package wire

// dropProgram does nothing: hosts run on Linux only.
func dropProgram() {}
