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
)

// daemon is a running culvertd.
type daemon struct {
	stage *stage
	cmd   *exec.Cmd
	done  chan struct{} // closed when it has ended, after ended is set
	ended error
}

const daemonConfig = "allow_own_plugins = true\nhttp = \"off\"\n"

func startDaemon(ctx context.Context, s *stage) (*daemon, error) {
	file := filepath.Join(s.dir, "culvert.toml")
	if err := os.WriteFile(file, []byte(daemonConfig), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(s.dir, "culvertd.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	d := &daemon{stage: s, done: make(chan struct{})}
	d.cmd = exec.Command(filepath.Join(s.dir, "culvertd"), "--config", file,
		"--state-dir", filepath.Join(s.dir, "state"), "--plugin-dir", s.plugins, "--socket", s.socket)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	// An interrupt at the terminal is for the demo, which stops its daemon itself; and nothing outlives the demo.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		d.ended = d.cmd.Wait()
		close(d.done)
	}()
	return d, d.ready(ctx)
}

func (d *daemon) ready(ctx context.Context) error {
	return until(ctx, 10*time.Second, "the daemon to answer", func() (bool, error) {
		select {
		case <-d.done:
			log, _ := os.ReadFile(filepath.Join(d.stage.dir, "culvertd.log"))
			return false, fmt.Errorf("the daemon ended: %w\n%s", d.ended, log)
		default:
		}
		_, err := d.culvert(ctx, "module", "list", "-o", "json")
		return err == nil, nil
	})
}

func (d *daemon) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(12 * time.Second):
		_ = d.cmd.Process.Kill()
		<-d.done
	}
}

// culvert runs the CLI and returns what it printed.
func (d *daemon) culvert(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(d.stage.dir, "culvert"), append([]string{"--socket", d.stage.socket}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("culvert %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// show runs the CLI as a person would and prints the command and what it says.
func (d *daemon) show(ctx context.Context, args ...string) error {
	command("culvert " + strings.Join(args, " "))
	out, err := d.culvert(ctx, args...)
	for line := range strings.Lines(out) {
		detail("%s", strings.TrimRight(line, "\n"))
	}
	return err
}

// tunnel is the part of a tunnel's JSON that the story looks at.
type tunnelView struct {
	State, Reason, Message string
}

func (d *daemon) tunnel(ctx context.Context, name string) (tunnelView, error) {
	var v tunnelView
	out, err := d.culvert(ctx, "tunnel", "show", name, "-o", "json")
	if err != nil {
		return v, err
	}
	return v, json.Unmarshal([]byte(out), &v)
}

// until polls ok for at most limit and says what it waited for when the time is over.
func until(ctx context.Context, limit time.Duration, what string, ok func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if done, err := ok(); done || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waited %v for %s", limit, what)
		}
	}
}
