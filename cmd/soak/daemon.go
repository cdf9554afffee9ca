package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/culvert-pbx/culvert/host/netbed"
)

// daemon is a culvertd on the PBX of a bed, driven through the CLI.
type daemon struct {
	s    *session
	dir  string
	bed  *netbed.Bed
	cmd  *exec.Cmd
	done chan struct{}
}

// newDaemon starts one with a state of its own.
func (s *session) newDaemon(ctx context.Context, bed *netbed.Bed) (*daemon, error) {
	d := &daemon{s: s, bed: bed}
	var err error
	if d.dir, err = os.MkdirTemp(s.dir, "d"); err != nil {
		return nil, err
	}
	if err := os.WriteFile(d.path("culvert.toml"), []byte("allow_own_plugins = true\n"), 0o600); err != nil {
		return nil, err
	}
	return d, d.start(ctx)
}

func (d *daemon) path(name string) string { return filepath.Join(d.dir, name) }

// start starts it and waits until it answers.
func (d *daemon) start(ctx context.Context) error {
	log, err := os.OpenFile(d.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	d.cmd = exec.Command(d.s.program("culvertd"), "--config", d.path("culvert.toml"), "--state-dir", d.path("state"),
		"--plugin-dir", d.path("p"), "--socket", d.path("s"))
	d.cmd.Stdout, d.cmd.Stderr = log, log
	if err := os.MkdirAll(d.path("p"), 0o755); err != nil {
		return err
	}
	if err := d.bed.PBX.Start(d.cmd); err != nil {
		return err
	}
	done := make(chan struct{})
	d.done = done
	go func(cmd *exec.Cmd) { _ = cmd.Wait(); close(done) }(d.cmd)
	return until(ctx, 30*time.Second, func() error {
		select {
		case <-done:
			return fmt.Errorf("the daemon ended: %s", d.said())
		default:
		}
		_, err := d.cli(ctx, "", "module", "list")
		return err
	})
}

// stop ends it as an init system would.
func (d *daemon) stop() {
	if d.cmd == nil {
		return
	}
	select {
	case <-d.done:
		fmt.Fprintf(os.Stderr, "soak: the daemon had ended by itself: %v: %s\n", d.cmd.ProcessState, d.said())
	default:
	}
	_ = d.cmd.Process.Signal(syscall.SIGCONT)
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(15 * time.Second):
		_ = d.cmd.Process.Kill()
		<-d.done
	}
	d.cmd = nil
}

// said is the end of the daemon's log.
func (d *daemon) said() string {
	b, _ := os.ReadFile(d.path("log"))
	return string(b[max(0, len(b)-2000):])
}

// cli runs the CLI.
func (d *daemon) cli(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, d.s.program("culvert"), append([]string{"--socket", d.path("s")}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("culvert %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// key is the PBX's line for authorized_keys.
func (d *daemon) key(ctx context.Context) (string, error) {
	out, err := d.cli(ctx, "", "key", "show")
	return strings.TrimSpace(out), err
}

// shown is what the soak reads of a tunnel.
type shown struct {
	Owner, Name, State, Reason, Message, Remedy string
	Mappings                                    []struct{ Name, State, Reason, Message string }
}

func (d *daemon) show(ctx context.Context, name string) (v shown, err error) {
	out, err := d.cli(ctx, "", "tunnel", "show", name, "-o", "json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &v)
	}
	return v, err
}

func (d *daemon) list(ctx context.Context) (all []shown, err error) {
	out, err := d.cli(ctx, "", "tunnel", "list", "-o", "json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &all)
	}
	return all, err
}

// allUp waits until every tunnel is called up.
func (d *daemon) allUp(ctx context.Context, within time.Duration) error {
	return until(ctx, within, func() error {
		all, err := d.list(ctx)
		if err != nil {
			return err
		}
		for _, t := range all {
			if t.State != "up" {
				return fmt.Errorf("%s/%s is %s (%s): %s", t.Owner, t.Name, t.State, t.Reason, t.Message)
			}
		}
		return nil
	})
}

// until asks again until ok has no error.
func until(ctx context.Context, within time.Duration, ok func() error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		err := ok()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %v: %w", within, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// pause waits so long, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// freeze stops the daemon as it is, or has it go on.
func (d *daemon) freeze(stop bool) {
	sig := syscall.SIGCONT
	if stop {
		sig = syscall.SIGSTOP
	}
	_ = d.cmd.Process.Signal(sig)
}
