package supervisor

import (
	"context"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/host/retry"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

const (
	aloneFor     = 5 * time.Second // silent beside a main link that answers: no common cause is behind that
	partingGrace = time.Minute     // for the server to hear that second links were given up, once the main link is gone
)

// second keeps the second link of a line as long as mappings ride on it: attempt after attempt, one branch at a time. It
// is made when the first comes and closed when the last has left.
//
// A branch that falls silent is given up for a new one at once, unless the main link is silent too: then it shares that
// one's fate.
type second struct {
	k      *keeper
	o      *order
	line   context.Context
	ctx    context.Context // of all branches; ends after the line. None before the first rider
	cancel context.CancelFunc
	main   *guarded
	given  <-chan struct{} // closed when the main link is given up for another
	runs   sync.WaitGroup  // of the engine

	mu        sync.Mutex           // the innermost: nothing else is locked while it is held
	riders    map[*carrier]*branch // and the branch each is on, nil while it waits for one
	stop      context.CancelFunc   // ends the attempts
	idle      chan struct{}        // closed when there are none any more
	now       *branch              // nil while none stands
	why       Failure              // why none does, zero while the first is on its way
	turned    chan struct{}        // closed when one of these two changed, or a rider boarded
	messenger *branch              // the last that was given up
	lost      time.Time            // when the last branch came up of whose end the server may not know
}

func newSecond(ctx context.Context, n *line) *second {
	return &second{k: n.r.k, o: n.r.o, line: ctx, given: n.retired, turned: make(chan struct{})}
}

// beside returns the main link with the second one beside it.
func (s *second) beside(main Link, told func(), lives func(asked time.Time)) *guarded {
	s.main = guard(lanes{main, s}, s.k.config.Engine, told, lives)
	s.main.second = s
	return s.main
}

// drain returns when no branch is left: soon, unless some server has yet to hear that one was given up.
func (s *second) drain() {
	if s.cancel == nil {
		return
	}
	timer := time.AfterFunc(partingGrace, s.cancel)
	defer timer.Stop()
	s.runs.Wait()
	s.cancel()
}

// keep makes attempt after attempt until ctx ends.
func (s *second) keep(ctx context.Context, idle chan<- struct{}) {
	defer close(idle)
	_ = retry.Run(ctx, s.attempt, retry.Loop{Policy: paceBeside(), Waiting: func(end retry.End, _ time.Time) {
		s.set(nil, why(end.Err))
	}})
}

// attempt makes one branch and returns when it is through, or given up for another. Its error is a *failed, or that of the
// context.
func (s *second) attempt(ctx context.Context, alive func()) error {
	w, cred, err := s.k.login(ctx, s.o)
	if err != nil {
		return err
	}
	t := w.Tunnel
	turn := s.k.budget.apply(scopeOf(t.Server, t.Via), s.k.ref, loginOf(t.Server, cred), promising) // at once: the main link has shown it
	select {
	case <-turn.ready:
	case <-ctx.Done():
		turn.end(Failure{})
		return ctx.Err()
	}
	b := s.start(t, cred, turn)
	select {
	case <-b.stood:
		alive()
	case <-b.over:
	case <-ctx.Done():
		b.cancel()
	}
	select {
	case <-b.over:
	case <-ctx.Done():
		close(b.enough)
		<-b.over
	}
	return b.err
}

// start starts a branch. Its host key must be the one that the main link has seen, so there is none to learn.
func (s *second) start(t tunnel.Tunnel, cred tunnel.Credential, turn *turn) *branch {
	b := newBranch(s, t, turn)
	plan := s.k.plan(s.o, t, cred, b.place)
	plan.Earlier = s.earlier()
	plan.Stage = func(Step) {}
	plan.Learned = func(context.Context, tunnel.Pin) error {
		return &failed{Failure{
			Reason: tunnel.HostKeyMismatch, Message: "no host key is pinned for the second link",
			Remedy: "culvert tunnel restart OWNER/NAME",
		}}
	}
	s.runs.Go(func() { b.run(plan) })
	return b
}

// set says which branch carries the riders from now on, or why none does.
func (s *second) set(b *branch, why Failure) {
	if why != (Failure{}) {
		why.Message = "the tunnel's second link: " + why.Message
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.why = b, why
	s.turnLocked()
}

func (s *second) turnLocked() {
	close(s.turned)
	s.turned = make(chan struct{})
}

// remember notes that the server of b may not know of its end.
func (s *second) remember(b *branch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = b.since
}

// earlier is when the last branch came up of whose end the server may not know, or the last main link.
func (s *second) earlier() time.Time {
	main := s.k.unheard()
	s.mu.Lock()
	defer s.mu.Unlock()
	return later(s.lost, main)
}

// send makes a messenger of b. One that is still on its way is dropped: there is one at most.
func (s *second) send(b *branch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.messenger != nil {
		s.messenger.cancel()
	}
	s.messenger = b
}
