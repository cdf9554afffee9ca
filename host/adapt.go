package host

import (
	"context"
	"encoding/json"
	"errors"
	"iter"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/host/pluginhost"
	"github.com/culvert-pbx/culvert/host/registry"
	"github.com/culvert-pbx/culvert/host/seal"
	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/supervisor"
	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// sealer is the sealer as the registry asks for it.
type sealer struct{ s *seal.Sealer }

func (s sealer) Seal(at registry.Place, secret tunnel.Secret) ([]byte, error) {
	return s.s.Seal(place(at), secret)
}

func (s sealer) Open(at registry.Place, sealed []byte) (tunnel.Secret, error) {
	return s.s.Open(place(at), sealed)
}

func place(at registry.Place) seal.Place {
	return seal.Place{
		Owner: string(at.Owner), Path: at.Path, Field: at.Field,
		Host: at.Server.Host, Port: at.Server.Port, User: at.Server.User, Via: at.Via.String(),
	}
}

// keys are the PBX's key pair, and those of tunnels, as the control API asks for them.
type keys struct {
	sshtunnel.KeyPair
	registry *registry.Registry
}

func (k keys) AuthorizedKeyOf(ctx context.Context, ref tunnel.Ref) (string, error) {
	v, err := k.registry.Get(ctx, ref)
	if err != nil || !v.OwnKey {
		return k.AuthorizedKey(), err
	}
	_, cred, err := k.registry.Login(ctx, ref)
	if err != nil {
		return "", err
	}
	pair, err := sshtunnel.ParsePrivateKey([]byte(cred.PrivateKey.Reveal()), []byte(cred.Passphrase.Reveal()))
	if err != nil {
		return "", &tunnel.StatusError{Ref: ref, State: v.Status.State, Reason: tunnel.SecretUnreadable,
			Message: "its private key cannot be used: " + tunnel.Clean(err.Error(), 300), Remedy: "culvert tunnel set " + ref.String() + " --key FILE"}
	}
	return pair.AuthorizedKey(), nil
}

func (keys) CheckPrivateKey(pem, passphrase []byte) error {
	_, err := sshtunnel.ParsePrivateKey(pem, passphrase)
	return err
}

// modules are the module host's as the control API asks for them.
type modules struct{ *pluginhost.Host }

func (m modules) List(context.Context) ([]control.ModuleStatus, error) {
	var out []control.ModuleStatus
	for _, x := range m.Modules() {
		s := control.ModuleStatus{
			Name: x.Name, Version: x.Version, SHA256: x.SHA256, State: string(x.State), Reason: x.Reason,
			Message: x.Message, Remedy: x.Remedy, PID: x.PID, RSS: x.RSS, Restarts: x.Restarts, Sandbox: control.Sandbox(x.Sandbox),
			Contract: x.Contract, Unsandboxed: x.Trusted,
		}
		for _, n := range x.Notes {
			s.Notes = append(s.Notes, control.Note(n))
		}
		if x.Pending != nil {
			s.Pending = candidate(*x.Pending)
		}
		out = append(out, s)
	}
	return out, nil
}

func (m modules) Restart(_ context.Context, _ string, name tunnel.Owner) error {
	return refusal(m.Host.Restart(name))
}

func (m modules) Regrant(ctx context.Context, by string, name tunnel.Owner, g tunnel.Grant, less bool) control.Effect {
	return control.Effect(m.Host.Regrant(ctx, by, name, g, less))
}

func (m modules) Distrust(ctx context.Context, by string, name tunnel.Owner) (control.Effect, error) {
	e, err := m.Host.Distrust(ctx, by, name)
	return control.Effect(e), refusal(err)
}

func (m modules) Described(ctx context.Context, name tunnel.Owner) error {
	return refusal(m.Host.Described(ctx, name))
}

func (m modules) Accept(ctx context.Context, by string, name tunnel.Owner, unsandboxed bool) (before, after control.Face, err error) {
	b, a, err := m.Host.Accept(ctx, by, name, unsandboxed)
	return face(b), face(a), refusal(err)
}

func (m modules) Test(ctx context.Context, ref tunnel.ConfigurationRef, doc json.RawMessage, report func(control.Step)) error {
	return refusal(m.Host.Test(ctx, ref, doc, func(s tunnel.TestStep) {
		report(control.Step{Name: s.Name, State: string(s.Outcome), Message: s.Message, Remedy: s.Remedy, MS: s.Took.Milliseconds(), Diagnosis: control.DiagnosisOf(nil)})
	}))
}

func (m modules) Validate(ctx context.Context, ref tunnel.ConfigurationRef, doc json.RawMessage) (tunnel.Findings, error) {
	fs, err := m.Host.Validate(ctx, ref, doc)
	return fs, refusal(err)
}

func (m modules) Act(ctx context.Context, a control.Ask, report func(tunnel.ActReport)) (tunnel.Result, error) {
	result, err := m.Host.Act(ctx, pluginhost.Ask(a), report)
	return result, refusal(err)
}

func (m modules) Jobs(ctx context.Context) (out []control.ConfigurationJobs, err error) {
	for _, c := range m.Host.Jobs(ctx) {
		out = append(out, control.ConfigurationJobs(c))
	}
	return out, nil
}

// refusal gives the operator the reason why a module cannot be used.
func refusal(err error) error {
	var u *pluginhost.Unusable
	if errors.As(err, &u) {
		return control.Refused(u.Reason, u.Error(), u.Remedy)
	}
	return err
}

func face(b pluginhost.Binary) control.Face {
	d := b.Description
	return control.Face{Version: d.Version, SHA256: b.SHA256, Slots: d.Slots, Policy: d.Policy, Grants: d.Grants, Capabilities: d.Capabilities, Contract: d.Contract, Schema: d.Schema}
}

func candidate(c pluginhost.Candidate) *control.Candidate {
	return &control.Candidate{
		Face: face(c.Binary), Described: c.Described, Problem: c.Problem, Size: c.Size, UID: c.UID, Modified: c.Modified,
	}
}

// links are the running tunnels as the control API asks for them.
type links struct{ s *supervisor.Supervisor }

func (l links) Restart(_ context.Context, _ string, ref tunnel.Ref) error { return l.s.Restart(ref) }

func (l links) Check(ctx context.Context, r control.CheckRequest, report func(control.Step)) (string, error) {
	shown, err := l.s.Check(ctx, supervisor.Trial{
		Server: r.Server, Via: r.Via, LAN: r.LAN, Credential: r.Credential, Fingerprint: r.Fingerprint, Mappings: r.Mappings,
	}, func(s supervisor.TrialStep) { report(step(s)) })
	return shown.Fingerprint, err
}

// step is a step of a check as the control API shows it.
func step(s supervisor.TrialStep) control.Step {
	out := control.Step{Name: s.Name, State: control.StepRunning, MS: s.Took.Milliseconds(), Message: s.Note,
		Diagnosis: control.DiagnosisOf(s.Failure.Diagnosis)}
	switch {
	case s.Skipped:
		out.State = control.StepSkipped
	case s.Failure != (supervisor.Failure{}):
		reason := string(s.Failure.Reason)
		out.State, out.Reason, out.Message, out.Remedy = control.StepFailed, &reason, s.Failure.Message, s.Failure.Remedy
	case s.Done:
		out.State = control.StepOK
	}
	return out
}

// settingsEditor edits settings by their schema; without one there are none to edit.
type settingsEditor struct{}

func (settingsEditor) Set(schema, doc json.RawMessage, key, value string) (json.RawMessage, tunnel.Findings) {
	return settings.SetValue(schema, doc, key, value)
}

func (settingsEditor) Unset(schema, doc json.RawMessage, key string) (json.RawMessage, tunnel.Findings) {
	return settings.Unset(schema, doc, key)
}

var (
	_ control.Operator = (*registry.Registry)(nil)
	_ interface {
		Log(context.Context, tunnel.Owner, bool) iter.Seq2[string, error]
	} = modules{}
)
