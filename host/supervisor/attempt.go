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

// attempt makes one link for o and keeps it until it is gone or superseded.
func (k *keeper) attempt(ctx context.Context, o order) (out outcome) {
	began := time.Now()
	defer func() { out.took = time.Since(began) }()
	cred, err := k.s.config.Source.Credential(ctx, k.ref)
	if err != nil {
		return outcome{why: secretFailure(err)}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	rearrange := make(chan struct{}, 1)
	var followers sync.WaitGroup
	followers.Go(func() { k.follow(ctx, o, cancel, rearrange) })
	defer followers.Wait()
	defer cancel(nil)
	followers.Go(func() {
		if sleepUntil(ctx, began.Add(tellAfter)) {
			k.standing.trying()
		}
	})
	err = k.s.config.Engine.Run(ctx, k.plan(o.wanted.Tunnel, cred), func(ctx context.Context, l Link) error {
		stood := time.Now()
		err := k.serve(ctx, l, rearrange)
		out.served, out.lived = true, time.Since(stood)
		k.lost(o, err)
		return err
	})
	out.why = k.explain(err, out.served)
	return out
}

// lost says that the link of o is gone: lost, or given up for what is wanted now.
func (k *keeper) lost(o order, err error) {
	k.standing.unlinked()
	now := k.order()
	switch {
	case !now.supersedes(o):
		k.standing.failed(tunnel.Connecting, k.explain(err, true), time.Time{})
	case now.wanted.Active:
		k.standing.begin()
	case !now.wanted.Gone:
		k.standing.rest(now.wanted)
	}
}

// plan is what the engine is told.
func (k *keeper) plan(t tunnel.Tunnel, cred tunnel.Credential) Attempt {
	return Attempt{
		Ref: k.ref, Server: t.Server, Credential: cred, Pin: t.Pin, Fingerprint: t.Fingerprint, Log: k.log,
		Learned: func(ctx context.Context, shown tunnel.Pin) error {
			return k.s.config.Source.Learned(ctx, k.ref, t.Server, shown)
		},
		Admit:     func(ctx context.Context) (func(), error) { return k.s.gate.enter(ctx, t.Server) },
		DialLocal: k.dialLocal,
		Stage: func(step Step) {
			if !step.Done {
				k.standing.stage(step.Stage)
			}
		},
	}
}

// follow watches for orders while an attempt for o runs: it cancels the attempt when they supersede it, and passes
// on that mappings changed when they do not.
func (k *keeper) follow(ctx context.Context, o order, cancel context.CancelCauseFunc, rearrange chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.changed:
		}
		now := k.order()
		if now.supersedes(o) {
			cancel(errSuperseded)
			return
		}
		k.private.arrange(now.wanted.Tunnel.Mappings)
		poke(rearrange)
	}
}

// explain is why an attempt ended.
func (k *keeper) explain(err error, served bool) Failure {
	if errors.Is(err, errSilent) {
		return Failure{
			Reason: tunnel.ServerBusy, Message: "the server did not answer for " + replaceAfter.String() + " and its link was given up",
			Remedy: "look at the load and the name servers of the SSH server",
		}
	}
	why := failure(k.s.config.Engine, err)
	if served && why.Reason == "" {
		why.Reason = tunnel.LinkLost
	}
	return why
}

// failure is what err means to the engine, and never the zero Failure.
func failure(e Engine, err error) Failure {
	why := e.Explain(err)
	if why.Message == "" {
		why.Message = "the link ended"
		if err != nil {
			why.Message = err.Error()
		}
	}
	return why
}

// secretFailure is why a tunnel's credential cannot be had.
func secretFailure(err error) Failure {
	var se *tunnel.StatusError
	if errors.As(err, &se) {
		return Failure{Reason: se.Reason, Message: se.Message, Remedy: se.Remedy}
	}
	return Failure{Message: "its secret cannot be read: " + err.Error()}
}
