package registry

import (
	"context"
	"errors"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/store"
)

// contents is everything a store holds for the index.
type contents struct {
	families map[string]*family
	modules  map[tunnel.Owner]*moduleRecord
	grants   map[tunnel.Owner]*grantRecord
	broken   map[tunnel.Owner]error
	damage   []error
}

// readAll reads every record once. What is damaged is noted and left out.
func readAll(ctx context.Context, s store.Store) (*contents, error) {
	c := &contents{
		families: map[string]*family{}, modules: map[tunnel.Owner]*moduleRecord{}, broken: map[tunnel.Owner]error{},
		grants: map[tunnel.Owner]*grantRecord{},
	}
	_, err := s.View(ctx, func(rd store.Reader) error {
		for rec, err := range rd.Scan("") {
			if err == nil || errors.Is(err, store.ErrDamaged) {
				err = c.take(rd, rec.Key)
			}
			if err != nil {
				return err
			}
		}
		return ctx.Err()
	})
	return c, err
}

// take reads what the main record under key stands for. The other records of a family are read with it.
func (c *contents) take(rd store.Reader, key string) error {
	switch {
	case strings.HasPrefix(key, tunnelPrefix), strings.HasPrefix(key, configurationPrefix):
		f, err := readFamily(rd, key, c.note)
		if err == nil && f.named() {
			c.families[key] = f
		}
		return err
	case strings.HasPrefix(key, modulePrefix):
		owner := tunnel.Owner(strings.TrimPrefix(key, modulePrefix))
		m, err := read[moduleRecord](rd, key)
		if errors.Is(err, store.ErrDamaged) {
			c.note(err)
			c.broken[owner], err = err, nil
		}
		if m != nil {
			c.modules[owner] = m
		}
		return err
	case strings.HasPrefix(key, grantPrefix):
		g, err := read[grantRecord](rd, key)
		if errors.Is(err, store.ErrDamaged) {
			c.note(err)
			err = nil
		}
		if g != nil {
			c.grants[tunnel.Owner(strings.TrimPrefix(key, grantPrefix))] = g
		}
		return err
	}
	return nil
}

func (c *contents) note(err error) { c.damage = append(c.damage, err) }

// named reports whether the family's key is one that the registry gives.
func (f *family) named() bool {
	if strings.HasPrefix(f.key, configurationPrefix) {
		_, fs := tunnel.ParseConfigurationRef(strings.TrimPrefix(f.key, configurationPrefix))
		return len(fs) == 0
	}
	ref, fs := tunnel.ParseRef(strings.TrimPrefix(f.key, tunnelPrefix))
	return len(fs) == 0 && !ref.Name.Declared()
}

// load fills the index with what the store holds. Nobody is told of what was there before, but of what is damaged.
func (r *Registry) load(ctx context.Context) error {
	c, err := readAll(ctx, r.store)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.broken = c.broken
	r.takeOverLocked(host, records{c.families, c.modules, c.grants}, nil)
	r.mu.Unlock()
	r.teller.drop()
	for _, err := range c.damage {
		r.tellDamage(err)
	}
	return nil
}
