package supervisor

import (
	"context"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// onSecond is the rule which mappings a tunnel's second link carries: those in the bulk lane, and those whose target the
// server must look up.
//
// What is bulky delays all else on its link. And a server whose resolver is silent does nothing else on a link for ten
// seconds and more, when a target is to be opened there by name; addresses and proofs shall not wait for that.
func onSecond(m tunnel.Mapping) bool {
	return m.Lane == tunnel.LaneBulk || m.Kind.Reaches() && tunnel.LookedUp(m.Remote.Host)
}

// lanes are a tunnel's two links as one: the main link and, where mappings need it, a second one beside it. What concerns
// a mapping goes where the mapping is; all else, the keepalive above all, is the main link's. The second link has a
// keepalive of its own, and when it is lost or frozen that is so for its mappings alone.
type lanes struct {
	Link
	second *second
}

// of is the link that carries the mapping of that name.
func (l lanes) of(name string) Link {
	if b := l.second.carrying(name); b != nil {
		return b.link.Link
	}
	return l.Link
}

func (l lanes) Apply(ctx context.Context, m tunnel.Mapping) error { return l.of(m.Name).Apply(ctx, m) }

func (l lanes) Withdraw(ctx context.Context, name string) error {
	return l.of(name).Withdraw(ctx, name)
}

func (l lanes) Prove(ctx context.Context, name string) error { return l.of(name).Prove(ctx, name) }

func (l lanes) Bound(name string) tunnel.Bound { return l.of(name).Bound(name) }

func (l lanes) Target(ctx context.Context, name string, opened func()) (string, error) {
	return l.of(name).Target(ctx, name, opened)
}

func (l lanes) Traffic(name string) Traffic { return l.of(name).Traffic(name) }

// Open waits for the second link, where that is the one to carry m.
func (l lanes) Open(ctx context.Context, m tunnel.Mapping, caller string) (Conn, error) {
	if !onSecond(m) {
		return l.Link.Open(ctx, m, caller)
	}
	b, err := l.second.await(ctx, m.Name)
	if err != nil {
		return nil, err
	}
	return b.link.Open(ctx, m, caller)
}
