// Package sdk is all that a module imports: a module is a small program that describes itself and runs once per enabled
// configuration.
//
//	func main() { sdk.Serve(hello{}) }
//
// A module sees every tunnel of every owner and can change its own alone; which module it is, the host knows from the
// process it started. It asks for tunnels by the sites in its settings, never by server and password: those are the
// operator's, and the host makes the connections.
//
// # From nothing to a running module
//
//	culvert module new greeter   # a directory with a program that builds, and its test; --sdk DIR names a clone
//	cd greeter
//	go test ./...                # in memory: no daemon, no SSH
//	go build -o greeter . && install -D -m 755 greeter /usr/lib/culvert/plugins/greeter
//	culvert key show             # this line goes into ~/.ssh/authorized_keys of the user pbx at the site
//	culvert config add greeter/default site.server=pbx@site.example.org
//	culvert module log greeter -f
//
// The daemon finds the binary within 5 s, and starts its process when the first configuration is enabled. The next build
// waits for `culvert module accept greeter`, which shows what it changes; the former one runs on meanwhile.
//
// # The parts
//
// A module implements [Module]: Describe says what it is, Run does its work. S is the struct of its settings, whose tags
// the host checks them by (package sdk/settings has the tags). A [Site] in it is a far end with its login and a choice for
// each [Slot], which is a mapping that the module knows how to use.
//
// Run is given an [Instance]. With [Instance.Declare] it says which tunnels it wants; that is stored, and the host keeps
// them up whether or not the module's process lives. Through them it reaches services at the site ([Instance.Dial],
// [Instance.DialFunc]), and is reached from there ([Instance.Listen]), without a port on the PBX: [Site.Tunnel] asks for a
// tunnel, [Site.Mapping] names one mapping of it, and [Instance.Mapping] says how that is now. [Instance.List] and
// [Instance.Watch] show all tunnels of all owners, with how they are and why.
//
// A module is confined to its own files and to what the host hands it. What it needs beyond is a [Grant] that its
// description asks for and the operator gives, in words that say what it opens: with "dial 5038" and "serve 4573" a module
// reaches, and is, a service of the PBX itself ([Instance.DialLocal], [Instance.ListenLocal]). [Instance.Granted] says what
// it has.
//
// Run returns soon after its context has ended; what it wants to keep, it keeps in Instance.Dir.
// Settings whose fields go together judge themselves ([Validator]) before they are stored.
//
// A module may be more, each by one method: a [Tester] checks its settings (culvert config test); an [Actor] does what an
// operator asks for, with arguments, steps, progress, a dry run and a result (culvert action); a [Worker] has jobs, which
// run by a [Schedule] in its settings, one at a time, and whose last runs are kept (culvert job); a [Measurer] has
// [Metrics], which module monitoring shows under the module's name.
//
// [Serve] is main's one call. [Plugin] is the same module for a process of somebody else's, such as a test
// (sdk/sdktest).
//
// # Errors
//
// What a call refuses is found by errors.Is and errors.As, though it comes from another process: tunnel.ErrNotOwner,
// tunnel.ErrNotFound and their like, tunnel.Findings with everything wrong in an input, and *tunnel.StatusError where a
// tunnel cannot be used right now, with its reason and what to do. errors.ErrUnsupported is a call that this host is too
// old for (sdk/wire says how versions of the contract live beside each other).
package sdk
