package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

type checkFlags struct {
	server, fingerprint string
	login               loginFlags
	route               routeFlags
	mappings            mappingFlags
}

func checkCommand(a *app) *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check --server SERVER",
		Short: "Try a connection step by step, storing nothing",
		Long: `Try a connection step by step, storing nothing: name, TCP, the proxy where one
is named, host key, login, then each mapping that is named. The exit code is 3
when a step fails. One server is tried once in 5 seconds: who comes earlier
waits, and gives the turn to whoever comes after.

` + mappingHelp,
		Example: `  culvert check --server pbx@office.example.org --key host
  culvert check --server pbx@office.example.org --key host --via socks5://proxy.lan:1080
  culvert check --server 192.0.2.7 --password-stdin --expose 443:8443 -o json < password`,
		Args: needs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.check(cmd, &f) },
	}
	cmd.Flags().StringVar(&f.server, "server", "", "SSH server, [USER@]HOST[:PORT]")
	cmd.Flags().StringVar(&f.fingerprint, "fingerprint", "", "the server's host key: SHA256:..., MD5:... or 16 hex bytes")
	f.login.register(cmd)
	f.route.register(cmd)
	f.mappings.register(cmd)
	return cmd
}

func (a *app) check(cmd *cobra.Command, f *checkFlags) error {
	server, fs := parseServer(f.server)
	fs = append(fs, checkFingerprint(f.fingerprint)...)
	fs = append(fs, f.mappings.check()...)
	login, route, err := a.readSecrets(&f.login, &f.route, loginFor(server), fs)
	if err != nil {
		return err
	}
	in := control.CheckInput{Server: f.server, LoginInput: login, RouteInput: route, Fingerprint: f.fingerprint, Mappings: f.mappings.list}
	a.warn(server.Warnings())
	out, err := a.daemon.Check(cmd.Context(), in, a.step)
	if err != nil {
		return err
	}
	if err := a.show(out, func() { a.checkResult(server, out) }); err != nil {
		return err
	}
	if !out.OK {
		return failedStep(out)
	}
	return nil
}

// step shows one step for a person when it is decided; of a wait for the turn also that it begins.
func (a *app) step(s control.Step) {
	if s.Name == control.StepTurn && s.State == control.StepRunning && !a.json() {
		a.note("culvert: %s", clean(s.Message))
	}
	if a.json() || s.State == control.StepRunning {
		return
	}
	line := stepLine("", s)
	if s.MS > 0 {
		line += fmt.Sprintf("  (%d ms)", s.MS)
	}
	a.say("%s", line)
}

func (a *app) checkResult(server tunnel.Server, c control.Check) {
	if c.Fingerprint != "" {
		a.say("host key of %s: %s", clean(server.Host), clean(c.Fingerprint))
	}
	if c.OK {
		a.say("The connection works. Nothing was stored.")
	} else if s := firstFailed(c); s != nil && len(s.Evidence)+len(s.Fixes) > 0 {
		a.details("", s.Diagnosis) // the remedy follows as the error's hint
	}
}

// firstFailed is the step that failed first, nil where none did.
func firstFailed(c control.Check) *control.Step {
	for _, s := range c.Steps {
		if s.State == control.StepFailed {
			return &s
		}
	}
	return nil
}

// failedStep is what the first failed step says.
func failedStep(c control.Check) error {
	s := firstFailed(c)
	if s == nil {
		return notUp("the check came to no end", "try again")
	}
	message := s.Name + " failed"
	if s.Reason != nil {
		message += " (" + *s.Reason + ")"
	}
	if s.Message != "" {
		message += ": " + s.Message
	}
	return notUp(message, s.Remedy)
}
