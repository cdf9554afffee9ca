package control

import (
	"context"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// OverdueSince is overdueSince.
var OverdueSince = overdueSince

// JobGrace is jobGrace.
const JobGrace = jobGrace

// Turns are turns for tests.
type Turns struct{ turns }

// The figures of turns.
const (
	CheckSpacing = checkSpacing
	MaxTurns     = maxTurns
)

// NewTurns are turns as the daemon has them.
func NewTurns() *Turns { return &Turns{turns{spacing: checkSpacing}} }

// Wait is wait.
func (t *Turns) Wait(ctx context.Context, s tunnel.Server, told func(time.Duration)) error {
	return t.wait(ctx, s, told)
}

// Known is how many servers are told apart.
func (t *Turns) Known() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.servers)
}
