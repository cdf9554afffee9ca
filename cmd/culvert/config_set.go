package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

const settingsHelp = `Settings are named by dotted keys, like site.server or site.slots.host.on,
and typed by the module: culvert module settings MODULE lists them. Of a list,
KEY=A,B sets all values, KEY[0]=A one of them, and KEY[]=A adds one; the entry
of a map is KEY.NAME. A password or another secret goes in over standard input
or from a file, so that it stands on no command line:
--secret-stdin site.password, --secret-file site.password=F.`

func configAddCommand(a *app) *cobra.Command {
	var f settingsFlags
	var disabled bool
	cmd := onConfiguration(a, &cobra.Command{
		Use:   "add " + configArg + " [KEY=VALUE]...",
		Short: "Add a configuration of a module and enable it",
		Long:  "Add a configuration of a module and enable it, unless --disabled is given.\n\n" + settingsHelp,
		Example: `  culvert config add monitoring/default
  culvert config add monitoring/berlin --file settings.json
  culvert config add monitoring/berlin site.login=password --secret-stdin site.password < password`,
		Args:              atLeast(configArg),
		ValidArgsFunction: a.thenSettings(a.completeConfigOwners),
	}, func(cmd *cobra.Command, ref tunnel.ConfigurationRef, more []string) error {
		in, err := f.read(a, more)
		if err != nil {
			return err
		}
		c, err := a.daemon.AddConfiguration(cmd.Context(), control.NewConfiguration{
			Module: string(ref.Module), Name: ref.Name, Disabled: disabled, SettingsInput: in})
		if err != nil {
			return err
		}
		a.warn(seenSecrets(c.Settings, append(more, f.set...)))
		return a.configChanged(c, "added")
	})
	cmd.Flags().BoolVar(&disabled, "disabled", false, "store it switched off")
	f.register(cmd, a.completeSettings, a.completeSecrets)
	return cmd
}

func configSetCommand(a *app) *cobra.Command {
	var f settingsFlags
	var unset []string
	var ifRevision revision
	var wait waitFlag
	cmd := onConfiguration(a, &cobra.Command{
		Use:   "set " + configArg + " [KEY=VALUE]...",
		Short: "Change settings of a configuration; what is not named stays",
		Long:  "Change settings of a configuration; what is not named stays.\n\n" + settingsHelp,
		Example: `  culvert config set monitoring/default site.server=pbx@office.example.org
  culvert config set monitoring/default site.slots.node.on=true --wait
  culvert config set monitoring/default --file settings.json`,
		Args:              atLeast(configArg),
		ValidArgsFunction: a.thenSettings(a.completeConfigurations),
	}, func(cmd *cobra.Command, ref tunnel.ConfigurationRef, more []string) error {
		in, err := f.read(a, more)
		if err != nil {
			return err
		}
		in.Unset = unset
		if in.Settings == nil && len(in.Set)+len(in.Unset) == 0 {
			return usage("nothing to change is named", "give KEY=VALUE, --unset KEY, --secret-stdin KEY, --secret-file KEY=F or --file F")
		}
		c, err := a.daemon.SetConfiguration(cmd.Context(), ref, control.ConfigurationEdit{SettingsInput: in, IfRevision: ifRevision.n})
		if err != nil {
			return err
		}
		a.warn(seenSecrets(c.Settings, append(more, f.set...)))
		return a.configSet(cmd, &wait, c)
	})
	cmd.Flags().StringArrayVar(&unset, "unset", nil, "forget the value of this KEY, the entry KEY.NAME of a map, or the value KEY[N] of a list (again for more)")
	ifRevision.register(cmd, "configuration")
	f.register(cmd, a.completeSettings, a.completeSecrets)
	wait.register(cmd)
	return cmd
}

// configSet says what was done and, if asked to, follows the configuration's tunnels until they are up.
func (a *app) configSet(cmd *cobra.Command, wait *waitFlag, c control.ConfigurationDetail) error {
	if err := a.configChanged(c, "changed"); err != nil {
		return err
	}
	d := wait.duration(a)
	switch {
	case d == 0, !c.Enabled && !wait.changed():
		return nil
	case !c.Enabled:
		return notUp(c.Ref()+" is disabled: no tunnel of it comes up", "culvert config enable "+c.Ref())
	case len(c.Sites) == 0:
		a.note("%s names no server: there is no tunnel to wait for.", clean(c.Ref()))
		return nil
	}
	_, err := a.await(cmd.Context(), d, tunnelsOf(c))
	return err
}

// tunnelsOf is the wait for all that the module declares for c.
func tunnelsOf(c control.ConfigurationDetail) goal {
	return goal{
		name: c.Ref(),
		match: func(t control.Tunnel) bool {
			return t.Owner == c.Module && t.Configuration != nil && *t.Configuration == c.Name
		},
		none: failure{exitNotUp, fmt.Sprintf("module %s has not declared a tunnel for %s yet", c.Module, c.Ref()),
			fmt.Sprintf("culvert config show %s says how it runs, culvert module log %s what it wrote", c.Ref(), c.Module)},
	}
}

func (a *app) configChanged(c control.ConfigurationDetail, what string) error {
	a.warn(c.Warnings)
	return a.show(c, func() { a.say("%s %s", clean(c.Ref()), what) })
}
