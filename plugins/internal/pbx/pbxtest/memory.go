// Package pbxtest is the contract of package pbx as a suite that every adapter passes, and an adapter in memory that
// passes it, for tests of modules.
package pbxtest

import (
	"context"
	"slices"
	"sync"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
)

// Memory is a telephone system in memory. It keeps everything and refuses nothing.
type Memory struct {
	mu      sync.Mutex
	state   pbx.State
	fail    error // of the next Apply
	applied int   // how often something was changed
}

// NewMemory has these users and groups, among them protected ones.
func NewMemory(s pbx.State) *Memory {
	s = s.Clone()
	s.Sort()
	s.Version = s.Digest()
	return &Memory{state: s}
}

// Capabilities implements pbx.Adapter.
func (m *Memory) Capabilities() (cs pbx.Capabilities) {
	for _, c := range []pbx.Capability{pbx.Users, pbx.Extensions, pbx.Numbers, pbx.FaxNumbers, pbx.Groups, pbx.Admins, pbx.CallerNames, pbx.Reload} {
		cs = append(cs, pbx.Support{Capability: c, Supported: true})
	}
	return cs
}

// Read implements pbx.Adapter.
func (m *Memory) Read(ctx context.Context) (pbx.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state.Clone(), ctx.Err()
}

// Preview implements pbx.Adapter.
func (m *Memory) Preview(ctx context.Context, p pbx.Plan) (pbx.Result, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, r, err := pbx.Outcome(m.state, p)
	return r, err
}

// Apply implements pbx.Adapter.
func (m *Memory) Apply(ctx context.Context, p pbx.Plan) (pbx.Result, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail; err != nil {
		m.fail = nil
		return pbx.Result{}, err
	}
	after, r, err := pbx.Outcome(m.state, p)
	if err != nil {
		return pbx.Result{}, err
	}
	if r.Changed() {
		m.applied++
	}
	after.Version = after.Digest()
	m.state, r.Reloaded, r.Version = after, true, after.Version
	return r, nil
}

// Try implements pbx.Adapter.
func (m *Memory) Try(ctx context.Context) error { return ctx.Err() }

// Close implements pbx.Adapter.
func (m *Memory) Close() error { return nil }

// FailNext makes the next Apply change nothing and return err.
func (m *Memory) FailNext(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// Applied says how many plans changed something.
func (m *Memory) Applied() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.applied
}

// Logins are those of all users, sorted.
func (m *Memory) Logins() (names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, u := range m.state.Users {
		names = append(names, u.Login)
	}
	slices.Sort(names)
	return names
}
