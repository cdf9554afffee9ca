package supervisor

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Trial is what a check tries: a connection as a tunnel would make it.
type Trial struct {
	Server      tunnel.Server
	Via         tunnel.Via
	LAN         string
	Credential  tunnel.Credential
	Fingerprint string           // "" takes any key
	Mappings    []tunnel.Mapping // each is asked for, proved and withdrawn
}

func (t Trial) proxied() bool { return t.Via != tunnel.Via{} }

// TrialStep is a step of a check, told when it begins and again when it is decided: name, tcp, proxy where there
// is one, hostkey, login, then forwarding, or "forwarding NAME" for each mapping.
type TrialStep struct {
	Name    string
	Done    bool
	Skipped bool          // where Done: not tried, because a step before failed
	Failure Failure       // where Done: why it failed, the zero Failure where it did not
	Note    string        // what is worth knowing though nothing failed
	Took    time.Duration // where Done
}

// errTried ends a check's link.
var errTried = errors.New("tried")

// Check makes one connection as a tunnel would and reports each step; report is called by one goroutine at a time. It
// stores nothing and tries nothing twice. It returns the key that the server showed, the zero Pin where it came to
// none. A login that would have to wait, see budget, is not tried. Its error is that of ctx: what the server did stands in
// the steps.
func (s *Supervisor) Check(ctx context.Context, t Trial, report func(TrialStep)) (tunnel.Pin, error) {
	c := &check{config: s.config, gate: s.gate, trial: t, report: report, ahead: steps(t)}
	c.turn = s.budget.apply(scopeOf(t.Server, t.Via), tunnel.Ref{}, loginOf(t.Server, t.Credential), promising)
	late, err := c.turn.await(ctx)
	if err != nil || late {
		c.turn.end(Failure{})
		c.postpone(err)
		return tunnel.Pin{}, err
	}
	err = s.config.Engine.Run(ctx, c.plan(), working(c.serve))
	if ctx.Err() != nil && c.offered() {
		c.turn.breakOff()
	} else {
		c.turn.end(failure(s.config.Engine, err))
	}
	if ctx.Err() != nil {
		return tunnel.Pin{}, ctx.Err()
	}
	c.conclude(err)
	return c.key, nil
}

// postpone reports that the login is not tried, unless err is why.
func (c *check) postpone(err error) {
	for _, name := range c.ahead {
		switch {
		case err != nil:
		case name == string(StageLogin):
			c.report(TrialStep{Name: name, Done: true, Failure: postponed(c.turn.culprits())})
		default:
			c.report(TrialStep{Name: name, Done: true, Skipped: true})
		}
	}
}

// steps are the names of all steps of a trial.
func steps(t Trial) []string {
	names := []string{string(StageName), string(StageTCP)}
	if t.proxied() {
		names = append(names, string(StageProxy))
	}
	names = append(names, string(StageHostKey), string(StageLogin))
	if len(t.Mappings) == 0 {
		return append(names, forwarding)
	}
	for _, m := range t.Mappings {
		names = append(names, forwarding+" "+m.Name)
	}
	return names
}

// check is one run of Check.
type check struct {
	config Config
	gate   *gate
	turn   *turn
	trial  Trial
	report func(TrialStep)

	ahead  []string // steps not decided yet
	failed bool
	key    tunnel.Pin
}

// plan is what the engine is told. Services are the PBX's ports: no module is asked.
func (c *check) plan() *Attempt {
	return &Attempt{
		Server: c.trial.Server, Via: c.trial.Via, LAN: c.trial.LAN, Credential: c.trial.Credential, Fingerprint: c.trial.Fingerprint, Log: c.config.Log,
		Mappings: func() []tunnel.Mapping { return c.trial.Mappings },
		Learned:  func(_ context.Context, shown tunnel.Pin) error { c.key = shown; return nil },
		Admit:    func(ctx context.Context) (func(), error) { return c.gate.enter(ctx, c.trial.Server) },
		DialLocal: func(ctx context.Context, m tunnel.Mapping) (net.Conn, error) {
			return c.config.DialLocal(ctx, tunnel.Ref{Owner: tunnel.Operator}, m)
		},
		Missed: func(tunnel.Mapping, Failure) {},
		Stage: func(s Step) {
			c.step(TrialStep{Name: string(s.Stage), Done: s.Done, Failure: s.Failure, Note: c.note(s), Took: s.Took})
		},
	}
}

// note says of a stage before the host key that it was about the proxy, and what came of it.
func (c *check) note(s Step) string {
	if c.trial.proxied() && (s.Stage == StageName || s.Stage == StageTCP || s.Stage == StageProxy) {
		return s.Detail
	}
	return ""
}

// offered reports whether the login was offered, and no answer came.
func (c *check) offered() bool {
	return len(c.ahead) > 0 && offers(Stage(c.ahead[0]), c.trial.Via)
}

// step reports s and notes what it decides.
func (c *check) step(s TrialStep) {
	if s.Failure.Shown != (tunnel.Pin{}) {
		c.key = s.Failure.Shown
	}
	c.failed = c.failed || s.Failure != (Failure{})
	if s.Done && len(c.ahead) > 0 && c.ahead[0] == s.Name {
		c.ahead = c.ahead[1:]
	}
	c.report(s)
}

// conclude reports an end that no step told of, and what was not tried.
func (c *check) conclude(err error) {
	if err != nil && !errors.Is(err, errTried) && !c.failed && len(c.ahead) > 0 {
		c.step(TrialStep{Name: c.ahead[0], Done: true, Failure: failure(c.config.Engine, err)})
	}
	for _, name := range c.ahead {
		c.report(TrialStep{Name: name, Done: true, Skipped: true})
	}
	c.ahead = nil
}
