package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/directory"
	"github.com/culvert-pbx/culvert/plugins/adsync/internal/roster"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/adapter"
	"github.com/culvert-pbx/culvert/sdk"
)

var _ sdk.Tester[settings] = adsync{}

// Test goes the way of a synchronisation and changes nothing.
func (m adsync) Test(_ context.Context, in *sdk.Instance[settings], t *sdk.Steps) {
	const check, written, tunnelUp, connect, groups = "rules", "files of the PBX", "tunnel", "connect", "people"
	t.Do(check, func(context.Context) (string, error) {
		if fs := in.Settings.Validate(); len(fs) > 0 {
			return "", fs
		}
		return "", nil
	})
	t.Do(written, func(ctx context.Context) (string, error) {
		return "", asVerdict(m.tryWriting(ctx, in), in.Configuration)
	}, check)
	t.Do(tunnelUp, in.TunnelIsUp(in.Settings.Site))
	for _, slot := range in.Settings.slots() {
		t.Do("slot "+slot.Name, in.MappingIsUp(in.Settings.Site.Mapping(slot)), tunnelUp)
	}
	var people []directory.Member
	t.Do(connect, func(ctx context.Context) (string, error) { return tryConnecting(ctx, in) }, check, tunnelUp)
	t.Do(groups, func(ctx context.Context) (found string, err error) {
		people, err = tryReading(ctx, in)
		return fmt.Sprintf("%d people count", len(people)), asVerdict(err, in.Configuration)
	}, connect)
	t.Do("users of the PBX", func(ctx context.Context) (string, error) { return m.tryComparing(ctx, in, people) }, groups, written)
}

// opened connects and binds as a synchronisation does, but keeps no certificate.
func opened(ctx context.Context, in *sdk.Instance[settings]) (*directory.Conn, error) {
	c := in.Settings.config()
	c.Trust.Learn = pinsIn(in.Dir).peek
	return directory.Open(ctx, c, servers(in), nil)
}

func tryConnecting(ctx context.Context, in *sdk.Instance[settings]) (string, error) {
	conn, err := opened(ctx, in)
	if err != nil {
		return "", asVerdict(err, in.Configuration)
	}
	defer conn.Close()
	found := fmt.Sprintf("%s lets %s in, base %s", conn.Server, in.Settings.Directory.User, conn.Base())
	if doubt := conn.Doubt(); doubt != nil {
		return "", sdk.Warning(found+"; "+doubt.Message, doubt.For("adsync/"+in.Configuration))
	}
	switch d := in.Settings.Directory; {
	case d.Security == directory.None:
		return "", sdk.Warning(found+"; the password goes in the clear", "culvert config set adsync/"+in.Configuration+" directory.security=ldaps, or starttls")
	case len(d.Pins) == 0 && d.ServerName == "":
		return "", sdk.Warning(found+"; nothing says which certificate it shall have",
			fmt.Sprintf("if it is that of the directory, culvert config set adsync/%s 'directory.pins[]=%s'", in.Configuration, conn.Pin))
	}
	return found, nil
}

func tryReading(ctx context.Context, in *sdk.Instance[settings]) ([]directory.Member, error) {
	conn, err := opened(ctx, in)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	r, err := conn.Read(ctx, in.Settings.selection())
	if err != nil {
		return nil, err
	}
	return r.People, nil
}

// tryWriting is the last step of a synchronisation as far as the PBX sees nothing of it.
func (m adsync) tryWriting(ctx context.Context, in *sdk.Instance[settings]) error {
	done, err := m.turns.take(ctx, in.Configuration) // the PBX has one who opens it at a time
	if err != nil {
		return err
	}
	defer done()
	users, err := adapter.Open(in.Settings.PBX, in.Dir, in.DialLocal)
	if err != nil {
		return err
	}
	return errors.Join(users.Try(ctx), users.Close())
}

func (m adsync) tryComparing(ctx context.Context, in *sdk.Instance[settings], people []directory.Member) (found string, err error) {
	done, err := m.turns.take(ctx, in.Configuration) // the PBX has one who opens it at a time
	if err != nil {
		return "", err
	}
	defer done()
	rules, err := in.Settings.rules(false)
	if err != nil {
		return "", err
	}
	users, err := adapter.Open(in.Settings.PBX, in.Dir, in.DialLocal)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, users.Close()) }()
	have, err := users.Read(ctx)
	if err != nil {
		return "", err
	}
	made, err := roster.Make(have, people, rules)
	if err != nil {
		return "", asVerdict(err, in.Configuration)
	}
	return counts(made.Count).String(), nil
}
