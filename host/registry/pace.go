package registry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// How fast a module may change what it declares. Every change is written to disk and told in the journal: a module that
// declares to and fro must wear out neither.
const (
	declareBurst = 30              // changes at once,
	declareEvery = time.Second     // then one each
	declarePause = 5 * time.Second // the longest wait for one; a call has 10 s
)

// pace counts the changed declarations of each module.
type pace struct {
	burst int

	mu   sync.Mutex
	full map[tunnel.Owner]time.Time // when a module that changes nothing more may again make a whole burst
}

// take takes one change of owner's at now, or says how long to wait for one.
func (p *pace) take(owner tunnel.Owner, now time.Time) (wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	full := p.full[owner]
	if full.Before(now) {
		full = now
	}
	full = full.Add(declareEvery)
	if over := full.Sub(now) - time.Duration(p.burst)*declareEvery; over > 0 {
		return over
	}
	p.full[owner] = full
	return 0
}

// tooFast is that a module has to wait for its next change.
type tooFast struct{ wait time.Duration }

func (tooFast) Error() string { return "too many changes" }

// declarePaced makes the change that declare drafts, and waits where the module is too fast: at most declarePause.
func (s service) declarePaced(ctx context.Context, by string, declare func(d *draft, pay func() error) error) error {
	late := time.Now().Add(declarePause)
	for {
		paid := false // the store may draft a change again
		err := s.registry.change(ctx, by, func(d *draft) error {
			return declare(d, func() error {
				if paid {
					return nil
				}
				wait := s.registry.pace.take(s.owner, time.Now())
				if paid = wait == 0; !paid {
					return tooFast{wait}
				}
				return nil
			})
		})
		var fast tooFast
		if !errors.As(err, &fast) {
			return err
		}
		if time.Now().Add(fast.wait).After(late) {
			return tunnel.Findings{tooManyChanges(s.owner)}
		}
		select {
		case <-time.After(fast.wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func tooManyChanges(owner tunnel.Owner) tunnel.Finding {
	return tunnel.Finding{
		Code: tunnel.TooMany, Field: "declarations", Value: string(owner),
		Message: fmt.Sprintf("%s changes what it declares more than once every %s", owner, declareEvery),
		WayOut:  "declare the whole set at once, and again only when it is another one; a set that is declared already costs nothing",
	}
}
