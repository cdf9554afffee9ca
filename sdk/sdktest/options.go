package sdktest

import (
	"net"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Option says how a module is tried, by [Run] or by [Conformance].
type Option func(*options)

// options are what the Options say.
type options struct {
	settings []string
	second   string // settings of the second configuration, "" where they are made of the first's
	granted  []tunnel.Grant
	services map[string]func(net.Conn) // by SITE/MAPPING, or localKey
	strict   bool
	waived   map[string]string // rules that cannot be judged, and why
	clock    clock
	culvertd string // whose launcher confines a built module
}

func newOptions(all []Option) options {
	o := options{services: map[string]func(net.Conn){}, waived: map[string]string{}}
	for _, set := range all {
		set(&o)
	}
	return o
}

// Settings are documents to try a module with, one after the other. Give one that sets every site and secret as an operator
// would: what the module does not do, it is not judged by. [Run] has its document as an argument, and takes none of these.
func Settings(documents ...string) Option {
	return func(o *options) { o.settings = append(o.settings, documents...) }
}

// Second are the settings of a second configuration, which runs beside the first in rule Several. Where none are given, they are the
// first's with other servers; give some where the configurations of the module need more of their own, such as a port.
func Second(document string) Option { return func(o *options) { o.second = document } }

// Grant is what the operator has granted when the module starts: "dial 5038". The module's description must ask for it. What
// is not granted the World refuses as the host does, as far as the module asks the host for it; see the package's comment for
// what it cannot hold back.
func Grant(grants ...tunnel.Grant) Option {
	return func(o *options) { o.granted = append(o.granted, grants...) }
}

// Local says what answers at a port of the machine that the module runs on, as [World.ServeLocal] does.
func Local(port int, serve func(net.Conn)) Option {
	return func(o *options) { o.services[localKey(port)] = serve }
}

// Service says what answers behind a reach mapping, SITE/MAPPING, as [World.Serve] does.
func Service(mapping string, serve func(net.Conn)) Option {
	return func(o *options) { o.services[mapping] = serve }
}

// Strict has Conformance fail for every rule that applies to the module and could not be judged, instead of logging it.
func Strict() Option { return func(o *options) { o.strict = true } }

// Unjudged says why a rule cannot be judged here, which is logged, and is no failure with Strict: that Run dials only when a
// call comes in.
func Unjudged(rule, why string) Option { return func(o *options) { o.waived[rule] = why } }

// Confined has ConformanceBinary run the module in the sandbox of the real host, as far as this kernel has it, by the launcher in
// the culvertd at path. Without it that is the culvertd of PATH, if there is one.
func Confined(culvertd string) Option { return func(o *options) { o.culvertd = culvertd } }

// RealTime has Conformance take real time, for a module that waits for something real of its own, such as a program or a
// socket: it would hold virtual time up for ever.
func RealTime() Option { return func(o *options) { o.clock = realClock } }

// VirtualTime has Conformance take virtual time also for a module that asks for the grant network or programs, as it may
// where what is real answers soon.
func VirtualTime() Option { return func(o *options) { o.clock = virtualClock } }

// clock is which time is taken.
type clock int

const (
	ownClock clock = iota // by what the module asks for
	realClock
	virtualClock
)

func (c clock) virtual(d tunnel.Description) bool {
	real := slices.Contains(d.Grants, tunnel.Grant(tunnel.GrantNetwork)) || slices.Contains(d.Grants, tunnel.Grant(tunnel.GrantPrograms))
	return c == virtualClock || c == ownClock && !real
}
