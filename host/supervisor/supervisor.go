// Package supervisor keeps every active tunnel running.
//
// It reads from a Source what shall be, compares it with what runs and changes only what differs: for each tunnel one
// attempt after another, and one status that says no more than was proved. The host makes one Supervisor and runs it; the
// control API restarts and checks tunnels through it. It knows no SSH: an Engine opens the links.
//
// What is to do for a tunnel are a few chores: one heeds its orders, one makes its attempts, one asks whether its server
// lives, one for each mapping proves that. While a link idles none of them keeps a goroutine, only the engine does.
//
// What it promises: a tunnel is called up only while every mapping of it was proved, a change of one mapping leaves the
// connections of every other one alone, and what is no longer wanted is down within two seconds. A local port stands as long
// as its tunnel is active: who connects while there is no link waits for one, and is refused only where waiting is no use. A
// link that falls silent keeps its connections until another stands in its place, and logins that a server refuses never
// cost the good ones their way in.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// drainPatience is how long Run waits at its end for links to close.
const drainPatience = 10 * time.Second

// Config is what a Supervisor needs. Source, Engine and Log must be set.
type Config struct {
	Source  Source
	Engine  Engine
	Sockets Sockets
	Log     hclog.Logger

	// Relay carries both directions between a client on the PBX and what Link.Open returned until both ended, half-close
	// included, and closes both. Without it no ports are opened on the PBX.
	Relay func(client, site Conn)

	// DialLocal connects to the service behind an expose mapping of ref: a port of the PBX or, where the mapping is
	// private, the unix socket of the module that owns it.
	DialLocal func(ctx context.Context, ref tunnel.Ref, m tunnel.Mapping) (net.Conn, error)

	holdFor time.Duration // holdFor, unless a test has less time
}

// Supervisor keeps tunnels running. Its methods are safe for concurrent use.
type Supervisor struct {
	config Config
	gate   *gate
	budget *budget
	paces  *paces
	held   *holds // all clients of ports that wait for a link

	mu      sync.Mutex
	keepers map[tunnel.Ref]*keeper
	crew    sync.WaitGroup
}

// New returns a Supervisor that does nothing until it is run.
func New(c Config) *Supervisor {
	return &Supervisor{
		config: c, gate: newGate(handshakesPerServer), budget: newBudget(), paces: newPaces(), held: &holds{most: heldPerHost},
		keepers: map[tunnel.Ref]*keeper{},
	}
}

// Run keeps the tunnels of the source running until ctx ends, then closes every link and frees every port; that takes
// at most ten seconds, after which what still hangs is left and said. It returns nil after ctx ended, else the error
// that ended the source. Call it once.
func (s *Supervisor) Run(ctx context.Context) error {
	work, stop := context.WithCancel(ctx)
	defer stop()
	err := s.follow(work)
	stop()
	if late := s.drain(); late != nil {
		return late
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// follow hands each tunnel what is wanted of it, until the source ends.
func (s *Supervisor) follow(ctx context.Context) error {
	for w, err := range s.config.Source.Wanted(ctx) {
		if err != nil {
			return fmt.Errorf("follow the registry: %w", err)
		}
		s.want(ctx, w)
	}
	return errors.New("follow the registry: it told no more")
}

// want starts, changes or ends the keeper of one tunnel.
func (s *Supervisor) want(ctx context.Context, w tunnel.Wanted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keepers[w.Tunnel.Ref]
	switch {
	case k != nil && !k.order().wanted.Gone:
		k.want(w)
	case !w.Gone:
		s.keep(ctx, w, k)
	}
}

// keep starts a keeper for w, which waits for the one before to have gone. Callers hold s.mu.
func (s *Supervisor) keep(ctx context.Context, w tunnel.Wanted, before *keeper) {
	k := newKeeper(s.config, s.gate, s.budget, s.paces, s.held, w.Tunnel.Ref)
	s.keepers[k.ref] = k
	k.want(w)
	s.crew.Add(1)
	run := func() {
		k.run(ctx, func() { defer s.crew.Done(); s.forget(k) })
	}
	if before == nil {
		run()
		return
	}
	go func() {
		<-before.ended
		run()
	}()
}

// forget drops a keeper that ended, unless another has taken its place.
func (s *Supervisor) forget(k *keeper) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keepers[k.ref] == k {
		delete(s.keepers, k.ref)
	}
	close(k.ended)
}

// Restart gives up the link of ref, if there is one, and tries at once to make a new one, whatever the tunnel waits
// for; the services behind its mappings are asked again. When it returns the tunnel no longer counts as up. A tunnel
// that is not active stays as it is; one that does not exist is ErrNotFound.
func (s *Supervisor) Restart(ref tunnel.Ref) error {
	s.mu.Lock()
	k := s.keepers[ref]
	s.mu.Unlock()
	if k == nil {
		return tunnel.Findings{tunnel.NotFoundFinding(ref)}
	}
	k.restart()
	return nil
}

// stir has every keeper look whether it is over.
func (s *Supervisor) stir() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keepers {
		k.stir()
	}
}

// drain waits until all keepers have ended, or patience has.
func (s *Supervisor) drain() error {
	s.stir()
	ended := make(chan struct{})
	go func() {
		s.crew.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-time.After(drainPatience):
		return fmt.Errorf("drain: some links did not close within %s", drainPatience)
	}
}
