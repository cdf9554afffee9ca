package wire

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// SplitMapping splits what a module calls one of its mappings, "smb" or "archive/smb", into site and mapping.
func SplitMapping(text string) (site, mapping string) {
	if i := strings.LastIndexByte(text, '/'); i >= 0 {
		return text[:i], text[i+1:]
	}
	return "", text
}

// FindReach finds the reach mapping that owner means in a run of configuration, as a module dials it.
//
// With a site it is the one of that site's tunnel or, where the configuration has no such site, of owner's
// operator-made tunnel of that name. Without one it is the one mapping of that name among the configuration's
// tunnels. None is ErrNotFound, several are a finding that names them, one of another kind is a finding too.
func FindReach(ctx context.Context, s tunnel.Service, owner tunnel.Owner, configuration, site, mapping string) (tunnel.Ref, tunnel.Mapping, error) {
	v, m, err := FindMapping(ctx, s, owner, configuration, site, mapping)
	if err == nil && !m.Kind.Reaches() {
		err = wrongDirection(v.Ref, m, "connections of it arrive at the module: listen for it")
	}
	return v.Ref, m, err
}

// FindExpose finds the private expose mapping that owner means, as a module listens for it: otherwise like FindReach.
func FindExpose(ctx context.Context, s tunnel.Service, owner tunnel.Owner, configuration, site, mapping string) (tunnel.Ref, tunnel.Mapping, error) {
	v, m, err := FindMapping(ctx, s, owner, configuration, site, mapping)
	switch {
	case err != nil:
	case !m.Kind.Exposes():
		err = wrongDirection(v.Ref, m, "the module connects through it: dial it")
	case !m.Private():
		err = wrongDirection(v.Ref, m, fmt.Sprintf("its connections go to port %d; a spec without a local port brings them to the module", m.Local.Port))
	}
	return v.Ref, m, err
}

// FindMapping finds the mapping that owner means, of whatever kind, and its tunnel as it is now: otherwise like FindReach.
func FindMapping(ctx context.Context, s tunnel.Service, owner tunnel.Owner, configuration, site, mapping string) (tunnel.View, tunnel.Mapping, error) {
	views, err := candidates(ctx, s, owner, configuration, site)
	if err != nil {
		return tunnel.View{}, tunnel.Mapping{}, err
	}
	var refs []string
	var in tunnel.View
	var found tunnel.Mapping
	for _, v := range views {
		for _, m := range v.Mappings {
			if m.Name == mapping {
				refs, in, found = append(refs, v.Ref.String()), v, m
			}
		}
	}
	switch len(refs) {
	case 0:
		return in, found, noMapping(configuration, site, mapping)
	case 1:
		return in, found, nil
	}
	return tunnel.View{}, tunnel.Mapping{}, tunnel.Findings{{
		Code: tunnel.Malformed, Field: "mapping", Value: tunnel.Clean(mapping, 60),
		Message: fmt.Sprintf("%s have a mapping %s each", strings.Join(refs, " and "), mapping),
		WayOut:  "name the site too: SITE/" + mapping,
	}}
}

// candidates are the tunnels in which the mapping may be.
func candidates(ctx context.Context, s tunnel.Service, owner tunnel.Owner, configuration, site string) ([]tunnel.View, error) {
	if site == "" {
		return declaredBy(ctx, s, owner, configuration)
	}
	for _, name := range []tunnel.Name{tunnel.Name(configuration + "." + site), tunnel.Name(site)} {
		v, err := s.Get(ctx, tunnel.Ref{Owner: owner, Name: name})
		if err == nil {
			return []tunnel.View{v}, nil
		}
		if !errors.Is(err, tunnel.ErrNotFound) {
			return nil, err
		}
	}
	return nil, nil
}

func declaredBy(ctx context.Context, s tunnel.Service, owner tunnel.Owner, configuration string) ([]tunnel.View, error) {
	var own []tunnel.View
	for v, err := range s.List(ctx) {
		if err != nil {
			return nil, err
		}
		if v.Ref.Owner == owner && v.Configuration == configuration && v.ManagedBy() == tunnel.ByModule {
			own = append(own, v)
		}
	}
	return own, nil
}

func noMapping(configuration, site, mapping string) error {
	text := mapping
	if site != "" {
		text = site + "/" + mapping
	}
	return tunnel.Findings{{
		Code: tunnel.NotFound, Field: "mapping", Value: tunnel.Clean(text, 120),
		Message: fmt.Sprintf("configuration %s has no tunnel with a mapping %s", tunnel.Clean(configuration, 60), tunnel.Clean(text, 120)),
		WayOut:  "declare its tunnel first, and check that its slot is on",
	}}
}

func wrongDirection(ref tunnel.Ref, m tunnel.Mapping, wayOut string) error {
	return tunnel.Findings{{
		Code: tunnel.Malformed, Field: "mapping", Value: m.Name,
		Message: fmt.Sprintf("mapping %s of %s is %s %s", m.Name, ref, m.Kind, m.Spec()),
		WayOut:  wayOut,
	}}
}
