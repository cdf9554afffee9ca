package sdk

import (
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// The grants that are one word.
const (
	GrantPrograms = Grant(tunnel.GrantPrograms) // starting programs of this machine
	GrantNetwork  = Grant(tunnel.GrantNetwork)  // sockets of its own to anywhere
)

// GrantDial is the right to connect to a port of the PBX's loopback: [Instance.DialLocal].
func GrantDial(port int) Grant { return tunnel.Right{Kind: tunnel.GrantDial, Port: port}.Grant() }

// GrantServe is the right to answer at a port of the PBX's loopback: [Instance.ListenLocal].
func GrantServe(port int) Grant { return tunnel.Right{Kind: tunnel.GrantServe, Port: port}.Grant() }

// GrantRead is the right to read a file, or a directory and all below it. The path is absolute.
func GrantRead(path string) Grant { return tunnel.Right{Kind: tunnel.GrantRead, Path: path}.Grant() }

// GrantWrite is GrantRead, to change as well.
func GrantWrite(path string) Grant { return tunnel.Right{Kind: tunnel.GrantWrite, Path: path}.Grant() }

// Granted reports whether the operator has granted the module exactly that, so that it can leave out what needs it, or say
// in its Test what is missing. It stays as it is for as long as the run lasts: the module is started anew when the operator
// grants it something or takes it back. A host of an older contract does not say, and Granted is false.
func (in *Instance[S]) Granted(g Grant) bool { return slices.Contains(in.granted, g) }
