package wire

// The versions of the contract (R88). A module speaks one, that of the SDK it was built with; the host speaks all from
// oldest to Version, and the two agree at the start of the process.
//
//	1   Describe, Connect, Run, Stop; Declare, Get, List, Watch, DialSocket, ListenSocket
//	2   modules say which capabilities they have and which ports their slots and policy allow; Test; LocalDialSocket,
//	    LocalListenSocket; modules say which actions and jobs they have; Act, Jobs, Metrics, Validate; of the host Metrics
//
// What the contract was when a version was made is kept in .ci/contract, and the present one is held against each.
//
// Added without a new version: fields that the host sends, which older modules pass over; calls of the host to a module
// that says in its capabilities that it has them; calls of a module to the host, which on an older host are
// errors.ErrUnsupported; codes, words and capabilities, which readers that do not know them show or pass over.
//
// In need of a new version: a field that a module sends, for hosts refuse those they do not know; any other meaning of
// what there is; a call that a module must have. Nothing is removed or renumbered within a package of proto/; a
// contract that must lose something is a new package beside it.
//
// A version ends in a release whose notes say so, at the earliest a year after the next one was released. Then oldest is
// raised, its file in .ci/contract goes, and its modules are refused: contract-unsupported.
const (
	// Version is the newest, and the one that modules built with this SDK speak.
	Version = 2

	oldest = 1
)

// Versions are those that a host of this build speaks, the oldest first.
func Versions() []int {
	var vs []int
	for v := oldest; v <= Version; v++ {
		vs = append(vs, v)
	}
	return vs
}
