// Package wiretest runs a built module over the real wire, in a process of its own: a host as small as can be, without
// sandbox, supervision or SSH, for tests. What the module asks of its host is answered by the wire.Host that the test gives.
package wiretest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// ErrDied says that the module's process ended during a run.
var ErrDied = errors.New("the module's process ended")

// startLimit is how long a module may take to start.
const startLimit = 30 * time.Second

// Binary is a built module. Each run, test and description has a process of its own, which has ended when the call returns.
// Its working directory is the test's, and HOME all it has of the environment of the test.
type Binary struct {
	path   string
	closed context.Context
	cancel context.CancelFunc
	calls  sync.WaitGroup

	launcher string // confines its processes, "" where nothing does
	granted  []tunnel.Grant

	mu   sync.Mutex
	runs map[string]*process // by configuration
}

var (
	_ wire.Plugin = (*Binary)(nil)
	_ wire.Tester = (*Binary)(nil)
)

// Open is the module at path, which does not run yet.
func Open(path string) *Binary {
	b := &Binary{path: path, runs: map[string]*process{}}
	b.closed, b.cancel = context.WithCancel(context.Background())
	return b
}

// Confine has its processes confined as the real host confines them, as far as this kernel can, by the launcher in the
// culvertd at path, with these grants. It is called before anything else.
func (b *Binary) Confine(culvertd string, granted []tunnel.Grant) {
	b.launcher, b.granted = culvertd, granted
}

// Close kills what still runs, and returns when it has ended.
func (b *Binary) Close() {
	b.cancel()
	b.calls.Wait()
}

// Describe asks the module what it is.
func (b *Binary) Describe() (tunnel.Description, error) {
	p, err := b.start(hclog.NewNullLogger(), "")
	if err != nil {
		return tunnel.Description{}, err
	}
	defer p.end()
	return p.describe()
}

// Run runs the module until it returns, having asked it to when ctx ends; one that does not heed that runs until Close. It
// is ErrDied where its process ended instead.
func (b *Binary) Run(ctx context.Context, r wire.Run) error {
	return b.with(r, func(p *process, ref tunnel.ConfigurationRef) error {
		b.note(r.Configuration, p)
		defer b.note(r.Configuration, nil)
		return p.run(ctx, ref, r)
	})
}

// Test has the module test the configuration.
func (b *Binary) Test(ctx context.Context, r wire.Run, report func(tunnel.TestStep)) error {
	return b.with(r, func(p *process, ref tunnel.ConfigurationRef) error {
		return p.module.Test(ctx, ref, r.Settings, r.Dir, func(s tunnel.TestStep) error { report(s); return nil })
	})
}

// with calls f with a process that is connected to r's host.
func (b *Binary) with(r wire.Run, f func(*process, tunnel.ConfigurationRef) error) error {
	b.calls.Add(1)
	defer b.calls.Done()
	p, err := b.start(r.Log, r.Dir)
	if err != nil {
		return err
	}
	defer p.end()
	defer context.AfterFunc(b.closed, p.client.Kill)()
	d, err := p.describe()
	if err != nil {
		return err
	}
	p.doors = newDoors(r.Host, r.Configuration, p.dir)
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	if err := p.module.Connect(ctx, p.doors.services(tunnel.Owner(d.Name), r.Granted)); err != nil {
		return err
	}
	return f(p, tunnel.ConfigurationRef{Module: tunnel.Owner(d.Name), Name: r.Configuration})
}

// process is one process of a module.
type process struct {
	client *plugin.Client
	module *wire.Module
	doors  *doors // nil before it is connected
	dir    string // of its sockets
}

// command is the module's process, confined to the directory of its own and that of its sockets where a launcher is there.
// What is returned is to be closed once it has started.
func (b *Binary) command(own, dir string) (*exec.Cmd, func(), error) {
	if b.launcher == "" {
		return exec.Command(b.path), func() {}, nil
	}
	binary, err := os.Open(b.path)
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(b.launcher, "__confine", cmp.Or(own, dir), dir)
	for _, g := range b.granted {
		cmd.Args = append(cmd.Args, string(g))
	}
	cmd.ExtraFiles = []*os.File{nil, binary, os.Stderr}
	return cmd, func() { _ = binary.Close() }, nil
}

// start starts the module, whose own directory is that, if any; what it writes goes to log.
func (b *Binary) start(log hclog.Logger, own string) (*process, error) {
	dir, err := os.MkdirTemp("", "wire") // short, as the path of a socket must be
	if err != nil {
		return nil, err
	}
	cmd, started, err := b.command(own, dir)
	if err != nil {
		return nil, err
	}
	defer started()
	// One built with the race detector would sleep a second before it exits.
	cmd.Env = []string{"HOME=" + os.Getenv("HOME"), "TMPDIR=" + dir, "GORACE=atexit_sleep_ms=0"}
	out := log.StandardWriter(&hclog.StandardLoggerOptions{ForceLevel: hclog.Info})
	config := &plugin.ClientConfig{
		HandshakeConfig: wire.Handshake, VersionedPlugins: wire.HostPlugins(), AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS: true, SkipHostEnv: true, Cmd: cmd, StartTimeout: startLimit,
		SyncStdout: out, Stderr: out, Logger: hclog.NewNullLogger(),
	}
	p := &process{dir: dir, client: plugin.NewClient(config)}
	rpc, err := p.client.Client()
	if err == nil {
		p.module, err = wire.Dispense(rpc, config.TLSConfig)
	}
	if err != nil {
		p.end()
		return nil, fmt.Errorf("start %s: %w", b.path, err)
	}
	return p, nil
}

func (p *process) describe() (tunnel.Description, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	return p.module.Describe(ctx)
}

func (p *process) run(ctx context.Context, ref tunnel.ConfigurationRef, r wire.Run) error {
	run, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- p.module.Run(run, ref, r.Settings, r.Dir) }()
	select {
	case err := <-ended:
		return p.died(err)
	case <-ctx.Done():
		return p.stop(ref, ended)
	}
}

// stop asks until the run has ended, since it may not have begun yet when it is asked first.
func (p *process) stop(ref tunnel.ConfigurationRef, ended <-chan error) error {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_ = p.module.Stop(ctx, ref)
		cancel()
		select {
		case err := <-ended:
			return p.died(err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// died tells an error that the module returned from one that its end makes.
func (p *process) died(err error) error {
	if !errors.Is(err, wire.ErrGone) {
		return err
	}
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if p.client.Exited() {
			return fmt.Errorf("%w: see its log", ErrDied)
		}
	}
	return err
}

// end has the process end, by force where it must.
func (p *process) end() {
	p.client.Kill()
	if p.module != nil {
		p.module.Close()
	}
	if p.doors != nil {
		p.doors.close()
	}
	_ = os.RemoveAll(p.dir)
}
