package main

import (
	"context"
	"errors"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/directory"
	"github.com/culvert-pbx/culvert/plugins/adsync/internal/roster"
	"github.com/culvert-pbx/culvert/plugins/adsync/internal/verify"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/adapter"
	"github.com/culvert-pbx/culvert/sdk"
)

// loginPort is where the PBX asks whether a password is right: http://127.0.0.1:7389/v1/auth/verify. The host listens there
// for the module, once that is granted.
const (
	loginPort            = 7389
	loginGrant sdk.Grant = "serve 7389"
)

// serveLogins answers the PBX until ctx ends.
func (adsync) serveLogins(ctx context.Context, in *sdk.Instance[settings]) error {
	l, err := in.ListenLocal(loginPort)
	if err != nil {
		return err
	}
	h := verify.New(asker(in), in.Settings.Login.Cache.D(), func(result string) { in.Metrics.Add(loginsMetric, 1, result) })
	return h.Serve(ctx, l, in.Log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}))
}

// asker asks the directory, and the PBX which of its users that is.
func asker(in *sdk.Instance[settings]) verify.Ask {
	config := in.Settings.config()
	config.Trust.Learn = pinsIn(in.Dir).learn
	record := oneAtATime(in.Settings.have(in.Dir))
	no := &refusals{log: in.Log, configuration: "adsync/" + in.Configuration}
	return func(ctx context.Context, name, password string) (verify.Identity, error) {
		var user pbx.User
		_, err := directory.Verify(ctx, config, servers(in), in.Settings.selection(), in.Settings.meant(record, &user), name, password)
		if err != nil {
			return verify.Identity{}, no.to(err)
		}
		return verify.Identity{ID: string(user.ID), Login: user.Login}, nil
	}
}

// have reads the users of the PBX.
type have func(context.Context) (pbx.State, error)

// have reads them from the record that is in dir, the module's directory.
func (s settings) have(dir string) have {
	return func(ctx context.Context) (state pbx.State, err error) {
		users, err := adapter.Open(s.PBX, dir, nil) // which dials for a change alone
		if err != nil {
			return state, err
		}
		defer func() { err = errors.Join(err, users.Close()) }()
		return users.Read(ctx)
	}
}

// oneAtATime bounds what many logins at once take of memory: each reads all users.
func oneAtATime(read have) have {
	turn := make(chan struct{}, 1)
	return func(ctx context.Context) (pbx.State, error) {
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
			return read(ctx)
		case <-ctx.Done():
			return pbx.State{}, ctx.Err()
		}
	}
}

// meant picks whom the PBX means by a login, and sets user to which of its users that is.
func (s settings) meant(users have, user *pbx.User) directory.Choose {
	return func(ctx context.Context, people []directory.Person) (p directory.Person, err error) {
		p, *user, err = roster.Meant(people, s.Who.Ignore, func() (pbx.State, error) { return users(ctx) })
		return p, err
	}
}
