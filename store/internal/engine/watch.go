package engine

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/culvert-pbx/culvert/store"
)

// ErrClosed is what a closed store answers.
var ErrClosed = fmt.Errorf("%w: it is closed", store.ErrUnreachable)

// Watch is store.Store's. Only changes that were added are known.
func (r *Recent) Watch(ctx context.Context, prefix string, after store.Rev) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		for at := after; ; {
			changes, news, err := r.after(at)
			if err == nil && len(changes) == 0 {
				err = r.wait(ctx, news)
			}
			if err != nil {
				yield(store.Change{}, err)
				return
			}
			for _, c := range changes {
				at = c.Rev
				if !r.pass(ctx, c, prefix, yield) {
					return
				}
			}
		}
	}
}

// pass yields what of c is under prefix and reports whether the watch goes on.
func (r *Recent) pass(ctx context.Context, c store.Change, prefix string, yield func(store.Change, error) bool) bool {
	if err := r.ended(ctx); err != nil {
		yield(store.Change{}, err)
		return false
	}
	c = under(prefix, c)
	return len(c.Puts)+len(c.Deletes) == 0 || yield(c, nil)
}

// wait returns nil at news, or why the watch ends.
func (r *Recent) wait(ctx context.Context, news <-chan struct{}) error {
	select {
	case <-news:
	case <-ctx.Done():
	case <-r.closed:
	}
	return r.ended(ctx)
}

// ended tells why a watch must end, nil where it need not.
func (r *Recent) ended(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-r.closed:
		return ErrClosed
	default:
		return nil
	}
}

// under returns the part of c whose keys begin with prefix.
func under(prefix string, c store.Change) store.Change {
	part := store.Change{Rev: c.Rev}
	for _, r := range c.Puts {
		if strings.HasPrefix(r.Key, prefix) {
			part.Puts = append(part.Puts, r)
		}
	}
	for _, key := range c.Deletes {
		if strings.HasPrefix(key, prefix) {
			part.Deletes = append(part.Deletes, key)
		}
	}
	return part
}
