package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func configTestCommand(a *app) *cobra.Command {
	var f settingsFlags
	var unset []string
	cmd := onConfiguration(a, &cobra.Command{
		Use:   "test " + configArg + " [KEY=VALUE]...",
		Short: "Have the module test a configuration step by step",
		Long: `Have the module test a configuration step by step, whether or not it is enabled.
Settings that are named are tested in place of those stored; nothing is stored.
The exit code is 3 when a step fails. What runs is not disturbed. The test uses
the tunnels as they are stored: culvert check tries another server.

` + settingsHelp,
		Example: `  culvert config test monitoring/default
  culvert config test monitoring/default pbx=berlin
  culvert config test monitoring/default -o json`,
		Args:              atLeast(configArg),
		ValidArgsFunction: a.thenSettings(a.completeConfigurations),
	}, func(cmd *cobra.Command, ref tunnel.ConfigurationRef, more []string) error {
		in, err := f.read(a, more)
		if err != nil {
			return err
		}
		in.Unset = unset
		return a.configTest(cmd, ref, in)
	})
	cmd.Flags().StringArrayVar(&unset, "unset", nil, "test without a value of this KEY (again for more)")
	f.register(cmd, a.completeSettings, a.completeSecrets)
	return cmd
}

func (a *app) configTest(cmd *cobra.Command, ref tunnel.ConfigurationRef, in control.SettingsInput) error {
	out, err := a.daemon.TestConfiguration(cmd.Context(), ref, in, a.testStep)
	if err != nil {
		return err
	}
	if err := a.show(out, func() { a.testResult(out) }); err != nil {
		return err
	}
	if !out.OK {
		return failedStep(control.Check{Steps: out.Steps})
	}
	return nil
}

// testStep shows one step for a person when it is decided, with what was found.
func (a *app) testStep(s control.Step) {
	if a.json() || s.State == control.StepRunning {
		return
	}
	line := stepLine("", s)
	if s.State != control.StepFailed && s.Message != "" {
		line += gap + clean(s.Message)
	}
	if s.MS > 0 {
		line += fmt.Sprintf("  (%d ms)", s.MS)
	}
	a.say("%s", line)
	if s.State == control.StepWarning && s.Remedy != "" {
		a.note("culvert: hint: %s: %s", clean(s.Name), clean(s.Remedy))
	}
}

func (a *app) testResult(t control.Test) {
	if t.OK {
		a.say("The test went well.")
	}
}
