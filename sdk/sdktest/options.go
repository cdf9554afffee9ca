package sdktest

import (
	"net"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Option says how a module is tried, by [Run] or by [Conformance].
type Option func(*options)

// options are what the Options say.
type options struct {
	settings []string
	granted  []tunnel.Grant
	services map[string]func(net.Conn) // by SITE/MAPPING, or what siteOfMachine makes of a port
	strict   bool
	real     bool
}

func newOptions(all []Option) options {
	o := options{services: map[string]func(net.Conn){}}
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
