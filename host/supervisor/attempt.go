package supervisor

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// tellAfter is how long a retry runs before it is reported, unless it reached the server before.
const tellAfter = time.Second

// tell reports a running attempt when it lasts, until told is called.
func (k *keeper) tell(ctx context.Context, o *order) (told func()) {
	telling, stop := context.WithCancel(ctx)
	var teller sync.WaitGroup
	teller.Go(func() {
		if sleepUntil(telling, time.Now().Add(tellAfter)) {
			k.standing.trying(o.round)
		}
	})
	return func() {
		stop()
		teller.Wait()
	}
}

// conclude is the end of an attempt.
func (k *keeper) conclude(err error, served bool) error {
	end := k.explain(err, served)
	if end.Reason == tunnel.HostKeyMismatch {
		k.config.Source.Shown(k.ref, end.Shown)
	}
	return &failed{end}
}

// login is the tunnel as it is now, its pin above all, with what it logs in with. The order is as old as its first
// attempt: where it is out of date there is no attempt, and login waits until the one that supersedes it is here.
func (k *keeper) login(ctx context.Context, o *order) (tunnel.Wanted, tunnel.Credential, error) {
	w, cred, err := k.config.Source.Login(ctx, k.ref)
	if (&order{wanted: w, asked: o.asked}).supersedes(o) {
		<-ctx.Done()
	}
	switch {
	case ctx.Err() != nil:
		return tunnel.Wanted{}, tunnel.Credential{}, ctx.Err()
	case err != nil:
		return tunnel.Wanted{}, tunnel.Credential{}, &failed{statusFailure(err)}
	}
	return w, cred, nil
}

// plan is what the engine is told. It keeps of the tunnel what it needs: the link may last.
func (k *keeper) plan(o *order, t tunnel.Tunnel, cred tunnel.Credential, p *place) *Attempt {
	server := t.Server
	return &Attempt{
		Ref: k.ref, Earlier: k.unheard(), Server: server, Via: t.Via, LAN: t.LAN, Credential: cred, Pin: t.Pin, Fingerprint: t.Fingerprint, Log: k.log,
		Mappings: func() []tunnel.Mapping { return k.order().wanted.Tunnel.Mappings },
		Learned: func(ctx context.Context, shown tunnel.Pin) error {
			return k.learned(ctx, server, shown)
		},
		Admit:     p.take,
		DialLocal: k.dialLocal,
		Missed:    k.standing.missed,
		Stage: func(step Step) {
			if !step.Done {
				k.standing.stage(o.round, step.Stage)
			}
		},
	}
}

// learned pins the key that the server showed. A link with another than the one expected by now ends.
func (k *keeper) learned(ctx context.Context, server tunnel.Server, shown tunnel.Pin) error {
	err := k.config.Source.Learned(ctx, k.ref, server, shown)
	var se *tunnel.StatusError
	if !errors.As(err, &se) {
		return err
	}
	f := statusFailure(err)
	f.Shown = shown
	return &failed{f}
}

// lost says that the link of o is gone: it broke. What was said where it was given up for another order stays, and at the
// end of all there is nothing to say.
func (k *keeper) lost(ctx context.Context, o *order, l Link, err error) {
	switch {
	case k.order().supersedes(o):
	case ctx.Err() != nil:
		k.standing.end()
	default:
		k.standing.lost(o.round, l, k.explain(err, true))
	}
}

// explain is why an attempt ended.
func (k *keeper) explain(err error, served bool) Failure {
	end := failure(k.config.Engine, err)
	if served && end.Reason == "" {
		end.Reason = tunnel.LinkLost
	}
	return k.named(end)
}

// statusFailure is what the source had against an attempt.
func statusFailure(err error) Failure {
	var se *tunnel.StatusError
	if errors.As(err, &se) {
		return Failure{Reason: se.Reason, Message: se.Message, Remedy: se.Remedy}
	}
	return Failure{Message: "its secret cannot be read: " + err.Error()}
}
