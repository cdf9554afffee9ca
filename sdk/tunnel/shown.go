package tunnel

import (
	"context"
	"iter"
	"sync"
)

// Shown is a tunnel as everyone is shown it. Nobody changes it, what changes is shown by another one: so what is made of
// it is made once, however many it is for. It is safe for concurrent use.
type Shown struct {
	view View

	once sync.Once
	form []byte
	err  error
}

// Show takes v over: nobody changes any more what it holds.
func Show(v View) *Shown { return &Shown{view: v} }

// View is the tunnel. What it holds is not to be changed; its Clone may be.
func (s *Shown) View() View { return s.view }

// Form is what encode makes of the tunnel, kept from the first call on. There is one form: encode is the same in every
// call. The bytes are not to be changed.
func (s *Shown) Form(encode func(View) ([]byte, error)) ([]byte, error) {
	s.once.Do(func() { s.form, s.err = encode(s.view) })
	return s.form, s.err
}

// Shared is a Service that shows every owner the same, without a copy for each. Its methods are List and Watch for who
// passes on what it reads.
type Shared interface {
	Service

	// ListShown returns what List yields.
	ListShown(ctx context.Context) ([]*Shown, error)

	// WatchShown yields what Watch does.
	WatchShown(ctx context.Context) iter.Seq2[ShownChange, error]
}

// ShownChange is one step of a watch, see Change. Tunnel is nil in Synced and Resync.
type ShownChange struct {
	Type   ChangeType
	Tunnel *Shown
}

// Change is c with a tunnel of its own.
func (c ShownChange) Change() Change {
	if c.Tunnel == nil {
		return Change{Type: c.Type}
	}
	return Change{Type: c.Type, Tunnel: c.Tunnel.View().Clone()}
}

// Sharing makes a Service one that shares: s itself where it does, else by what its List and Watch yield.
func Sharing(s Service) Shared {
	if shared, ok := s.(Shared); ok {
		return shared
	}
	return copying{s}
}

// copying shows what a Service yields.
type copying struct{ Service }

func (s copying) ListShown(ctx context.Context) ([]*Shown, error) {
	var all []*Shown
	for v, err := range s.List(ctx) {
		if err != nil {
			return nil, err
		}
		all = append(all, Show(v))
	}
	return all, nil
}

func (s copying) WatchShown(ctx context.Context) iter.Seq2[ShownChange, error] {
	return func(yield func(ShownChange, error) bool) {
		for c, err := range s.Watch(ctx) {
			sc := ShownChange{Type: c.Type}
			if err == nil && c.Type != Synced && c.Type != Resync {
				sc.Tunnel = Show(c.Tunnel)
			}
			if !yield(sc, err) {
				return
			}
		}
	}
}
