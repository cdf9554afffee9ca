package registry

import (
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// service is the registry as one owner sees it. The owner is bound here, where a connection opens, and named in no call.
type service struct {
	registry *Registry
	owner    tunnel.Owner
}

var _ tunnel.Shared = service{}

// As gives the Service of one owner. It can change that owner's declared tunnels and nothing else.
func (r *Registry) As(owner tunnel.Owner) tunnel.Service { return service{r, owner} }

// Declare is tunnel.Service's. Who asks for another owner's tunnel is refused before anything else is looked at, and the
// attempt stands in the journal under the name the connection has.
func (s service) Declare(ctx context.Context, configuration string, set []tunnel.Declaration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	by := "module:" + string(s.owner)
	if fs := tunnel.CheckDeclared(s.owner, configuration, set); len(fs) > 0 {
		for _, f := range fs {
			if f.Code == tunnel.NotOwner {
				s.registry.refuse(by, f)
			}
		}
		s.registry.teller.flush()
		return fs
	}
	ref := tunnel.ConfigurationRef{Module: s.owner, Name: configuration}
	return s.declarePaced(ctx, by, func(d *draft, pay func() error) error { return d.declare(ref, set, pay) })
}

// Get is tunnel.Service's.
func (s service) Get(ctx context.Context, ref tunnel.Ref) (tunnel.View, error) {
	return s.registry.Get(ctx, ref)
}

// List is tunnel.Service's.
func (s service) List(ctx context.Context) iter.Seq2[tunnel.View, error] { return s.registry.List(ctx) }

// ListShown is tunnel.Shared's.
func (s service) ListShown(ctx context.Context) ([]*tunnel.Shown, error) {
	return s.registry.ListShown(ctx)
}

// Watch is tunnel.Service's.
func (s service) Watch(ctx context.Context) iter.Seq2[tunnel.Change, error] {
	return s.registry.Watch(ctx)
}

// WatchShown is tunnel.Shared's.
func (s service) WatchShown(ctx context.Context) iter.Seq2[tunnel.ShownChange, error] {
	return s.registry.WatchShown(ctx)
}

// declare has the configuration declare that set; where that is another one than it has, pay comes before.
func (d *draft) declare(ref tunnel.ConfigurationRef, set []tunnel.Declaration, pay func() error) error {
	if fs := tunnel.CheckName(ref.Name, tunnel.MaxName); len(fs) > 0 {
		return noConfiguration(ref)
	}
	f, _, err := d.configured(ref)
	if err != nil {
		return err
	}
	former := f.declared
	f.declared = nil
	f.repaired(declarationPrefix)
	for _, want := range set {
		slots := slices.Compact(slices.Sorted(slices.Values(want.Slots)))
		assign(&f.declared, want.Ref.Name, declaration{want.Settings, slots})
	}
	if !maps.EqualFunc(former, f.declared, declaration.equal) {
		return pay()
	}
	return nil // settle computes and judges them
}

// Get returns one tunnel of any owner, see tunnel.Service.
func (r *Registry) Get(ctx context.Context, ref tunnel.Ref) (tunnel.View, error) {
	if err := ctx.Err(); err != nil {
		return tunnel.View{}, err
	}
	r.recount(ref)
	r.mu.RLock()
	defer r.mu.RUnlock()
	e := r.tunnels[ref]
	if e == nil {
		return tunnel.View{}, tunnel.Findings{tunnel.NotFoundFinding(ref)}
	}
	return e.show().View().Clone(), nil
}

// List yields every tunnel in the order of their names, as of one moment, see tunnel.Service.
func (r *Registry) List(ctx context.Context) iter.Seq2[tunnel.View, error] {
	return func(yield func(tunnel.View, error) bool) {
		all, err := r.ListShown(ctx)
		for _, s := range all {
			if ctx.Err() != nil {
				break
			}
			if !yield(s.View().Clone(), nil) {
				return
			}
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			yield(tunnel.View{}, err)
		}
	}
}

// ListShown is List without copies, see tunnel.Shared.
func (r *Registry) ListShown(ctx context.Context) ([]*tunnel.Shown, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.recount()
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := make([]*tunnel.Shown, len(r.order))
	for i, e := range r.order {
		all[i] = e.show()
	}
	return all, nil
}
