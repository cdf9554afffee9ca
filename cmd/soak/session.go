package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// session is one run of the program: what was built, and what was asked for.
type session struct {
	options
	log    *trialLog
	dir    string
	commit string
	beds   atomic.Uint64 // how many were made: each has a chance of its own
	broken func() error  // why the run was broken off, nil while it goes on
}

// build builds daemon and CLI as they are released.
func (s *session) build(ctx context.Context) (err error) {
	if s.dir, err = os.MkdirTemp("", "culvert-soak-"); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", s.dir+"/", "./cmd/culvertd", "./cmd/culvert")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	s.commit = output("git", "rev-parse", "--short", "HEAD")
	if output("git", "status", "--porcelain", "-uno") != "" {
		s.commit += " with changes"
	}
	return nil
}

func (s *session) close() {
	if s.dir != "" {
		os.RemoveAll(s.dir)
	}
}

func (s *session) program(name string) string { return filepath.Join(s.dir, name) }

// chance is a source of choices that is the same in every run with this seed.
func (s *session) chance() *rand.Rand { return rand.New(rand.NewPCG(s.log.seed, s.beds.Add(1))) }

// trial keeps what was measured, unless the run was broken off meanwhile: what did not come back then says nothing.
func (s *session) trial(goal, kind string, figures map[string]float64, failed error) {
	if s.broken() != nil {
		return
	}
	t := Trial{Goal: goal, Case: kind, At: time.Now(), Commit: s.commit, Figures: figures, HugePages: hugePages()}
	if failed != nil {
		t.Failed = failed.Error()
		fmt.Fprintf(os.Stderr, "  %s %s: %v\n", goal, kind, failed)
	}
	s.log.add(t)
}

// output is what a program says, "" when it fails.
func output(name string, args ...string) string {
	out, _ := exec.Command(name, args...).Output()
	return strings.TrimSpace(string(out))
}
