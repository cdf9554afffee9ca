package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// thenSettings offers what first does for the first argument, and settings of that module for those after it.
func (a *app) thenSettings(first cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, text string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return first(cmd, args, text)
		}
		return a.completeSettings(cmd, args, text)
	}
}

// completeSettings offers KEY= of the module that the line names and, behind it, the values where they are few. An entry of
// a map is for the operator to name.
func (a *app) completeSettings(_ *cobra.Command, args []string, text string) ([]cobra.Completion, cobra.ShellCompDirective) {
	key, _, valued := strings.Cut(text, "=")
	offers, directive := a.settingsOf(args, func(k settings.Key) (out []cobra.Completion) {
		switch at := entryAt(k.Key); {
		case valued && k.Key == key:
			for _, v := range valuesOf(k) {
				out = append(out, key+"="+v)
			}
		case valued, k.Secret:
		case at >= 0:
			out = append(out, k.Key[:at])
		default:
			out = append(out, cobra.CompletionWithDesc(k.Key+"=", clean(k.Title)))
		}
		return out
	})
	if !valued {
		directive |= cobra.ShellCompDirectiveNoSpace
	}
	return offers, directive
}

// completeSecrets offers the keys of secrets.
func (a *app) completeSecrets(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.settingsOf(args, func(k settings.Key) []cobra.Completion {
		if !k.Secret || entryAt(k.Key) >= 0 {
			return nil
		}
		return []cobra.Completion{cobra.CompletionWithDesc(k.Key, clean(k.Title))}
	})
}

// settingsOf offers what offer makes of each setting of the module that the line names, once.
func (a *app) settingsOf(args []string, offer func(settings.Key) []cobra.Completion) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.complete(func(ctx context.Context, c *control.Client) (out []cobra.Completion, err error) {
		module, _, _ := strings.Cut(args[0], "/")
		if fs := tunnel.CheckName(module, tunnel.MaxName); len(fs) > 0 {
			return nil, fs
		}
		m, err := c.ModuleSettings(ctx, tunnel.Owner(module))
		seen := map[string]bool{}
		for _, k := range m.Keys {
			for _, o := range offer(k) {
				if !seen[o] {
					out = append(out, o)
				}
				seen[o] = true
			}
		}
		return out, err
	})
}

// entryAt is where in a key the name of an entry belongs, -1 where nowhere.
func entryAt(key string) int {
	if i := strings.Index(key+".", ".NAME."); i >= 0 {
		return i + 1
	}
	return -1
}

func valuesOf(k settings.Key) []string {
	if k.Type == "true or false" {
		return []string{"true", "false"}
	}
	return k.Enum
}
