package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	watchers = 8   // modules that watch at once
	lists    = 100 // that one of them takes
	edits    = 200 // that all of them see
)

// modules measures what modules get of very many tunnels of other owners, and what they cost.
func (b *bench) modules(ctx context.Context) error {
	what := fmt.Sprintf("modules: %d, and %d tunnels of another owner", watchers, b.many)
	if b.many == 0 || !b.begin(what) {
		return nil
	}
	r, err := newSite(ctx)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.installWatchers(ctx); err != nil {
		return err
	}
	if err := r.startDaemon(ctx); err != nil {
		return err
	}
	idle, err := r.idleModules(ctx)
	if err != nil {
		return err
	}
	for i := range b.many {
		if err := r.addNumbered(ctx, i, true); err != nil {
			return err
		}
	}
	if err := r.allUp(ctx, b.many); err != nil {
		return err
	}
	took, err := r.takeLists(ctx, b.many)
	if err != nil {
		return err
	}
	afterRequest, afterAnswer, err := r.takeEdits(ctx)
	if err != nil {
		return err
	}
	b.rows = append(b.rows,
		row{what: "modules: processes without a configuration", unit: "of 8", culvert: float64(idle)},
		row{what: "modules: list of all p50", unit: "ms", culvert: quantile(took, 50), digits: 1},
		row{what: "modules: list of all p99", unit: "ms", culvert: quantile(took, 99), digits: 1},
		row{what: "modules: all see a change after its request p99", unit: "ms", culvert: quantile(afterRequest, 99), digits: 1},
		row{what: "modules: all see a change after its commit was said p50", unit: "ms", culvert: quantile(afterAnswer, 50), digits: 1},
		row{what: "modules: all see a change after its commit was said p99", unit: "ms", culvert: quantile(afterAnswer, 99), digits: 1})
	return b.ownModules(ctx, r)
}

// quantile is that one of times, in milliseconds.
func quantile(times []time.Duration, percent int) float64 {
	s := slices.Sorted(slices.Values(times))
	return s[(len(s)-1)*percent/100].Seconds() * 1e3
}

// install builds a module and installs it under each of the names.
func (r *rig) install(ctx context.Context, pkg string, names ...string) error {
	built := r.path("built")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", built, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	binary, err := os.ReadFile(built)
	if err != nil {
		return err
	}
	for _, name := range names {
		next := filepath.Join(r.path("plugins"), name+".new")
		if err := os.WriteFile(next, binary, 0o755); err != nil {
			return err
		}
		if err := os.Rename(next, strings.TrimSuffix(next, ".new")); err != nil {
			return err
		}
	}
	return nil
}

func (r *rig) installWatchers(ctx context.Context) error {
	var names []string
	for i := range watchers {
		names = append(names, fmt.Sprintf("watcher%d", i))
	}
	return r.install(ctx, "./cmd/bench/watcher", names...)
}

// shownModule is what the bench reads of `module list`.
type shownModule struct {
	Name, State string
	PID         int
	RSSBytes    float64 `json:"rss_bytes"`
}

func (r *rig) moduleList(ctx context.Context) (all []shownModule, err error) {
	out, err := r.culvert(ctx, "module", "list", "-o", "json")
	if err != nil {
		return nil, err
	}
	return all, json.Unmarshal([]byte(out), &all)
}

// idleModules waits until every module has described itself, and returns how many processes there are then.
func (r *rig) idleModules(ctx context.Context) (processes int, err error) {
	err = until(ctx, func() error {
		all, err := r.moduleList(ctx)
		if err != nil {
			return err
		}
		processes = 0
		for _, m := range all {
			if m.State != "stopped" {
				return fmt.Errorf("%s is %s", m.Name, m.State)
			}
			if m.PID != 0 {
				processes++
			}
		}
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", r.daemon.Process.Pid))
		processes += len(strings.Fields(string(children)))
		return err
	})
	return processes, err
}

// file is what the watcher of that number has written.
func (r *rig) file(i int, name string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(r.path("state"), "modules", fmt.Sprintf("watcher%d", i), "default", name))
	return strings.Split(string(text), "\n"), err
}

// takeLists has every watcher run and returns how long the lists of one took, which the others were idle beside.
func (r *rig) takeLists(ctx context.Context, tunnels int) (took []time.Duration, err error) {
	for i := 1; i < watchers; i++ {
		if _, err := r.culvert(ctx, "config", "add", fmt.Sprintf("watcher%d/default", i)); err != nil {
			return nil, err
		}
	}
	for i := 1; i < watchers; i++ {
		if _, err := r.seen(ctx, i, "synced"); err != nil {
			return nil, err
		}
	}
	if _, err := r.culvert(ctx, "config", "add", "watcher0/default", "--set", fmt.Sprintf("lists=%d", lists)); err != nil {
		return nil, err
	}
	err = until(ctx, func() error { _, err := r.file(0, "lists"); return err })
	if err != nil {
		return nil, err
	}
	lines, err := r.file(0, "lists")
	for _, line := range lines[:len(lines)-1] {
		var ns time.Duration
		var n int
		if _, err := fmt.Sscan(line, &ns, &n); err != nil || n != tunnels {
			return nil, fmt.Errorf("a list of %d tunnels: %q, %w", tunnels, line, err)
		}
		took = append(took, ns)
	}
	return took, err
}

// takeEdits makes changes and returns how long after each was asked for, and after its commit was said, the last watcher
// saw it.
func (r *rig) takeEdits(ctx context.Context) (afterRequest, afterAnswer []time.Duration, err error) {
	for i := range watchers {
		if _, err := r.seen(ctx, i, "synced"); err != nil {
			return nil, nil, err
		}
	}
	for n := range edits {
		comment := fmt.Sprintf("bench-%d", n)
		asked := time.Now()
		if _, err := r.culvert(ctx, "tunnel", "set", "operator/t0", "--comment", comment); err != nil {
			return nil, nil, err
		}
		answered := time.Now()
		var last time.Time
		for i := range watchers {
			at, err := r.seen(ctx, i, comment)
			if err != nil {
				return nil, nil, err
			}
			if at.After(last) {
				last = at
			}
		}
		afterRequest = append(afterRequest, last.Sub(asked))
		afterAnswer = append(afterAnswer, max(0, last.Sub(answered)))
	}
	return afterRequest, afterAnswer, nil
}

// seen waits until a watcher has seen a change of that word, and returns when that was.
func (r *rig) seen(ctx context.Context, i int, word string) (at time.Time, err error) {
	err = until(ctx, func() error {
		lines, err := r.file(i, "seen")
		if err != nil {
			return err
		}
		for _, line := range slices.Backward(lines[:len(lines)-1]) {
			if f := strings.Fields(line); slices.Contains(f, word) {
				var ns int64
				_, err := fmt.Sscan(f[0], &ns)
				at = time.Unix(0, ns)
				return err
			}
		}
		return fmt.Errorf("watcher %d has not seen %s", i, word)
	})
	return at, err
}

// ownModules measures the memory of each module of this repository while it runs, with all the tunnels still there.
func (b *bench) ownModules(ctx context.Context, r *rig) error {
	for _, dir := range []string{"plugins", "examples"} {
		found, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range found {
			if !e.IsDir() || e.Name() == "internal" {
				continue
			}
			rss, err := r.moduleMemory(ctx, "./"+dir+"/"+e.Name(), e.Name())
			if err != nil {
				return err
			}
			b.rows = append(b.rows, row{what: "modules: memory of " + e.Name(), unit: "MB", culvert: rss / 1e6, digits: 1})
		}
	}
	return nil
}

// needs are the settings that a module of this repository does not run without.
var needs = map[string][]string{
	"notify": {"--set", "url=http://127.0.0.1:9/"},
}

func (r *rig) moduleMemory(ctx context.Context, pkg, name string) (rss float64, err error) {
	if err := r.install(ctx, pkg, name); err != nil {
		return 0, err
	}
	err = until(ctx, func() error {
		_, err := r.culvert(ctx, append([]string{"config", "add", name + "/default"}, needs[name]...)...)
		return err
	})
	if err != nil {
		return 0, err
	}
	err = until(ctx, func() error {
		all, err := r.moduleList(ctx)
		i := slices.IndexFunc(all, func(m shownModule) bool { return m.Name == name })
		if err != nil || i < 0 || all[i].State != "running" {
			return fmt.Errorf("%s does not run, %w", name, err)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	wait(ctx, 5*time.Second) // it has listed, watched and settled
	all, err := r.moduleList(ctx)
	if i := slices.IndexFunc(all, func(m shownModule) bool { return m.Name == name }); err == nil && i >= 0 {
		rss = all[i].RSSBytes
	}
	return rss, err
}
