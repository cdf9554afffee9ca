package registry

import (
	"maps"
	"slices"
)

// Damaged returns the keys of the records that could not be read since the registry was opened, sorted. They are left
// out; what they held is not in any list.
func (r *Registry) Damaged() []string {
	r.teller.mu.Lock()
	defer r.teller.mu.Unlock()
	return slices.Sorted(maps.Keys(r.teller.damage))
}
