package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// completionTimeout is how long a key press may wait for the daemon.
const completionTimeout = 300 * time.Millisecond

// complete offers what names returns from the daemon, or nothing when it is slow or away.
func (a *app) complete(names func(context.Context, *control.Client) ([]cobra.Completion, error)) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(context.Background(), completionTimeout)
	defer cancel()
	c := control.NewClient(a.socket)
	defer c.Close()
	found, err := names(ctx, c)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

// completeTunnels offers OWNER/NAME with its state, for the first argument.
func (a *app) completeTunnels(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.complete(func(ctx context.Context, c *control.Client) (out []cobra.Completion, err error) {
		all, err := c.Tunnels(ctx, "")
		for _, t := range all {
			out = append(out, cobra.CompletionWithDesc(clean(t.Ref()), clean(t.State)))
		}
		return out, err
	})
}

// completeTunnelOrMapping offers OWNER/NAME, and OWNER/NAME/MAPPING once a tunnel is named.
func (a *app) completeTunnelOrMapping(cmd *cobra.Command, args []string, text string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ref, _, of := cutMapping(text)
	if len(args) > 0 || !of {
		return a.completeTunnels(cmd, args, text)
	}
	offers, directive := a.completeMappings(cmd, []string{ref}, "")
	for i, o := range offers {
		offers[i] = ref + "/" + o
	}
	return offers, directive
}

// completeMappings offers the names of the mappings of the tunnel that the line names.
func (a *app) completeMappings(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.complete(func(ctx context.Context, c *control.Client) (out []cobra.Completion, err error) {
		ref, fs := tunnel.ParseRef(args[0])
		if len(fs) > 0 {
			return nil, fs
		}
		t, err := c.Tunnel(ctx, ref)
		for _, m := range t.Mappings {
			out = append(out, cobra.CompletionWithDesc(clean(m.Name), clean(m.Kind)))
		}
		return out, err
	})
}

// completeLanes offers NAME=bulk and NAME=main for the mappings of the tunnel that the line names, and for those that the
// line gives it.
func (a *app) completeLanes(cmd *cobra.Command, args []string, names []string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if offers, _ := a.completeMappings(cmd, args, ""); len(args) > 0 {
		for _, o := range offers {
			name, _, _ := strings.Cut(o, "\t")
			names = append(names, name)
		}
	}
	var out []cobra.Completion
	for _, name := range names {
		out = append(out, name+"="+string(tunnel.LaneBulk), name+"="+tunnel.LaneMain.String())
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// completeConfigurations offers MODULE/NAME with its state, for the first argument.
func (a *app) completeConfigurations(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.complete(func(ctx context.Context, c *control.Client) (out []cobra.Completion, err error) {
		all, err := c.Configurations(ctx)
		for _, x := range all {
			out = append(out, cobra.CompletionWithDesc(clean(x.Ref()), clean(x.State)))
		}
		return out, err
	})
}

// completeModule offers module names for the first argument.
func (a *app) completeModule(cmd *cobra.Command, args []string, text string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeModules(cmd, args, text)
}

// completeModules offers module names, for a flag.
func (a *app) completeModules(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.complete(func(ctx context.Context, c *control.Client) (out []cobra.Completion, err error) {
		all, err := c.Modules(ctx)
		for _, m := range all {
			out = append(out, cobra.CompletionWithDesc(clean(m.Name), clean(m.State)))
		}
		return out, err
	})
}

// completeOwners offers OWNER/ for a new name: operator and every module.
func (a *app) completeOwners(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	found, _ := a.complete(func(ctx context.Context, c *control.Client) (out []cobra.Completion, err error) {
		all, err := c.Modules(ctx)
		for _, m := range all {
			out = append(out, clean(m.Name)+"/")
		}
		return out, err
	})
	return append(found, string(tunnel.Operator)+"/"), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
