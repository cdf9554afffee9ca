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

// asker asks the directory.
func asker(in *sdk.Instance[settings]) verify.Ask {
	config := in.Settings.config()
	config.Trust.Learn = pinsIn(in.Dir).learn
	return func(ctx context.Context, user, password string) (verify.Identity, error) {
		p, err := directory.Verify(ctx, config, servers(in), in.Settings.selection(), in.Settings.meant(in.Dir), user, password)
		var known *directory.Error
		errors.As(err, &known)
		switch code := directory.CodeOf(err); {
		case err == nil:
			return verify.Identity{ID: p.ID, Login: p.Login}, nil
		case code == directory.Twice: // who asks learns no more than of a login that nobody has
			in.Log.Warn("nobody can log in by a login of several", "error", known.Message, "remedy", known.For("adsync/"+in.Configuration))
			return verify.Identity{}, &verify.Refusal{Reason: string(directory.Wrong), Message: "user or password wrong"}
		case answers[code]:
			return verify.Identity{}, &verify.Refusal{Reason: string(code), Message: err.Error()}
		}
		in.Log.Warn("the directory could not be asked for a login", "error", err)
		return verify.Identity{}, err
	}
}

// answers are the codes by which a directory says no, as opposed to not answering.
var answers = map[directory.Code]bool{
	directory.Wrong: true, directory.Disabled: true, directory.Expired: true, directory.PasswordOld: true, directory.Locked: true,
	directory.Restricted: true, directory.EmptyWord: true, directory.NotAMember: true,
}

// meant picks whom the PBX means by a login. dir is the module's directory.
func (s settings) meant(dir string) directory.Choose {
	return func(ctx context.Context, people []directory.Person) (directory.Person, error) {
		return roster.Meant(people, s.Who.Ignore, func() (have pbx.State, err error) {
			users, err := adapter.Open(s.PBX, dir, nil) // which dials for a change alone
			if err != nil {
				return have, err
			}
			defer func() { err = errors.Join(err, users.Close()) }()
			return users.Read(ctx)
		})
	}
}
