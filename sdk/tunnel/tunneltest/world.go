package tunneltest

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// World is a registry in memory: the rules of the real one without disk, SSH or processes. It is its own Fixture. All
// methods are safe for concurrent use; it works in testing/synctest.
type World struct {
	mu       sync.Mutex
	kept     state                        // what shall be
	tunnels  []tunnel.Tunnel              // that come of it, in order
	board    map[tunnel.Ref]tunnel.Status // the last report on each that runs
	views    map[tunnel.Ref]*tunnel.View  // both, joined
	order    []tunnel.Ref
	watchers map[*watcher]bool
	revision uint64
}

// NewWorld is a World without modules, configurations and tunnels.
func NewWorld() *World {
	return &World{
		kept:     newState(),
		board:    map[tunnel.Ref]tunnel.Status{},
		views:    map[tunnel.Ref]*tunnel.View{},
		watchers: map[*watcher]bool{},
	}
}

// As is the Service of one owner, who is bound to it.
func (w *World) As(owner tunnel.Owner) tunnel.Service { return service{w, owner} }

// Reopen is the World itself: there is no elsewhere.
func (w *World) Reopen(testing.TB) Fixture { return w }

// AddModule installs a module or replaces its description, which must fit the tunnels that are there. (The host, where a
// new binary offers less, withdraws those that no longer fit.)
func (w *World) AddModule(d tunnel.Description) error {
	if err := settings.CheckModule(d); err != nil {
		return err
	}
	if err := tunnel.CheckDescription(d).Err(); err != nil {
		return err
	}
	return w.change(func(s *state) error {
		s.install(d)
		return nil
	})
}

// Miss says whether the module's binary is missing.
func (w *World) Miss(module tunnel.Owner, missing bool) {
	_ = w.change(func(s *state) error { s.missing[module] = missing; return nil }) // no rule concerns it
}

// Configure adds a configuration, enabled, or changes its settings; "***" stands for the secret that is set.
func (w *World) Configure(ref tunnel.ConfigurationRef, doc json.RawMessage) error {
	return w.change(func(s *state) error { return s.configure(ref, doc) })
}

// Settings are the settings of a configuration as its module gets them, nil where there is none.
func (w *World) Settings(ref tunnel.ConfigurationRef) json.RawMessage {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, ok := w.kept.configurations[ref]
	if !ok {
		return nil
	}
	return settings.WithDefaults(w.kept.modules[ref.Module].Schema, c.settings)
}

// Enable enables or disables a configuration.
func (w *World) Enable(ref tunnel.ConfigurationRef, enabled bool) error {
	return w.change(func(s *state) error {
		c, ok := s.configurations[ref]
		if !ok {
			return tunnel.Findings{tunnel.ConfigurationNotFound(ref)}
		}
		c.enabled = enabled
		s.configurations[ref] = c
		return nil
	})
}

// RemoveConfiguration removes a configuration with its tunnels.
func (w *World) RemoveConfiguration(ref tunnel.ConfigurationRef) error {
	return w.change(func(s *state) error { return s.unconfigure(ref) })
}

// AddTunnel adds an operator-made tunnel. Nameless mappings are named, the login is by key where none is given.
func (w *World) AddTunnel(t tunnel.Tunnel) error {
	return w.change(func(s *state) error { return s.add(t) })
}

// RemoveTunnel removes an operator-made tunnel, or a declared one whose module is missing.
func (w *World) RemoveTunnel(ref tunnel.Ref) error {
	return w.change(func(s *state) error { return s.remove(ref) })
}

// Suspend switches a tunnel off or on.
func (w *World) Suspend(ref tunnel.Ref, suspended bool) error {
	return w.change(func(s *state) error {
		if _, ok := w.views[ref]; !ok {
			return tunnel.Findings{tunnel.NotFoundFinding(ref)}
		}
		s.suspended[ref] = suspended
		return nil
	})
}

// Report says how a tunnel is. A report on one that shall not run, or does not exist, says nothing.
func (w *World) Report(ref tunnel.Ref, s tunnel.Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v, ok := w.views[ref]
	if !ok || !w.kept.stand(v.Tunnel).Active {
		return
	}
	if s.Since.IsZero() {
		s.Since = time.Now()
	}
	w.board[ref] = s.Clone()
	w.refreshLocked()
}

// change makes one change of what shall be, all or nothing: f works on a draft, the rules are applied to it, then it is
// kept and the watchers are told.
func (w *World) change(f func(*state) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	draft := w.kept.clone()
	draft.revision = w.revision + 1
	if err := f(&draft); err != nil {
		return err
	}
	if err := draft.check(w.kept); err != nil {
		return err
	}
	w.revision++
	w.kept = draft
	w.tunnels, _ = draft.tunnels() // checked
	w.refreshLocked()
	return nil
}

// service is the World as one owner sees it.
type service struct {
	world *World
	owner tunnel.Owner
}

func (s service) Declare(ctx context.Context, configuration string, set []tunnel.Declaration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := tunnel.CheckDeclared(s.owner, configuration, set).Err(); err != nil {
		return err
	}
	ref := tunnel.ConfigurationRef{Module: s.owner, Name: configuration}
	return s.world.change(func(st *state) error { return st.declare(ref, set) })
}

func (s service) Get(ctx context.Context, ref tunnel.Ref) (tunnel.View, error) {
	if err := ctx.Err(); err != nil {
		return tunnel.View{}, err
	}
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	v, ok := s.world.views[ref]
	if !ok {
		return tunnel.View{}, fmt.Errorf("get: %w", tunnel.NotFoundFinding(ref))
	}
	return v.Clone(), nil
}

func (s service) List(ctx context.Context) iter.Seq2[tunnel.View, error] {
	return func(yield func(tunnel.View, error) bool) {
		s.world.mu.Lock()
		views := s.world.presentLocked()
		s.world.mu.Unlock()
		for _, v := range views {
			if ctx.Err() != nil {
				break
			}
			if !yield(v, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(tunnel.View{}, err)
		}
	}
}
