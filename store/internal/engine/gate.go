package engine

import "context"

// Gate lets one change at a time be made. It is safe for concurrent use.
type Gate struct {
	inside chan struct{} // holds a token while somebody is inside
	closed chan struct{}
}

// NewGate returns an open gate.
func NewGate() *Gate {
	return &Gate{inside: make(chan struct{}, 1), closed: make(chan struct{})}
}

// Enter waits for its turn; Leave must follow. Errors: ctx's, ErrClosed.
func (g *Gate) Enter(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-g.closed:
		return ErrClosed
	case g.inside <- struct{}{}:
		return nil
	}
}

// Leave lets the next one in.
func (g *Gate) Leave() { <-g.inside }

// Close turns away who waits, and all who come, and returns once nobody is inside.
// It is called once.
func (g *Gate) Close() {
	close(g.closed)
	g.inside <- struct{}{} // and never leaves
}
