package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/url"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func tunnelPath(ref tunnel.Ref) string {
	return "/v1/tunnels/" + url.PathEscape(string(ref.Owner)) + "/" + url.PathEscape(string(ref.Name))
}

func tunnelsPath(owner string) string { return "/v1/tunnels?owner=" + url.QueryEscape(owner) }

func configurationPath(ref tunnel.ConfigurationRef) string {
	return "/v1/configurations/" + url.PathEscape(string(ref.Module)) + "/" + url.PathEscape(ref.Name)
}

func modulePath(name tunnel.Owner) string { return "/v1/modules/" + url.PathEscape(string(name)) }

// get is a call that only shows.
func get[T any](ctx context.Context, c *Client, path string) (out T, err error) {
	return out, c.call(ctx, http.MethodGet, path, nil, &out)
}

// list is get of a long list.
func list[T any](ctx context.Context, c *Client, path string) (all []T, err error) {
	for v, err := range each[T](ctx, c, path) {
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// each asks for a long list and yields each item as it comes, or at the end why not all came.
func each[T any](ctx context.Context, c *Client, path string) iter.Seq2[T, error] {
	return eachBy(ctx, c, path, items[T])
}

// eachBy asks for an answer and yields what read makes of it, or at the end why not all came.
func eachBy[T any](ctx context.Context, c *Client, path string, read func(*json.Decoder) iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		resp, err := c.open(ctx, http.MethodGet, path, nil)
		if err != nil {
			yield(none, err)
			return
		}
		defer resp.Body.Close()
		for v, err := range read(json.NewDecoder(resp.Body)) {
			if err != nil {
				yield(none, c.broken(ctx, err))
				return
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}

// items are those of the list that d comes to.
func items[T any](d *json.Decoder) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		if t, err := d.Token(); err != nil || t != json.Delim('[') {
			yield(none, cmp.Or(err, errors.New("the answer is no list")))
			return
		}
		for d.More() {
			var v T
			if err := d.Decode(&v); err != nil {
				yield(none, err)
				return
			}
			if !yield(v, nil) {
				return
			}
		}
		if _, err := d.Token(); err != nil {
			yield(none, err)
		}
	}
}

// post is a call that changes.
func post[T any](ctx context.Context, c *Client, path string, in any) (out T, err error) {
	return out, c.call(ctx, http.MethodPost, path, in, &out)
}

// Status is what is wrong and how many of everything there are.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return get[Status](ctx, c, "/v1/status")
}

// Version is the daemon's version.
func (c *Client) Version(ctx context.Context) (Version, error) {
	return get[Version](ctx, c, "/v1/version")
}

// Key is the PBX's public key.
func (c *Client) Key(ctx context.Context) (Key, error) { return get[Key](ctx, c, "/v1/key") }

// Tunnels lists the tunnels of owner, of all owners where it is "".
func (c *Client) Tunnels(ctx context.Context, owner string) ([]Tunnel, error) {
	return list[Tunnel](ctx, c, tunnelsPath(owner))
}

// EachTunnel yields what Tunnels lists, each as it comes. An error is the last: what came before is not all.
func (c *Client) EachTunnel(ctx context.Context, owner string) iter.Seq2[Tunnel, error] {
	return each[Tunnel](ctx, c, tunnelsPath(owner))
}

// Tunnel shows one tunnel.
func (c *Client) Tunnel(ctx context.Context, ref tunnel.Ref) (Tunnel, error) {
	return get[Tunnel](ctx, c, tunnelPath(ref))
}

// TunnelKey is the line that lets a tunnel in at its server, and nothing else.
func (c *Client) TunnelKey(ctx context.Context, ref tunnel.Ref) (TunnelKey, error) {
	return get[TunnelKey](ctx, c, tunnelPath(ref)+"/key")
}

// AddTunnel makes a tunnel; it returns at commit, not when the tunnel is up.
func (c *Client) AddTunnel(ctx context.Context, in NewTunnel) (Tunnel, error) {
	return post[Tunnel](ctx, c, "/v1/tunnels", in)
}

// EditTunnel changes an operator-made tunnel.
func (c *Client) EditTunnel(ctx context.Context, ref tunnel.Ref, in TunnelEdit) (out Tunnel, err error) {
	return out, c.call(ctx, http.MethodPatch, tunnelPath(ref), in, &out)
}

// RemoveTunnel removes it.
func (c *Client) RemoveTunnel(ctx context.Context, ref tunnel.Ref) error {
	return c.call(ctx, http.MethodDelete, tunnelPath(ref), nil, nil)
}

// EnableTunnel switches it on or off.
func (c *Client) EnableTunnel(ctx context.Context, ref tunnel.Ref, enabled bool) (Tunnel, error) {
	return post[Tunnel](ctx, c, tunnelPath(ref)+verb(enabled), nil)
}

func verb(enabled bool) string {
	if enabled {
		return "/enable"
	}
	return "/disable"
}

// RestartTunnel makes its link anew.
func (c *Client) RestartTunnel(ctx context.Context, ref tunnel.Ref) (Tunnel, error) {
	return post[Tunnel](ctx, c, tunnelPath(ref)+"/restart", nil)
}

// AcceptKey confirms the learned host key, or takes the key the server last showed: the one with that fingerprint.
func (c *Client) AcceptKey(ctx context.Context, ref tunnel.Ref, fingerprint string) (AcceptedKey, error) {
	return post[AcceptedKey](ctx, c, tunnelPath(ref)+"/accept-key", KeyAcceptance{Fingerprint: fingerprint})
}

// SetSecret gives it another password or key.
func (c *Client) SetSecret(ctx context.Context, ref tunnel.Ref, in LoginInput) error {
	return c.call(ctx, http.MethodPost, tunnelPath(ref)+"/secret", in, nil)
}

// Watch yields every tunnel, "synced", then every change, until ctx ends or the daemon stops.
func (c *Client) Watch(ctx context.Context) iter.Seq2[Change, error] {
	return follow[Change](ctx, c, "/v1/watch")
}

// Events yields the journal, oldest first, of one tunnel (OWNER/NAME) or of everything where it is ""; with following
// it goes on until ctx ends.
func (c *Client) Events(ctx context.Context, of string, following bool) iter.Seq2[Event, error] {
	path := "/v1/events?tunnel=" + url.QueryEscape(of)
	if following {
		return follow[Event](ctx, c, path+"&follow=1")
	}
	return lines[Event](ctx, c, path)
}

// Check tries a connection and hands over each step as it begins and is decided.
func (c *Client) Check(ctx context.Context, in CheckInput, step func(Step)) (Check, error) {
	return stepwise[Check](ctx, c, "/v1/check", "check", in, step)
}

// TestConfiguration has the module test a configuration, with what in names in place of what is stored, and hands over
// each step as it begins and is decided.
func (c *Client) TestConfiguration(ctx context.Context, ref tunnel.ConfigurationRef, in SettingsInput, step func(Step)) (Test, error) {
	return stepwise[Test](ctx, c, configurationPath(ref)+"/test", "test", in, step)
}

// stepwise reads a stream of steps whose last event is the whole, called last.
func stepwise[T any](ctx context.Context, c *Client, path, last string, in any, step func(Step)) (T, error) {
	var out, none T
	for m, err := range c.events(ctx, http.MethodPost, path, in) {
		if err != nil {
			return none, err
		}
		if m.name == last {
			return out, m.as(&out)
		}
		var s Step
		if err := m.as(&s); err != nil {
			return none, err
		}
		step(s)
	}
	return none, io.ErrUnexpectedEOF
}

// Modules lists the modules.
func (c *Client) Modules(ctx context.Context) ([]Module, error) {
	return get[[]Module](ctx, c, "/v1/modules")
}

// Module shows one module.
func (c *Client) Module(ctx context.Context, name tunnel.Owner) (Module, error) {
	return get[Module](ctx, c, modulePath(name))
}

// ModuleSettings is what the module's configurations may set.
func (c *Client) ModuleSettings(ctx context.Context, name tunnel.Owner) (ModuleSettings, error) {
	return get[ModuleSettings](ctx, c, modulePath(name)+"/settings")
}

// RestartModule ends its process and starts it again.
func (c *Client) RestartModule(ctx context.Context, name tunnel.Owner) error {
	return c.call(ctx, http.MethodPost, modulePath(name)+"/restart", nil, nil)
}

// AcceptModule pins the binary that waits for it; with unsandboxed it may run although nothing confines modules.
func (c *Client) AcceptModule(ctx context.Context, name tunnel.Owner, unsandboxed bool) (Acceptance, error) {
	path := modulePath(name) + "/accept"
	if unsandboxed {
		path += "?unsandboxed=1"
	}
	return post[Acceptance](ctx, c, path, nil)
}

// GrantModule gives a module a right beyond its sandbox and starts its process anew.
func (c *Client) GrantModule(ctx context.Context, name tunnel.Owner, g tunnel.Grant) (Regrant, error) {
	return post[Regrant](ctx, c, modulePath(name)+"/grant", GrantInput{Grant: string(g)})
}

// RevokeModule takes it back.
func (c *Client) RevokeModule(ctx context.Context, name tunnel.Owner, g tunnel.Grant) (Regrant, error) {
	return post[Regrant](ctx, c, modulePath(name)+"/revoke", GrantInput{Grant: string(g)})
}

// ModuleLog yields what a module wrote, oldest first; with following it goes on until ctx ends.
func (c *Client) ModuleLog(ctx context.Context, name tunnel.Owner, following bool) iter.Seq2[Line, error] {
	if following {
		return follow[Line](ctx, c, modulePath(name)+"/log?follow=1")
	}
	return lines[Line](ctx, c, modulePath(name)+"/log")
}

// Configurations lists the configurations of all modules.
func (c *Client) Configurations(ctx context.Context) ([]Configuration, error) {
	return get[[]Configuration](ctx, c, "/v1/configurations")
}

// Configuration shows one configuration.
func (c *Client) Configuration(ctx context.Context, ref tunnel.ConfigurationRef) (ConfigurationDetail, error) {
	return get[ConfigurationDetail](ctx, c, configurationPath(ref))
}

// AddConfiguration makes a configuration.
func (c *Client) AddConfiguration(ctx context.Context, in NewConfiguration) (ConfigurationDetail, error) {
	return post[ConfigurationDetail](ctx, c, "/v1/configurations", in)
}

// SetConfiguration changes its settings.
func (c *Client) SetConfiguration(ctx context.Context, ref tunnel.ConfigurationRef, in ConfigurationEdit) (out ConfigurationDetail, err error) {
	return out, c.call(ctx, http.MethodPatch, configurationPath(ref), in, &out)
}

// EnableConfiguration switches it on or off.
func (c *Client) EnableConfiguration(ctx context.Context, ref tunnel.ConfigurationRef, enabled bool) (ConfigurationDetail, error) {
	return post[ConfigurationDetail](ctx, c, configurationPath(ref)+verb(enabled), nil)
}

// RemoveConfiguration removes it; with purge also what its module kept for it.
func (c *Client) RemoveConfiguration(ctx context.Context, ref tunnel.ConfigurationRef, purge bool) error {
	path := configurationPath(ref)
	if purge {
		path += "?purge=1"
	}
	return c.call(ctx, http.MethodDelete, path, nil, nil)
}
