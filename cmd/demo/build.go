package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// stage is the temporary directory the story plays in. Its path is short, because unix sockets lie below it.
type stage struct {
	dir     string
	plugins string
	socket  string
}

func newStage() (*stage, error) {
	dir, err := os.MkdirTemp("/tmp", "culvert-demo-")
	if err != nil {
		return nil, err
	}
	s := &stage{dir: dir, plugins: filepath.Join(dir, "plugins"), socket: filepath.Join(dir, "culvert.sock")}
	return s, os.Mkdir(s.plugins, 0o755)
}

func (s *stage) remove() { os.RemoveAll(s.dir) }

// build compiles what the story needs, naming each program as it begins.
func (s *stage) build(ctx context.Context) error {
	programs := []struct{ pkg, to, is string }{
		{"./cmd/culvertd", s.dir, "the daemon"},
		{"./cmd/culvert", s.dir, "the command line"},
		{"./plugins/monitoring", s.plugins, "a module: monitoring"},
		{"./cmd/demo/intruder", s.plugins, "a module that tries what is not its own: intruder"},
	}
	say("Building (the first time takes a minute or two):")
	for _, p := range programs {
		start := time.Now()
		cmd := exec.CommandContext(ctx, "go", "build", "-o", p.to+"/", p.pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", p.pkg, err, out)
		}
		detail("%-52s %5.1f s", p.is, time.Since(start).Seconds())
	}
	return nil
}
