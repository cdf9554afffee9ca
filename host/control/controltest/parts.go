package controltest

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// modules is control.Modules over a Fake.
type modules struct{ f *Fake }

func (f *Fake) modules() control.Modules { return modules{f} }

func (m modules) Look(context.Context) error { return m.f.Unsafe }

func (m modules) Looked(ctx context.Context) error {
	if m.f.OnLooked != nil {
		m.f.OnLooked(ctx)
	}
	return ctx.Err()
}

func (m modules) Described(ctx context.Context, name tunnel.Owner) error {
	_, err := m.f.Description(ctx, name)
	return err
}

func (m modules) List(context.Context) ([]control.ModuleStatus, error) {
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	return slices.Clone(m.f.statuses), nil
}

func (m modules) Restart(ctx context.Context, by string, name tunnel.Owner) error {
	if err := m.Described(ctx, name); err != nil {
		return err
	}
	m.f.called(by, "restart module %s", name)
	return nil
}

func (m modules) Grantable(_ tunnel.Owner, g tunnel.Grant) (warning string, err error) {
	if m.f.Reserved == "" || !strings.HasSuffix(string(g), " "+m.f.Reserved) {
		return m.f.Hollow, nil
	}
	return "", tunnel.Findings{{Code: tunnel.PolicyRefused, Field: "grant", Value: string(g), Message: "it would open " + m.f.Reserved + ", which is no module's", WayOut: "grant a narrower path"}}
}

func (m modules) Regrant(context.Context, string, tunnel.Owner, tunnel.Grant, bool) control.Effect {
	return m.f.Effect
}

func (m modules) Distrust(ctx context.Context, by string, name tunnel.Owner) (control.Effect, error) {
	if err := m.Described(ctx, name); err != nil {
		return control.Effect{}, err
	}
	m.f.called(by, "distrust module %s", name)
	return m.f.Effect, nil
}

func (m modules) Accept(ctx context.Context, by string, name tunnel.Owner, unsandboxed bool) (before, after control.Face, err error) {
	d, err := m.f.Description(ctx, name)
	if err != nil {
		return before, after, err
	}
	how := ""
	if unsandboxed {
		how = " unsandboxed"
	}
	m.f.called(by, "accept module %s%s", name, how)
	before = control.Face{Version: "v0", SHA256: "00", Slots: []tunnel.Slot{}, Grants: []tunnel.Grant{}, Capabilities: []string{}}
	after = control.Face{Version: d.Version, SHA256: "01", Slots: d.Slots, Policy: d.Policy, Grants: d.Grants, Capabilities: d.Capabilities, Schema: d.Schema}
	return before, after, nil
}

func (m modules) Test(ctx context.Context, ref tunnel.ConfigurationRef, doc json.RawMessage, report func(control.Step)) error {
	if m.f.OnTest != nil {
		return m.f.OnTest(ctx, ref, doc, report)
	}
	for _, s := range m.f.Steps {
		report(s)
	}
	return nil
}

func (m modules) Validate(_ context.Context, ref tunnel.ConfigurationRef, doc json.RawMessage) (tunnel.Findings, error) {
	if m.f.OnValidate != nil {
		return m.f.OnValidate(ref, doc)
	}
	return nil, nil
}

func (m modules) Log(ctx context.Context, name tunnel.Owner, follow bool) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := m.Described(ctx, name); err != nil {
			yield("", err)
			return
		}
		for _, l := range m.f.Lines {
			if !yield(l, nil) {
				return
			}
		}
		if follow {
			<-ctx.Done()
			yield("", ctx.Err())
		}
	}
}

// links is control.Links over a Fake.
type links struct{ f *Fake }

func (f *Fake) links() control.Links { return links{f} }

func (l links) Restart(_ context.Context, by string, ref tunnel.Ref) error {
	l.f.called(by, "restart %s", ref)
	if l.f.OnRestart != nil {
		l.f.OnRestart(ref)
	}
	return nil
}

func (l links) Check(ctx context.Context, r control.CheckRequest, report func(control.Step)) (string, error) {
	if l.f.OnCheck != nil {
		l.f.OnCheck(ctx, r)
	}
	for _, s := range l.f.Steps {
		report(s)
	}
	return l.f.Shown, nil
}

// keys is control.Keys over a Fake; it takes every key but one.
type keys struct{ f *Fake }

func (keys) AuthorizedKey() string { return AuthorizedKey }

func (k keys) AuthorizedKeyOf(_ context.Context, ref tunnel.Ref) (string, error) {
	if k.f.Credential(ref).PrivateKey != "" {
		return OwnAuthorizedKey, nil
	}
	return AuthorizedKey, nil
}

func (keys) CheckPrivateKey(pem, _ []byte) error {
	if string(pem) == "broken" {
		return errors.New("no key found")
	}
	return nil
}

// bySchema is control.Settings as the daemon has it.
type bySchema struct{}

func (bySchema) Set(schema, doc json.RawMessage, key, value string) (json.RawMessage, tunnel.Findings) {
	return settings.SetValue(schema, doc, key, value)
}

func (bySchema) Unset(schema, doc json.RawMessage, key string) (json.RawMessage, tunnel.Findings) {
	return settings.Unset(schema, doc, key)
}

// Events is a journal in memory.
type Events struct {
	mu    sync.Mutex
	all   []tunnel.Event
	grown chan struct{}
}

// NewEvents is an empty one.
func NewEvents() *Events { return &Events{grown: make(chan struct{})} }

// Add appends e.
func (j *Events) Add(e tunnel.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.all = append(j.all, e)
	close(j.grown)
	j.grown = make(chan struct{})
}

func (j *Events) from(i int) ([]tunnel.Event, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.all[i:]), j.grown
}

// Read yields what there is.
func (j *Events) Read(context.Context) iter.Seq2[tunnel.Event, error] {
	return func(yield func(tunnel.Event, error) bool) {
		all, _ := j.from(0)
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Follow yields what there is and what comes.
func (j *Events) Follow(ctx context.Context) iter.Seq2[tunnel.Event, error] {
	return func(yield func(tunnel.Event, error) bool) {
		for at := 0; ; {
			more, grown := j.from(at)
			at += len(more)
			for _, e := range more {
				if !yield(e, nil) {
					return
				}
			}
			select {
			case <-grown:
			case <-ctx.Done():
				yield(tunnel.Event{}, ctx.Err())
				return
			}
		}
	}
}
