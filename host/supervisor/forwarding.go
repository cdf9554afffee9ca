package supervisor

import (
	"context"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// forwarding is the last step of a check.
const forwarding = "forwarding"

// serve tries the mappings of a check or, where it has none, whether anything may be forwarded at all.
func (c *check) serve(ctx context.Context, l Link) error {
	c.turn.worked()
	if len(c.trial.Mappings) == 0 {
		c.begin(forwarding)(c.probe(ctx, l))
		return errTried
	}
	for _, m := range c.trial.Mappings {
		decide := c.begin(forwarding + " " + m.Name)
		heard, err := c.try(ctx, l, m)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		decide(tunnel.Clean(heard, 500), err)
	}
	return errTried
}

// begin reports that a step begins and returns what reports its end.
func (c *check) begin(name string) (decide func(note string, err error)) {
	began := time.Now()
	c.step(TrialStep{Name: name})
	return func(note string, err error) {
		s := TrialStep{Name: name, Done: true, Note: note, Took: time.Since(began)}
		if err != nil {
			s.Failure = failure(c.config.Engine, err)
		}
		c.step(s)
	}
}

// try asks for one mapping, proves it as a tunnel would, hears what the service behind it says and gives it back.
func (c *check) try(ctx context.Context, l Link, m tunnel.Mapping) (heard string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*patience)
	defer cancel()
	if err := l.Apply(ctx, m); err != nil {
		return "", err
	}
	defer func() { _ = l.Withdraw(context.WithoutCancel(ctx), m.Name) }()
	prove := func() error { return l.Prove(ctx, m.Name) }
	if m.Kind.Reaches() {
		prove = func() error { return c.tryPort(ctx, m) }
	}
	if err := prove(); err != nil {
		return "", err
	}
	return l.Target(ctx, m.Name, func() {})
}

// tryPort opens the mapping's port on the PBX, where it has one, proves it as a tunnel would and closes it. Whoever
// connects meanwhile is refused.
func (c *check) tryPort(ctx context.Context, m tunnel.Mapping) error {
	nobody := newStanding(c.config.Log, func(tunnel.Status) {})
	p := newPorts(c.config, opener{standing: nobody, engine: c.config.Engine}, nil, c.config.Log)
	defer p.close()
	p.arrange([]tunnel.Mapping{m})
	_, err := p.prove(ctx, m, true)
	return err
}

// probePort is a port of the server on which nothing listens: its refusal shows that the question was allowed.
const probePort = 1

// probe asks for a connection to the server itself. Servers that allow named ports only forbid it and may be right for
// the mappings to come, so that it is a note.
func (c *check) probe(ctx context.Context, l Link) (note string, err error) {
	m := tunnel.Mapping{Name: "probe", Kind: tunnel.Reach, Remote: tunnel.Endpoint{Port: probePort}}
	_, err = c.try(ctx, l, m)
	switch failure(c.config.Engine, err).Reason {
	case tunnel.TargetRefused, tunnel.TargetUnreachable:
		return "", nil
	case tunnel.ForwardingForbidden:
		return "the server does not let this login forward to any port; give the mappings to try them", nil
	}
	return "", err
}
