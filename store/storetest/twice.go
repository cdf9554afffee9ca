package storetest

import (
	"context"
	"errors"

	"github.com/culvert-pbx/culvert/store"
)

// Twice returns s with an Update that runs f a first time and discards what it
// wrote, then runs it again, perhaps on newer records. Code that
// lets anything but its last run count is found out by it.
func Twice(s store.Store) store.Store { return twice{s} }

type twice struct{ store.Store }

var errDiscard = errors.New("the first run is discarded")

func (t twice) Update(ctx context.Context, f func(store.Tx) error) (store.Rev, error) {
	_, err := t.Store.Update(ctx, func(tx store.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		return errDiscard
	})
	if !errors.Is(err, errDiscard) {
		return store.Rev{}, err
	}
	return t.Store.Update(ctx, f)
}
