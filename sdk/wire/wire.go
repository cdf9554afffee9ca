// Package wire carries the contract between host and module over a connection: both ends of both directions, the
// handshake, and one table for errors.
//
// The host side is for whoever starts module processes: [HostPlugins] and [Handshake] go into go-plugin's client
// configuration, [Dispense] returns a [Module], the handle on one running process, and [Module.Connect] serves that
// process its own [HostServices]. The module side is for the SDK: [Serve] serves a [Plugin], whose runs reach the host
// through a [Host]. No generated type appears in any signature, so the wire format has this package as its only
// importer.
//
// Modules of older versions of the contract keep running; what may change without a new one is said at [Version].
//
// It promises that a request's owner is the one the host bound to the connection, whatever the request says; that
// errors keep their identity on their way (errors.Is and errors.As find sentinels, Findings, StatusError and the
// context's errors); that messages, texts and lists from a module are bounded; and that every call ends with its
// context.
package wire

import (
	"errors"
	"time"

	"github.com/hashicorp/go-plugin"
)

// Handshake tells a process that it was started as a module. It is no secret: identity comes from the connection.
// The version is not in it but negotiated: see [Version].
var Handshake = plugin.HandshakeConfig{
	MagicCookieKey:   "CULVERT_MODULE",
	MagicCookieValue: "started-by-culvertd",
}

// What one message and one call may take.
const (
	MaxMessage  = 4 << 20          // bytes of any message, in either direction
	MaxSchema   = 256 << 10        // bytes of one bytes field, such as a settings schema, from a module
	MaxText     = 512              // bytes of one string from a module
	MaxList     = 1000             // elements of one list from a module
	CallTimeout = 10 * time.Second // of every call but Run, Stop and Watch, where its context does not end sooner
)

// ErrGone says that the process at the other end has ended or dropped the connection.
var ErrGone = errors.New("the other end of the connection is gone")

// name is what go-plugin knows the one service of a module by.
const name = "module"
