package boltstore

import (
	"path/filepath"
	"testing"

	"github.com/culvert-pbx/culvert/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Open {
		path := filepath.Join(t.TempDir(), "registry.db")
		return func(t *testing.T) storetest.Store { return mustOpen(t, path) }
	})
}

func mustOpen(t *testing.T, path string) *DB {
	t.Helper()
	d, err := Open(path, Options{Backlog: 8})
	if err != nil {
		t.Fatal(err)
	}
	return d
}
