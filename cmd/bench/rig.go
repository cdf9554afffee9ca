package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	cipher = "aes128-gcm@openssh.com"
	sshd   = "/usr/sbin/sshd"
)

// rig is one sshd, an ssh with a forward each way, a culvertd with the same two, and the service they all lead to.
type rig struct {
	dir                   string
	sshdPort, servicePort int
	culvertL, culvertR    int
	culvertBulk           int // as culvertL, on the tunnel's second link
	sshL, sshR            int
	service               net.Listener
	daemon, client        *exec.Cmd
	processes             []*exec.Cmd
}

// newRig starts all of it.
func newRig(ctx context.Context) (*rig, error) {
	r, err := newSite(ctx)
	if err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{r.startClient, r.startDaemon, r.addTunnel} {
		if err := step(ctx); err != nil {
			r.close()
			return nil, err
		}
	}
	return r, nil
}

// newSite starts the service and sshd, and builds the daemon.
func newSite(ctx context.Context) (r *rig, err error) {
	dir, err := os.MkdirTemp("/tmp", "culvert-bench-")
	if err != nil {
		return nil, err
	}
	r = &rig{dir: dir}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if r.service, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return r, err
	}
	r.servicePort = r.service.Addr().(*net.TCPAddr).Port
	go serve(r.service)
	for _, p := range []*int{&r.sshdPort, &r.culvertL, &r.culvertR, &r.culvertBulk, &r.sshL, &r.sshR} {
		if *p, err = freePort(); err != nil {
			return r, err
		}
	}
	for _, step := range []func(context.Context) error{r.build, r.startSSHD} {
		if err := step(ctx); err != nil {
			return r, err
		}
	}
	return r, nil
}

// close ends what was started, last first.
func (r *rig) close() {
	for i := len(r.processes) - 1; i >= 0; i-- {
		p := r.processes[i]
		_ = p.Process.Signal(syscall.SIGTERM)
		t := time.AfterFunc(12*time.Second, func() { _ = p.Process.Kill() })
		_ = p.Wait()
		t.Stop()
	}
	if r.service != nil {
		r.service.Close()
	}
	os.RemoveAll(r.dir)
}

// start runs a program until close.
func (r *rig) start(name string, args ...string) (*exec.Cmd, error) {
	log, err := os.Create(filepath.Join(r.dir, filepath.Base(name)+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r.processes = append(r.processes, cmd)
	return cmd, nil
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) startSSHD(ctx context.Context) error {
	if _, err := os.Stat(sshd); err != nil {
		return fmt.Errorf("%w: install openssh-server", err)
	}
	for _, k := range []string{"host", "user"} {
		if out, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", r.path(k)).CombinedOutput(); err != nil {
			return fmt.Errorf("ssh-keygen: %w: %s", err, out)
		}
	}
	pub, err := os.ReadFile(r.path("user.pub"))
	if err != nil {
		return err
	}
	config := fmt.Sprintf("Port %d\nListenAddress 127.0.0.1\nHostKey %s\nPidFile none\nAuthorizedKeysFile %s\nStrictModes no\n"+
		"PermitRootLogin yes\nUsePAM no\nGatewayPorts clientspecified\nMaxStartups 200\nMaxSessions 200\nCiphers %s\nLogLevel ERROR\n",
		r.sshdPort, r.path("host"), r.path("authorized_keys"), cipher)
	err = errors.Join(os.WriteFile(r.path("authorized_keys"), pub, 0o600), os.WriteFile(r.path("sshd_config"), []byte(config), 0o600),
		os.MkdirAll("/run/sshd", 0o755))
	if err != nil {
		return err
	}
	if _, err := r.start(sshd, "-D", "-f", r.path("sshd_config")); err != nil {
		return err
	}
	return answers(ctx, r.sshdPort)
}

func (r *rig) startClient(ctx context.Context) error {
	var err error
	r.client, err = r.start("/usr/bin/ssh", "-F", "none", "-N", "-i", r.path("user"), "-p", strconv.Itoa(r.sshdPort), "-c", cipher,
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ExitOnForwardFailure=yes",
		"-L", fmt.Sprintf("127.0.0.1:%d:127.0.0.1:%d", r.sshL, r.servicePort),
		"-R", fmt.Sprintf("localhost:%d:127.0.0.1:%d", r.sshR, r.servicePort), user()+"@127.0.0.1")
	if err != nil {
		return err
	}
	return answers(ctx, r.sshR)
}

// build builds the daemon and its CLI.
func (r *rig) build(ctx context.Context) error {
	for _, p := range []string{"./cmd/culvertd", "./cmd/culvert"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", r.dir+"/", p)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", p, err, out)
		}
	}
	return errors.Join(os.Mkdir(r.path("plugins"), 0o755), os.WriteFile(r.path("culvert.toml"), []byte("allow_own_plugins = true\n"), 0o600))
}

// startDaemon starts culvertd and lets its key in.
func (r *rig) startDaemon(ctx context.Context) (err error) {
	if r.daemon, err = r.start(r.path("culvertd"), r.daemonArgs()...); err != nil {
		return err
	}
	return r.letIn(ctx)
}

func (r *rig) daemonArgs() []string {
	return []string{"--config", r.path("culvert.toml"), "--state-dir", r.path("state"), "--plugin-dir", r.path("plugins"),
		"--socket", r.path("s")}
}

// letIn waits for the daemon and puts its key where sshd looks.
func (r *rig) letIn(ctx context.Context) error {
	if err := until(ctx, func() error { _, err := r.culvert(ctx, "module", "list"); return err }); err != nil {
		return err
	}
	key, err := r.culvert(ctx, "key", "show")
	if err != nil {
		return err
	}
	f, err := os.OpenFile(r.path("authorized_keys"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(key)
	return err
}

func (r *rig) addTunnel(ctx context.Context) error {
	_, err := r.culvert(ctx, "tunnel", "add", "operator/bench", "--server", r.server(), "--key", "host",
		"--reach", fmt.Sprintf("l=%d:127.0.0.1:%d", r.culvertL, r.servicePort),
		"--expose", fmt.Sprintf("r=%d:%d", r.servicePort, r.culvertR),
		"--reach", fmt.Sprintf("bulk=%d:127.0.0.1:%d", r.culvertBulk, r.servicePort), "--lane", "bulk=bulk", "--wait=20s")
	return err
}

func (r *rig) server() string { return user() + "@127.0.0.1:" + strconv.Itoa(r.sshdPort) }

func (r *rig) culvert(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, r.path("culvert"), append([]string{"--socket", r.path("s")}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("culvert %s: %w: %s", strings.Join(args, " "), err, errs.String())
	}
	return out.String(), nil
}

func rss(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			return strconv.ParseFloat(f[1], 64)
		}
	}
	return 0, fmt.Errorf("process %d has no VmRSS", pid)
}

// cpuTime is the processor time a process has used so far.
func cpuTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:])) // from the third field on
	if len(f) < 13 {
		return 0, fmt.Errorf("the stat of process %d cannot be read", pid)
	}
	user, err1 := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	const tick = time.Second / 100 // USER_HZ is 100 on every Linux we run on
	return time.Duration(user+system) * tick, errors.Join(err1, err2)
}

// sshVersion is what ssh calls itself.
func sshVersion(ctx context.Context) string {
	out, _ := exec.CommandContext(ctx, "ssh", "-V").CombinedOutput()
	return strings.TrimSpace(strings.Split(string(out), ",")[0])
}

func user() string {
	if u := os.Getenv("USER"); u != "" {
		return u
	}
	return "root"
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// answers waits until somebody listens on the port.
func answers(ctx context.Context, port int) error {
	return until(ctx, func() error {
		c, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), time.Second)
		if err == nil {
			c.Close()
		}
		return err
	})
}

// until asks again until ok has no error, for at most 60 s.
func until(ctx context.Context, ok func() error) error { return within(ctx, time.Minute, ok) }
