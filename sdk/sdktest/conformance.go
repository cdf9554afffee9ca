package sdktest

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
	"github.com/culvert-pbx/culvert/sdk/wire/wiretest"
)

// Conformance holds a module to what its host, its operator and all other modules rely on, each rule a subtest:
//
//	func TestConformance(t *testing.T) {
//		sdktest.Conformance(t, greeter{}, sdktest.Settings(`{"site":{"server":"pbx@site.example.org"}}`))
//	}
//
// Options give it the settings of an operator ([Settings]), what the operator granted ([Grant]), and what answers
// ([Service], [Local]); behind reach mappings of which nothing is said, something accepts connections and never answers.
//
// It takes real time, some seconds, since a module may wait for what is real. It changes the working directory and HOME
// while it runs, so the test that calls it is not parallel.
func Conformance[S any](t *testing.T, m sdk.Module[S], with ...Option) {
	conform(t, subject{
		open:  func(testing.TB) (wire.Plugin, error) { return sdk.Plugin(m), nil },
		quiet: 50 * time.Millisecond, with: newOptions(with),
	})
}

// ConformanceBinary is [Conformance] for a built module, over the real wire: each of its runs has a process of its own. What
// only a look into the process shows, such as goroutines that are left, is not judged. Several rules are tried at the same
// time, as many as go test's flag -parallel says: give 1 for a module that needs something of which there is but one.
func ConformanceBinary(t *testing.T, path string, with ...Option) {
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	s := subject{open: binary(path), quiet: 100 * time.Millisecond, first: 3 * time.Second, apart: true, with: newOptions(with)}
	s.said = sync.OnceValues(func() (tunnel.Description, error) { return wiretest.Open(path).Describe() })
	conform(t, s)
}

// binary opens the binary at path for a test.
func binary(path string) func(testing.TB) (wire.Plugin, error) {
	return func(t testing.TB) (wire.Plugin, error) {
		b := wiretest.Open(path)
		t.Cleanup(b.Close)
		return b, nil
	}
}

// busyRoom is for a machine that is busy with other tests: what is told to end takes its time then through no fault of its
// own. A module that does not heed its context never ends.
const busyRoom = 3

// conform tries the subject with each of the documents.
func conform(t *testing.T, s subject) {
	documents := s.with.settings
	if len(documents) == 0 {
		documents = []string{"{}"}
	}
	s.room = busyRoom
	for i, doc := range documents {
		s.settings = doc
		for _, r := range rules {
			name := r.name
			if i > 0 {
				name = fmt.Sprintf("%s with settings %d", name, i+1)
			}
			t.Run(name, func(t *testing.T) {
				if s.apart && !r.moves {
					t.Parallel()
				}
				r.hold(t, s)
			})
		}
	}
}

// subject is a module to be judged.
type subject struct {
	open     func(testing.TB) (wire.Plugin, error) // one for a test of its own, whose end ends it
	said     func() (tunnel.Description, error)    // what it says of itself, asked once where each answer takes a process, or nil
	with     options
	settings string
	quiet    time.Duration // without a call to the host, after which it has done all it does by itself
	first    time.Duration // that its first call may take: a process starts before it
	apart    bool          // each of its runs is in a process of its own
	room     time.Duration // how many times its grace it has to end, 0 for once
}

// rule is one that every module keeps.
type rule struct {
	name  string
	hold  func(testing.TB, subject)
	moves bool // it changes what all tests of the process share
}

// rules in the order in which an author best reads what is wrong. A module that breaks one of the first is not judged by
// those that need it.
var rules = []rule{
	{name: "Describe", hold: describes},
	{name: "Schema", hold: hasSoundSchema},
	{name: "Settings", hold: takesSettings},
	{name: "Run", hold: runs},
	{name: "DeclareOwn", hold: running(declaresItsOwn)},
	{name: "DeclareOnce", hold: running(declaresOnce)},
	{name: "EndBeforeDeclare", hold: endsBeforeDeclare},
	{name: "EndInDial", hold: endsInDial},
	{name: "EndInWatch", hold: endsInWatch},
	{name: "EndAtRest", hold: endsAtRest},
	{name: "EndInFault", hold: endsInFault},
	{name: "LeaveNothing", hold: running(leavesNothing)},
	{name: "Cut", hold: running(survives(Cut))},
	{name: "Freeze", hold: running(survives(Freeze))},
	{name: "WrongKey", hold: running(survives(WrongKey))},
	{name: "LoginRefused", hold: running(survives(loginRefused))},
	{name: "TargetRefused", hold: running(survives(targetRefused))},
	{name: "SlowLink", hold: running(standsSlowness)},
	{name: "FullQueue", hold: running(takesResync)},
	{name: "Restart", hold: running(restarts)},
	{name: "HostRestart", hold: running(outlivesHost)},
	{name: "Revoked", hold: running(obeysOperator)},
	{name: "Directory", hold: keepsToItsDirectory, moves: true},
	{name: "Secrets", hold: keepsSecrets},
	{name: "Test", hold: tests},
}

// fail says what is wrong with the module and what its author can do.
func fail(t testing.TB, hint, format string, args ...any) {
	t.Helper()
	t.Errorf("%s\nhint: %s", fmt.Sprintf(format, args...), hint)
}
