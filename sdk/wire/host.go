package wire

import (
	"context"
	"encoding/json"
	"errors"
	"net"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Plugin is a module as its process serves it to the host.
type Plugin interface {
	// Describe says what the module is. It is called before any Run, and may be called by a process that never runs.
	Describe() (tunnel.Description, error)

	// Run runs the module for one configuration until ctx ends or nothing is left to do. Runs of different
	// configurations are concurrent; there is one at a time of each.
	Run(ctx context.Context, r Run) error
}

// Tester is a Plugin that may have a test; what it says of itself tells (tunnel.CapabilityTester).
type Tester interface {
	// Test tests r's configuration, reporting steps from one goroutine at a time, and returns when that is over or soon
	// after ctx ends. It may run beside a Run of the same configuration. It is ErrNoTest where the module has no test.
	Test(ctx context.Context, r Run, report func(tunnel.TestStep)) error
}

// ErrNoTest says that a module cannot test.
var ErrNoTest = errors.New("the module has no test")

// Actor is a Plugin that may have actions or jobs; what it says of itself tells (tunnel.CapabilityActions,
// tunnel.CapabilityJobs).
type Actor interface {
	// Act does an action, or has a job run now, and returns what came of it. It reports from one goroutine at a time, and
	// nothing any more when it has returned, which is soon after ctx has ended: an action ends with it, a job goes on.
	Act(ctx context.Context, a Act, report func(tunnel.ActReport)) (tunnel.Result, error)

	// Jobs is how the jobs of a configuration that runs are.
	Jobs(configuration string) ([]tunnel.JobStatus, error)
}

// Act asks for an action or, where Job is set, for a run of a job.
type Act struct {
	Configuration string // its NAME
	Action, Job   string
	Arguments     json.RawMessage // a JSON object that fits the action's schema; none is {}
	DryRun        bool
	By            string // who asks: "operator:0"
}

// Measurer is a Plugin that may measure something (tunnel.CapabilityMetrics).
type Measurer interface {
	// Metrics is what it measures, of all configurations that run.
	Metrics() []tunnel.MetricValues
}

// Run is one run of a module, or one test.
type Run struct {
	Configuration string          // its NAME
	Settings      json.RawMessage // a JSON object that fits the module's schema
	Dir           string          // its own directory
	Log           hclog.Logger
	Host          Host
	Granted       []tunnel.Grant // what the operator has granted the module
}

// Host is the host as one module sees it: the registry, bound to that module, and the sockets of its own mappings.
type Host interface {
	tunnel.Service

	// Dial connects to what is behind a reach mapping. See sdk.Instance for what mapping means and how it waits.
	Dial(ctx context.Context, configuration, mapping string) (net.Conn, error)

	// Listen returns the listener at which connections of a private expose mapping arrive. The caller closes it.
	Listen(ctx context.Context, configuration, mapping string) (net.Listener, error)

	// ModuleMetrics is what every module measures that runs, in the order of their names.
	ModuleMetrics(ctx context.Context) ([]tunnel.ModuleMetrics, error)

	// DialLocal connects to a port of the PBX's loopback. It needs the grant "dial PORT".
	DialLocal(ctx context.Context, port int) (net.Conn, error)

	// ListenLocal returns the listener at which what connects to a port of the PBX's loopback arrives. It needs the grant
	// "serve PORT". The caller closes it, which gives the port up.
	ListenLocal(ctx context.Context, port int) (net.Listener, error)
}
