package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"reflect"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TrialSettings is RunSettings as it would be with doc in place of what is stored; nothing is stored. "***" stands for the
// secret that is. elsewhere are the paths of the sites that doc gives otherwise: the tunnels there are do not follow.
func (r *Registry) TrialSettings(ctx context.Context, ref tunnel.ConfigurationRef, doc json.RawMessage) (_ json.RawMessage, elsewhere []string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	r.mu.RLock()
	f, m := r.families[configurationKey(ref)], r.modules[ref.Module]
	r.mu.RUnlock()
	switch {
	case f == nil:
		return nil, nil, noConfiguration(ref)
	case m == nil:
		return nil, nil, tunnel.Findings{noModule(ref.Module)}
	}
	trial := f.clone()
	_, fs, err := r.takeSettings(trial.under(m), doc)
	if err == nil {
		err = fs.Err()
	}
	if err != nil {
		return nil, nil, err
	}
	given, err := r.runSettings(trial.under(m))
	return given, otherSites(f.under(m), trial.under(m)), err
}

// CandidateSettings is TrialSettings for a configuration that need not be there yet: what its module would get to judge.
func (r *Registry) CandidateSettings(ctx context.Context, ref tunnel.ConfigurationRef, doc json.RawMessage) (json.RawMessage, error) {
	given, _, err := r.TrialSettings(ctx, ref, doc)
	if !errors.Is(err, tunnel.ErrNotFound) {
		return given, err
	}
	r.mu.RLock()
	m := r.modules[ref.Module]
	r.mu.RUnlock()
	if m == nil {
		return nil, tunnel.Findings{noModule(ref.Module)}
	}
	trial := &family{key: configurationKey(ref), configuration: &configurationRecord{Node: tunnel.Node}}
	_, fs, err := r.takeSettings(trial.under(m), doc)
	if err := errors.Join(fs.Err(), err); err != nil {
		return nil, err
	}
	return r.runSettings(trial.under(m))
}

// otherSites are the paths of the sites that is has otherwise than was, their passwords included.
func otherSites(was, is reading) (paths []string) {
	for _, path := range sortedKeys(is.sites) {
		same := reflect.DeepEqual(was.sites[path], is.sites[path])
		for _, key := range []string{".password", viaPasswordKey} {
			same = same && bytes.Equal(was.sealed[path+key], is.sealed[path+key])
		}
		if !same {
			paths = append(paths, path)
		}
	}
	return paths
}
