package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// Plugin is m without the type of its settings, as hosts and tests run it.
func Plugin[S any](m Module[S]) wire.Plugin { return plugin[S]{m, &lives[S]{}} }

type plugin[S any] struct {
	module Module[S]
	lives  *lives[S]
}

// Describe adds the schema of S and what the module can do. Its error is a mistake in S's tags, in the slots they name, or
// in the module's methods.
func (p plugin[S]) Describe() (d tunnel.Description, err error) {
	defer caught(newLog(os.Stderr), "Describe", &err)
	said := p.module.Describe()
	d = tunnel.Description{Name: said.Name, Version: said.Version, Slots: said.Slots, Policy: said.Policy, Grants: said.Grants}
	if d.Schema, err = settings.Schema(reflect.TypeFor[S]()); err == nil {
		err = p.capabilities(&d)
	}
	if err == nil {
		err = settings.CheckModule(d)
	}
	if err != nil {
		return tunnel.Description{}, fmt.Errorf("module %s: %w", d.Name, err)
	}
	return d, nil
}

// Run runs the module with r's settings as an S, its jobs beside it, and closes what the run left listening. A panic is an
// error of this run alone.
func (p plugin[S]) Run(ctx context.Context, r wire.Run) (err error) {
	defer caught(r.Log, "settings", &err) // a type of theirs that reads itself
	in, err := p.instance(ctx, r)
	if err != nil {
		return err
	}
	if fs := wrong(&in.Settings); len(fs) > 0 {
		return fs // stored while the module could not be asked, or was another version
	}
	l := p.live(ctx, in)
	err = p.run(l.ctx, in)
	l.begin()
	if err == nil && p.stays() {
		<-ctx.Done()
		err = ctx.Err()
	}
	l.end()
	return errors.Join(err, in.close())
}

func (p plugin[S]) run(ctx context.Context, in *Instance[S]) (err error) {
	defer caught(in.Log, "Run", &err)
	return p.module.Run(ctx, in)
}

// instance is the module's view of r.
func (p plugin[S]) instance(ctx context.Context, r wire.Run) (*Instance[S], error) {
	in := &Instance[S]{
		Log: r.Log, Configuration: r.Configuration, Dir: r.Dir, Metrics: newMetrics(p.metrics(), r.Log),
		ctx: ctx, host: r.Host, granted: r.Granted, owner: tunnel.Owner(p.module.Describe().Name),
	}
	if len(r.Settings) > 0 {
		if err := json.Unmarshal(r.Settings, &in.Settings); err != nil {
			return nil, fmt.Errorf("read the settings of %s: %w", r.Configuration, err)
		}
	}
	placeSites(reflect.ValueOf(&in.Settings).Elem(), "")
	return in, nil
}
