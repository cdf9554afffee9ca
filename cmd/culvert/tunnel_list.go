package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

type listFlags struct {
	owner, as string
	watch     bool
}

// listed is a tunnel as `tunnel list` shows it.
type listed struct {
	control.Tunnel
	MayChange *bool `json:"may_change,omitempty"` // with --as
	Removed   bool  `json:"removed,omitempty"`    // with --watch: it is no more, this is the last of it
}

func tunnelListCommand(a *app) *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the tunnels of all owners",
		Example: `  culvert tunnel list
  culvert tunnel list --owner monitoring -o json
  culvert tunnel list --as monitoring
  culvert tunnel list --watch`,
		Args: needs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			for _, owner := range []string{f.owner, f.as} {
				if err := a.knownOwner(cmd.Context(), owner); err != nil {
					return err
				}
			}
			if f.watch {
				return a.watchTunnels(cmd.Context(), f)
			}
			return a.listTunnels(cmd.Context(), f)
		},
	}
	cmd.Flags().StringVar(&f.owner, "owner", "", "only the tunnels of this owner")
	cmd.Flags().StringVar(&f.as, "as", "", "say too which of them this owner may change")
	cmd.Flags().BoolVar(&f.watch, "watch", false, "go on and show each change, until interrupted")
	_ = cmd.RegisterFlagCompletionFunc("owner", a.completeModules)
	_ = cmd.RegisterFlagCompletionFunc("as", a.completeModules)
	return cmd
}

func (f listFlags) check() error {
	var fs tunnel.Findings
	for _, v := range []struct{ flag, name string }{{"--owner", f.owner}, {"--as", f.as}} {
		if v.name != "" {
			fs = append(fs, tunnel.CheckName(v.name, tunnel.MaxName).At(v.flag)...)
		}
	}
	return fs.Err()
}

// knownOwner is nil for the operator, "", and whatever a module or the owner of a tunnel is called.
func (a *app) knownOwner(ctx context.Context, owner string) error {
	if owner == "" || owner == string(tunnel.Operator) {
		return nil
	}
	if all, err := a.daemon.Tunnels(ctx, owner); err != nil || len(all) > 0 {
		return err
	}
	_, err := a.daemon.Module(ctx, tunnel.Owner(owner))
	if errors.Is(err, tunnel.ErrNotFound) {
		return &failure{exitFailed, "there is no owner " + owner + ": no module and no tunnel has that name", "culvert module list shows the modules, culvert tunnel list all tunnels"}
	}
	return err
}

func (f listFlags) listed(t control.Tunnel) listed {
	l := listed{Tunnel: t}
	if f.as != "" {
		may := tunnel.MayChange(tunnel.Owner(f.as), tunnel.Ref{Owner: tunnel.Owner(t.Owner), Name: tunnel.Name(t.Name)})
		l.MayChange = &may
	}
	return l
}

// listTunnels shows what there is now. JSON is made of each tunnel as it comes: there may be thousands.
func (a *app) listTunnels(ctx context.Context, f listFlags) error {
	all := f.each(a.daemon.EachTunnel(ctx, f.owner))
	if a.json() {
		return writeJSONList(a.out, all)
	}
	var rows []listed
	for l, err := range all {
		if err != nil {
			return err
		}
		rows = append(rows, l)
	}
	a.tunnelTable(rows, f)
	return nil
}

// each is what is listed of all.
func (f listFlags) each(all iter.Seq2[control.Tunnel, error]) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		for t, err := range all {
			if !yield(f.listed(t), err) {
				return
			}
		}
	}
}

func (a *app) tunnelTable(all []listed, f listFlags) {
	if len(all) == 0 && f.owner != "" {
		a.say("%s has no tunnels.", clean(f.owner))
		return
	}
	if len(all) == 0 {
		a.say("There are no tunnels. culvert tunnel add --help shows how to add one.")
		return
	}
	header := []string{"TUNNEL", "SERVER", "STATE", "UP", "WHY"}
	if f.as != "" {
		header = append(header, "CHANGE")
	}
	var rows [][]string
	for _, t := range all {
		row := []string{t.Ref(), serverText(t.Server), t.State, upOf(t.Mappings), why(t.Tunnel)}
		if t.MayChange != nil {
			row = append(row, yesNo(*t.MayChange))
		}
		rows = append(rows, row)
	}
	a.table(header, rows)
}

// watchTunnels shows the tunnels and each change of them, one line each.
func (a *app) watchTunnels(ctx context.Context, f listFlags) error {
	m := newMirror()
	for c, err := range a.daemon.Watch(ctx) {
		if err != nil && ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		for _, s := range m.take(c) {
			if f.owner != "" && s.Owner != f.owner {
				continue
			}
			l := f.listed(s.Tunnel)
			l.Removed = s.removed
			if err := a.watchLine(l); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *app) watchLine(l listed) error {
	if a.json() {
		return a.line(l)
	}
	state := l.State
	if l.Removed {
		state = "removed"
	}
	now := time.Now()
	line := fmt.Sprintf("%s  %s  %s  %s", a.when(&now), clean(l.Ref()), clean(state), upOf(l.Mappings))
	if w := why(l.Tunnel); w != "" && !l.Removed {
		line += "  " + clean(w)
	}
	a.say("%s", line)
	return nil
}

// why is the reason of a tunnel that is not as it should be, or of its first mapping that is not.
func why(t control.Tunnel) string {
	if t.Reason != nil {
		return *t.Reason
	}
	for _, m := range t.Mappings {
		if m.Reason != nil && t.State == string(tunnel.Degraded) {
			return m.Name + ": " + *m.Reason
		}
	}
	return ""
}

// upOf is how many mappings are up, of how many.
func upOf(ms []control.Mapping) string {
	up := 0
	for _, m := range ms {
		if m.State == string(tunnel.Up) {
			up++
		}
	}
	return fmt.Sprintf("%d/%d", up, len(ms))
}

func serverText(s control.SSHServer) string {
	return tunnel.Server{Host: s.Host, Port: s.Port, User: s.User}.String()
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
