package registry

import (
	"errors"
	"maps"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/store"
)

// family is all the records that live and die together: those of one operator-made tunnel, or those of a configuration
// with the tunnels declared for it. A family in the index is never changed; a draft changes its own clone.
type family struct {
	key           string               // tunnel/OWNER/NAME or configuration/MODULE/NAME
	made          *tunnelRecord        // of an operator-made tunnel
	configuration *configurationRecord // of a configuration
	declared      map[tunnel.Name]declaration
	overlays      map[tunnel.Name]overlay
	pins          map[tunnel.Name]pin
	sealed        map[string][]byte
	damaged       map[string]bool // prefixes of its records that could not be read; "" is the main one
}

// familyOf is the key of the family that ref belongs to.
func familyOf(ref tunnel.Ref) string {
	if !ref.Name.Declared() {
		return tunnelPrefix + ref.String()
	}
	configuration, _, _ := strings.Cut(string(ref.Name), ".")
	return configurationKey(tunnel.ConfigurationRef{Module: ref.Owner, Name: configuration})
}

func configurationKey(ref tunnel.ConfigurationRef) string { return configurationPrefix + ref.String() }

// ref is the tunnel or, read as one, the configuration that the family is of.
func (f *family) ref() tunnel.Ref {
	_, rest, _ := strings.Cut(f.key, "/")
	owner, name, _ := strings.Cut(rest, "/")
	return tunnel.Ref{Owner: tunnel.Owner(owner), Name: tunnel.Name(name)}
}

func (f *family) owner() tunnel.Owner { return f.ref().Owner }

func (f *family) configurationRef() tunnel.ConfigurationRef {
	return tunnel.ConfigurationRef{Module: f.owner(), Name: string(f.ref().Name)}
}

// exists reports whether the family has its main record, whole.
func (f *family) exists() bool { return f.made != nil || f.configuration != nil }

// revision is that of the record that a person has made.
func (f *family) revision() uint64 {
	if f.configuration != nil {
		return f.configuration.Revision
	}
	return f.made.Revision
}

func (f *family) enabled() bool { return f.configuration != nil && f.configuration.Enabled }

// clone is a copy whose maps and records can be changed. What hangs in them is replaced, never written into.
func (f *family) clone() *family {
	c := *f
	c.made, c.configuration = copied(f.made), copied(f.configuration)
	c.declared, c.overlays, c.pins = maps.Clone(f.declared), maps.Clone(f.overlays), maps.Clone(f.pins)
	c.sealed, c.damaged = maps.Clone(f.sealed), maps.Clone(f.damaged)
	return &c
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

// assign puts v under key in *m, which may be nil yet.
func assign[K comparable, V any](m *map[K]V, key K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[key] = v
}

// readFamily reads the records of a family. A damaged record is told to tell, left out and marked: what stands in its
// place is the careful side, see finish.
func readFamily(rd store.Reader, key string, tell func(error)) (*family, error) {
	f := &family{key: key}
	var err error
	part := func(prefix string, load func(key string) error) {
		if err != nil {
			return
		}
		if e := load(prefix + key); errors.Is(e, store.ErrDamaged) {
			assign(&f.damaged, prefix, true)
			tell(e)
		} else {
			err = e
		}
	}
	if strings.HasPrefix(key, tunnelPrefix) {
		part("", func(k string) (e error) { f.made, e = read[tunnelRecord](rd, k); return e })
	} else {
		part("", func(k string) (e error) { f.configuration, e = read[configurationRecord](rd, k); return e })
		part(declarationPrefix, func(string) (e error) {
			f.declared, e = readTunnels[declaration](rd, declarationKey(key))
			return e
		})
	}
	part(overlayPrefix, func(k string) (e error) { f.overlays, e = readTunnels[overlay](rd, k); return e })
	part(pinPrefix, func(k string) (e error) { f.pins, e = readTunnels[pin](rd, k); return e })
	part(secretPrefix, func(k string) error {
		rec, e := read[secretRecord](rd, k)
		if rec != nil {
			f.sealed = rec.Sealed
		}
		return e
	})
	return f, err
}

func declarationKey(family string) string {
	return declarationPrefix + strings.TrimPrefix(family, configurationPrefix)
}

func readTunnels[T any](rd store.Reader, key string) (map[tunnel.Name]T, error) {
	rec, err := read[perTunnel[T]](rd, key)
	if rec == nil {
		return nil, err
	}
	return rec.Tunnels, nil
}

// repaired says that the records under prefix are about to be written whole.
func (f *family) repaired(prefix string) { delete(f.damaged, prefix) }

// write puts every record of the family and deletes those that hold nothing any more. The store leaves alone what is
// there already; what is damaged stays until it is repaired, so that the careful side holds over a restart.
func (f *family) write(tx store.Tx) error {
	var errs []error
	part := func(prefix string, write func() error) {
		if !f.damaged[prefix] {
			errs = append(errs, write())
		}
	}
	if strings.HasPrefix(f.key, tunnelPrefix) {
		part("", func() error { return write(tx, f.key, f.made) })
	} else {
		part("", func() error { return write(tx, f.key, f.configuration) })
		part(declarationPrefix, func() error { return writeTunnels(tx, declarationKey(f.key), f.declared) })
	}
	part(overlayPrefix, func() error { return writeTunnels(tx, overlayPrefix+f.key, f.overlays) })
	part(pinPrefix, func() error { return writeTunnels(tx, pinPrefix+f.key, f.pins) })
	part(secretPrefix, func() error {
		if len(f.sealed) == 0 {
			return tx.Delete(secretPrefix + f.key)
		}
		return write(tx, secretPrefix+f.key, &secretRecord{tunnel.Node, f.sealed})
	})
	return errors.Join(errs...)
}

func writeTunnels[T any](tx store.Tx, key string, m map[tunnel.Name]T) error {
	if len(m) == 0 {
		return tx.Delete(key)
	}
	return write(tx, key, &perTunnel[T]{tunnel.Node, m})
}
