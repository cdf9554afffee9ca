package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin/runner"
	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// drainTime is how long the output of an ended process may still be read: a process that it left behind, in a session
// of its own, may hold the pipe for ever.
const drainTime = 500 * time.Millisecond

// killTime is how long a killed process may take to go. The kernel keeps one longer that hangs in it, on a dead network
// file system for example; then nobody waits for it any more.
const killTime = 5 * time.Second

var errLeft = errors.New("it was killed and did not go; it is left behind")

// process is one plugin process from its fork to its end, as go-plugin's runner sees it. It leads a process group of
// its own; when it ends, the rest of the group is killed with it.
type process struct {
	start   context.Context // its end kills the process, until started
	plan    plan
	binary  *os.File                  // closed by Start
	granted []*os.File                // handed to the launcher from grantedFD on, closed by Start
	sockets string                    // the directory its sockets must be in
	address string                    // its socket, once it has named it
	seen    func(pid int, alive bool) // told of its fork and its end
	roll    roll                      // its group is on it while it may have members
	log     *moduleLog
	cage    cage   // nil where there are none; ended with the process
	bounds  bounds // that it is held to where it has no cage
	cmd     *exec.Cmd
	out     *pipe
	err     *pipe
	words   words

	logged sync.WaitGroup // done when its standard error has come to an end
	exited chan struct{}  // closed when it is gone and reaped, or left behind
	exit   error          // how it ended, valid then

	killTime time.Duration
	once     sync.Once // guards the closing of exited

	mu     sync.Mutex
	broke  string // its bounds, and how
	group  int    // its pid and process group; 0 before it was forked, and once it is reaped and the number free again
	disarm func() bool
}

var _ runner.Runner = (*process)(nil)

// newProcess prepares a process. Until started is called, the end of ctx kills it.
func newProcess(ctx context.Context, p plan, binary *os.File, sockets string) *process {
	p.Host = os.Getpid()
	return &process{
		start: ctx, plan: p, binary: binary, sockets: sockets,
		exited: make(chan struct{}), killTime: killTime, bounds: moduleBounds, disarm: func() bool { return true },
	}
}

// Start returns when the plugin runs: the launcher has done its work and become it. When Start fails nothing is left.
func (p *process) Start(context.Context) error {
	defer closeAll(append(p.granted, p.binary))
	report, err := p.fork()
	if err != nil {
		return err
	}
	defer report.Close()
	go p.reap()
	go p.watch()
	p.disarm = context.AfterFunc(p.start, p.kill)
	var failed launchError
	if err = json.NewDecoder(io.LimitReader(report, 4096)).Decode(&failed); errors.Is(err, io.EOF) {
		return nil
	}
	p.kill()
	if err != nil {
		return fmt.Errorf("read the launcher's report: %w", err)
	}
	return &failed
}

// started says that the start is over: the end of its context does not kill the process any more. It reports whether
// that came in time.
func (p *process) started() bool { return p.disarm() }

// fork starts the launcher and hands it plan and binary. The report it returns ends when the launcher has become the
// plugin or failed.
func (p *process) fork() (report *os.File, err error) {
	var parents, children []*os.File // our ends of the pipes, and the launcher's
	defer func() {
		closeAll(children)
		if err != nil {
			closeAll(parents)
			p.endCage()
		}
	}()
	for range 4 {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		parents, children = append(parents, r), append(children, w)
	}
	// The plan's pipe runs the other way.
	parents[2], children[2] = children[2], parents[2]

	p.cmd = &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{"culvertd", launchWord}, Env: []string{}, Dir: "/",
		Stdout: children[0], Stderr: children[1], ExtraFiles: append([]*os.File{children[2], p.binary, children[3]}, p.granted...),
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	}
	if p.cage != nil {
		p.cmd.SysProcAttr.UseCgroupFD, p.cmd.SysProcAttr.CgroupFD = true, p.cage.Descriptor()
	}
	if err := spawn(p.cmd); err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.group = p.cmd.Process.Pid
	p.mu.Unlock()
	p.seen(p.cmd.Process.Pid, true)
	if err := p.roll.enter(p.cmd.Process.Pid); err != nil { // before it has the plan, and can start anything
		p.log.say("what it starts may outlive the daemon: %v", err)
	}
	p.out, p.err = newPipe(parents[0], &p.words), newPipe(parents[1], io.Discard)
	p.logged.Go(func() { copyLog(p.err, p.log, &p.words) })
	// The launcher reads it at once; should it be dead already, its end shows that.
	_ = json.NewEncoder(parents[2]).Encode(p.plan)
	parents[2].Close()
	return parents[3], nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// reap waits for the end of the process, ends its group while the pid is still its own, and lets the readers of its
// output go.
func (p *process) reap() {
	pid := p.cmd.Process.Pid
	for errors.Is(unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
	p.seen(pid, false) // before the number can be another's
	p.mu.Lock()
	_ = unix.Kill(-pid, unix.SIGKILL)
	p.roll.strike(pid)
	err := p.cmd.Wait()
	p.group = 0
	if p.broke != "" {
		err = errors.New(p.broke)
	}
	p.mu.Unlock()
	p.endCage()
	p.over(err)
}

func (p *process) endCage() {
	if p.cage != nil {
		p.cage.End()
	}
}

// over says that the process ended in that way, and lets the readers of its output go. Only the first call counts.
func (p *process) over(err error) {
	p.once.Do(func() {
		p.exit = err
		close(p.exited)
		p.drain()
	})
}

// drain lets the readers of the output come to its end, if it has one, and closes it.
func (p *process) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	for _, output := range []*pipe{p.out, p.err} {
		select {
		case <-output.ended:
		case <-ctx.Done():
		}
	}
	p.out.Close()
	p.err.Close()
}

// signal sends sig to the process and all of its group, as long as the group is its.
func (p *process) signal(sig unix.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.group != 0 {
		_ = unix.Kill(-p.group, sig)
	}
}

// kill kills the process and returns when it is gone, or after killTime. One that has not gone by then is left behind:
// for everybody else it has ended.
func (p *process) kill() {
	p.signal(unix.SIGKILL)
	t := time.NewTimer(p.killTime)
	defer t.Stop()
	select {
	case <-p.exited:
	case <-t.C:
		p.log.say("process %s does not go though it was killed; it is left behind, and goes when the kernel lets it", p.ID())
		p.over(errLeft)
	}
}

// breakOff kills the process, and says why as how it ended.
func (p *process) breakOff(why string) {
	p.mu.Lock()
	p.broke = why
	p.mu.Unlock()
	p.log.say("%s: it is ended", why)
	p.signal(unix.SIGKILL)
}

// stop ends the process: SIGTERM, then after the grace SIGKILL. It returns when the process is gone, or left behind.
func (p *process) stop(grace time.Duration) {
	if p.ID() == "" {
		return
	}
	p.signal(unix.SIGTERM)
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case <-p.exited:
	case <-t.C:
		p.kill()
	}
	p.logged.Wait() // what it said last is in its log
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// living is the pid as long as it is this process's, 0 once it has ended and the number may be another's.
func (p *process) living() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.group
}

// Wait returns how the process ended, once it has or is left behind.
func (p *process) Wait(context.Context) error {
	<-p.exited
	return p.exit
}

// Kill kills the process and its group.
func (p *process) Kill(context.Context) error {
	p.signal(unix.SIGKILL)
	return nil
}

// Stdout is the process's standard output.
func (p *process) Stdout() io.ReadCloser { return p.out }

// Stderr is empty: the host reads standard error itself.
func (p *process) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name is what the process calls itself.
func (p *process) Name() string { return p.plan.Name }

// ID is its pid, "" before it was started.
func (p *process) ID() string {
	if p.cmd == nil || p.cmd.Process == nil {
		return ""
	}
	return strconv.Itoa(p.cmd.Process.Pid)
}

// Diagnose has nothing to add: the host finds out itself why a start failed.
func (p *process) Diagnose(context.Context) string { return "" }

// PluginToHost sees every address the plugin names, in its handshake and later: only a socket in its own directory is
// ever dialled, so that it cannot make the host connect elsewhere.
func (p *process) PluginToHost(network, addr string) (string, string, error) {
	st, err := os.Lstat(addr)
	if network != "unix" || filepath.Dir(addr) != p.sockets || err != nil || st.Mode()&os.ModeSocket == 0 {
		return "", "", fmt.Errorf("the plugin names a foreign address, %s %s", tunnel.Clean(network, 20), tunnel.Clean(addr, 120))
	}
	p.address = addr
	return network, addr, nil
}

// HostToPlugin leaves the host's addresses as they are.
func (p *process) HostToPlugin(network, addr string) (string, string, error) {
	return network, addr, nil
}
