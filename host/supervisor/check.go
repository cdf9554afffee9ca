package supervisor

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Trial says what to check: a connection as a tunnel would make it.
type Trial struct {
	Server      tunnel.Server
	Credential  tunnel.Credential
	Fingerprint string           // "" takes any key
	Mappings    []tunnel.Mapping // each is asked for, proved and withdrawn
}

// TrialStep is one step of a check that is over: name, tcp, hostkey, login, then forwarding for each mapping.
type TrialStep struct {
	Name    string // "forwarding MAPPING" where there is a mapping
	OK      bool
	Failure Failure // where not OK
	Took    time.Duration
}

// Verdict is what a check found.
type Verdict struct {
	OK  bool
	Key tunnel.Pin // that the server showed, zero where it did not come to that
}

// errTried ends a check's link.
var errTried = errors.New("tried")

// Check makes one connection as a tunnel would, and reports each step as it ends; report is called by one goroutine at
// a time. It stores nothing, retries nothing and ends with ctx. The error is that of ctx: what the server did is in the
// steps.
func (s *Supervisor) Check(ctx context.Context, t Trial, report func(TrialStep)) (Verdict, error) {
	c := &check{s: s, trial: t, report: report}
	err := s.config.Engine.Run(ctx, c.plan(), c.serve)
	if ctx.Err() != nil {
		return Verdict{}, ctx.Err()
	}
	c.conclude(err)
	return Verdict{OK: !c.failed, Key: c.key}, nil
}

// check is one run of Check.
type check struct {
	s      *Supervisor
	trial  Trial
	report func(TrialStep)

	failed bool
	key    tunnel.Pin
}

// plan is what the engine is told. The check's services are the PBX's ports: no module is asked.
func (c *check) plan() Attempt {
	return Attempt{
		Server: c.trial.Server, Credential: c.trial.Credential, Fingerprint: c.trial.Fingerprint, Log: c.s.config.Log,
		Learned: func(_ context.Context, shown tunnel.Pin) error { c.key = shown; return nil },
		Admit:   func(ctx context.Context) (func(), error) { return c.s.gate.enter(ctx, c.trial.Server) },
		DialLocal: func(ctx context.Context, m tunnel.Mapping) (net.Conn, error) {
			return c.s.config.DialLocal(ctx, tunnel.Ref{Owner: tunnel.Operator}, m)
		},
		Stage: func(step Step) {
			if step.Done {
				c.step(string(step.Stage), step.Failure, step.Took)
			}
		},
	}
}

func (c *check) step(name string, why Failure, took time.Duration) {
	ok := why == Failure{}
	c.failed = c.failed || !ok
	if why.Shown != (tunnel.Pin{}) {
		c.key = why.Shown
	}
	c.report(TrialStep{Name: name, OK: ok, Failure: why, Took: took})
}

// serve tries each mapping.
func (c *check) serve(ctx context.Context, l Link) error {
	for _, m := range c.trial.Mappings {
		began := time.Now()
		err := c.try(ctx, l, m)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var why Failure
		if err != nil {
			why = failure(c.s.config.Engine, err)
		}
		c.step("forwarding "+m.Name, why, time.Since(began))
	}
	return errTried
}

// try asks for one mapping, proves it as a tunnel would and gives it back.
func (c *check) try(ctx context.Context, l Link, m tunnel.Mapping) error {
	ctx, cancel := context.WithTimeout(ctx, 3*patience)
	defer cancel()
	if err := l.Apply(ctx, m); err != nil {
		return err
	}
	defer func() { _ = l.Withdraw(ctx, m.Name) }()
	if !m.Kind.Reaches() || !m.Private() {
		if err := l.Prove(ctx, m.Name); err != nil {
			return err
		}
	}
	return l.Target(ctx, m.Name)
}

// conclude reports an end that no step told of.
func (c *check) conclude(err error) {
	if err != nil && !errors.Is(err, errTried) && !c.failed {
		c.step("link", failure(c.s.config.Engine, err), 0)
	}
}
