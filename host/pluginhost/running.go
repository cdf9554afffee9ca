package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// How a process is ended: its runs are asked to stop and have stopGrace, then it gets SIGTERM and termGrace, then SIGKILL.
const (
	stopGrace = 5 * time.Second
	termGrace = 2 * time.Second
)

// pluginLimits bound one process. A module that needs more files or memory than this has a leak.
var pluginLimits = limits{Files: 1024, FileSize: 1 << 30, Data: 512 << 20}

// running is a plugin process the host talks to.
type running struct {
	name    tunnel.Owner
	known   bool // its binary was accepted, and so is a module's
	process *process
	client  *plugin.Client
	module  *wire.Module
	sockets string // go-plugin's directory for this process

	opened   map[tunnel.Grant]inode // what its rights to paths opened
	resolver map[string]inode       // what it finds names by, nil where it has no network of its own
	hidden   []tunnel.Grant         // what it was granted, where it sees nothing else in /run; else nil
}

// launch starts the binary of m that has the checksum sha, in that room, and makes it ready: one attempt, all of it within
// ctx. When it fails nothing is left, and the error is ctx's or an *unusable.
func (h *Host) launch(ctx context.Context, m *module, sha string, in room, ready func(context.Context, *wire.Module) error) (*running, error) {
	binary, err := m.openBinary(ctx, sha)
	if err != nil {
		return nil, err
	}
	r := &running{name: m.name, known: m.accepted(sha)}
	config := h.clientConfig(ctx, m, binary, in, r)
	r.client = plugin.NewClient(config)
	err = r.connect(ctx, config, ready)
	binary.Close() // where it did not come to a start
	if r.process != nil {
		closeAll(r.process.granted)
	}
	if err == nil && !r.process.started() {
		err = ctx.Err()
	}
	if err == nil {
		r.noteContract(m.log)
		return r, nil
	}
	why := r.failure(ctx, err)
	r.end(0)
	return nil, why
}

// openPinned opens the binary of a module and sees that it is the one with that checksum.
func (h *Host) openPinned(ctx context.Context, name tunnel.Owner, sha string) (*os.File, error) {
	d, err := openDirectory(h.cfg.Dir, h.cfg.AllowOwn)
	if err != nil {
		return nil, &unusable{tunnel.BinaryUnsafe, err.Error(), ""}
	}
	defer d.Close()
	f, _, err := d.open(string(name))
	if err != nil {
		return nil, asUnusable(err)
	}
	got, err := hash(ctx, f)
	if err == nil && got != sha {
		err = &unusable{tunnel.NeedsAcceptance, "the binary was replaced while it was to be started", "culvert module accept " + string(name)}
	}
	if err != nil {
		f.Close()
		return nil, asUnusable(err)
	}
	return f, nil
}

// clientConfig is go-plugin's configuration of one start; it serves for one only. Timeouts and the end of the process
// are ours: go-plugin's Kill alone may block for ever.
func (h *Host) clientConfig(ctx context.Context, m *module, binary *os.File, in room, r *running) *plugin.ClientConfig {
	output := newSlowly(m.log)
	return &plugin.ClientConfig{
		HandshakeConfig:  wire.Handshake,
		VersionedPlugins: wire.HostPlugins(),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         true, // the process alone can use its connection: this is what binds the owner
		SkipHostEnv:      true,
		StartTimeout:     10 * h.startTimeout,
		Logger:           hclog.NewNullLogger(), // what it could say the host says itself
		SyncStdout:       output,
		SyncStderr:       output,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: h.sockets.wire()},
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessage), grpc.MaxCallSendMsgSize(wire.MaxMessage)),
			grpc.WithStreamInterceptor(guardStreams), grpc.WithMaxHeaderListSize(maxHeaders), grpc.WithContextDialer(r.dial),
		},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, dir string) (runner.Runner, error) {
			r.sockets = dir
			confined, granted := h.sandbox(m, dir, in)
			r.note(h, in.granted, confined, granted)
			p := plan{
				Name: string(m.name), Env: slices.Concat(cmd.Env, h.environment(in)), Limit: pluginLimits,
				Support: h.support, Sandbox: confined,
			}
			r.process = newProcess(ctx, p, binary, dir)
			r.process.granted = granted
			r.process.cage = h.cage(m.name)
			r.process.seen = func(pid int, alive bool) { h.seen(m.name, pid, alive) }
			r.process.log, r.process.roll, r.process.bounds = m.log, h.roll, h.bounds
			if p.Sandbox.Programs {
				h.haveHeir()
			}
			return r.process, nil
		},
	}
}

// environment is all of the host's that a plugin gets beside go-plugin's own variables.
func (h *Host) environment(in room) []string {
	env := []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "HOME=" + in.dir, "TMPDIR=" + in.temp}
	if h.cfg.TimeZone != "" {
		env = append(env, "TZ="+h.cfg.TimeZone)
	}
	return env
}

// maxHeaders is how many bytes of metadata one answer of a plugin may have: errors travel in it.
const maxHeaders = 1 << 20

// dial connects to the plugin at the address that it named, if it is the plugin that listens there.
func (r *running) dial(ctx context.Context, _ string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", r.process.address)
	if err != nil {
		return nil, err
	}
	if err := checkPeer(conn, tunnel.Owner(r.process.Name()), func(pid int) bool { return pid > 0 && pid == r.process.living() }); err != nil {
		conn.Close()
		return nil, err
	}
	return wire.Slowly(conn), nil
}

func (r *running) connect(ctx context.Context, config *plugin.ClientConfig, ready func(context.Context, *wire.Module) error) error {
	c, err := r.client.Client()
	if err != nil {
		return err
	}
	if r.module, err = wire.Dispense(c, config.TLSConfig); err != nil {
		return err
	}
	return ready(ctx, r.module)
}

// end ends the process and everything the host has of it.
func (r *running) end(grace time.Duration) {
	if r.process != nil {
		r.process.stop(grace)
	}
	r.client.Kill() // with the process gone and its pipes closed it does not wait
	if r.module != nil {
		r.module.Close()
	}
	if r.sockets != "" {
		_ = os.RemoveAll(r.sockets)
	}
}

// failure says why a start failed.
func (r *running) failure(ctx context.Context, err error) error {
	var u *unusable
	var launch *launchError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &unusable{tunnel.StartTimeout, "it did not start and describe itself in time", seeLog(r.name) + "; " + triedAgain}
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &u):
		return u
	case errors.As(err, &launch):
		return launch.unusable()
	}
	return r.handshakeFailure(err)
}

// handshakeFailure reads go-plugin's sentences, for which it has no error values.
func (r *running) handshakeFailure(err error) error {
	text := err.Error()
	says := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(text, p) })
	}
	const fromSDK = "put a module's binary there, built with this version's SDK"
	switch {
	case says("incompatible API version", "incompatible core API", "unsupported plugin protocol", "unknown service", "unknown method"):
		return otherContract(firstLine(text))
	case says("Failed to read any lines", "plugin exited before", "Unrecognized remote plugin message") || errors.Is(err, wire.ErrGone):
		return r.noHandshake(fromSDK)
	case says("foreign address"):
		return &unusable{tunnel.BinaryBroken, tunnel.Clean(firstLine(text), 200), fromSDK}
	}
	return &unusable{tunnel.Crashed, "it could not be reached: " + tunnel.Clean(firstLine(text), 200), seeLog(r.name) + "; " + triedAgain}
}

// noHandshake says what a process did instead of its handshake, or after it. One that has been a module before, or tells
// of its crash, crashed; else it is none.
func (r *running) noHandshake(remedy string) error {
	p := r.process
	<-p.exited // said to have ended; and if it only closed its output, go-plugin or ctx ends it
	select {
	case <-p.out.ended:
	case <-time.After(drainTime): // nobody reads to its end what is too long for a handshake
	}
	how, said := p.how(), p.words.output()
	switch {
	case p.address != "", p.words.why() != "", said == "" && signalOf(p.exit) != 0, said == "" && r.known && p.exit != nil:
		return &unusable{tunnel.Crashed, "it ended while it was started: " + how, seeLog(r.name) + "; " + triedAgain}
	case said != "":
		return &unusable{tunnel.BinaryBroken, fmt.Sprintf("it is not a culvert module: it wrote %q instead of the handshake", said), remedy}
	}
	return &unusable{tunnel.BinaryBroken, fmt.Sprintf("it is not a culvert module: it ended without a handshake: %s", how), remedy}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// asUnusable gives any error the form of one that concerns a binary; the context's errors stay as they are.
func asUnusable(err error) error {
	var u *unusable
	switch {
	case errors.As(err, &u), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, os.ErrNotExist):
		return &unusable{tunnel.ModuleMissing, "its binary is gone", "install the module again"}
	}
	return &unusable{tunnel.BinaryBroken, "its binary cannot be read: " + tunnel.Clean(err.Error(), 200), ""}
}

// stateDir is where a module keeps what it wants to keep; each configuration has a directory of its name in it.
func (h *Host) stateDir(name tunnel.Owner) string {
	return filepath.Join(h.cfg.StateDir, "modules", string(name))
}

// describeDir is where those that only describe themselves live meanwhile. No module's name begins with a dot.
func (h *Host) describeDir() string { return filepath.Join(h.cfg.StateDir, "modules", ".describe") }

// tempDir is a module's TMPDIR. No configuration's name begins with a dot.
func (h *Host) tempDir(name tunnel.Owner) string { return filepath.Join(h.stateDir(name), ".tmp") }
