package control

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TunnelKey is what lets one tunnel in at its server, and nothing else (R65).
type TunnelKey struct {
	AuthorizedKey string     `json:"authorized_key"` // one authorized_keys line: options, key, comment
	Options       string     `json:"options"`        // those of the line
	Host          string     `json:"host"`           // the server it is for
	User          string     `json:"user"`           // whose line it is there
	Own           bool       `json:"own"`            // the key is the tunnel's own, not the PBX's
	Auth          string     `json:"auth"`           // how the tunnel logs in now: password or key
	UseKey        string     `json:"use_key"`        // the command that has it log in with this key
	Places        []KeyPlace `json:"places"`
	Shared        []string   `json:"shared"` // other tunnels that log in there as this user with this key
	Warnings      []string   `json:"warnings"`
}

// KeyPlace is a file that an SSH server looks for the line in.
type KeyPlace struct {
	System string `json:"system"`
	File   string `json:"file"`
	Line   string `json:"line"` // to be run there afterwards, "" for nothing
}

func (s *Server) showTunnelKey(w http.ResponseWriter, r *http.Request) error {
	ref, err := refOf(r)
	if err != nil {
		return err
	}
	v, err := s.Operator.Get(r.Context(), ref)
	if err != nil {
		return err
	}
	key, err := s.Keys.AuthorizedKeyOf(r.Context(), ref)
	if err != nil {
		return err
	}
	shared, err := s.sharers(r.Context(), v.Tunnel)
	if err != nil {
		return err
	}
	options := tunnel.KeyOptions(v.Tunnel, v.Status.ServerVersion)
	return answer(w, http.StatusOK, TunnelKey{
		AuthorizedKey: options + " " + strings.TrimSpace(key), Options: options,
		Host: v.Server.Host, User: v.Server.User, Own: v.OwnKey, Auth: string(v.Login), UseKey: useKey(v.Tunnel),
		Places: keyPlaces(v.Server.User), Shared: shared, Warnings: keyWarnings(v, shared),
	})
}

// sharers are the other tunnels that log in at t's server as its user with the PBX's key, where t does: sshd looks at the
// first line with that key alone.
func (s *Server) sharers(ctx context.Context, t tunnel.Tunnel) ([]string, error) {
	all, err := s.Operator.ListShown(ctx)
	if err != nil {
		return nil, err
	}
	out := []string{}
	for _, shown := range all {
		v := shown.View()
		switch {
		case v.Ref == t.Ref, t.OwnKey, v.OwnKey, v.Login != tunnel.LoginKey:
		case tunnel.ScopeRemote(v.Server) == tunnel.ScopeRemote(t.Server) && v.Server.User == t.Server.User:
			out = append(out, v.Ref.String())
		}
	}
	return out, nil
}

// keyWarnings say why the line may not work where it goes.
func keyWarnings(v tunnel.View, shared []string) []string {
	out := []string{}
	if len(shared) > 0 {
		out = append(out, strings.Join(shared, ", ")+" log in there with this key too, and sshd reads the first line with a key only: "+
			"give each a user or a key of its own (culvert tunnel set "+v.Ref.String()+" --key FILE)")
	}
	if tunnel.IsDropbear(v.Status.ServerVersion) {
		out = append(out, "the server calls itself "+tunnel.Clean(v.Status.ServerVersion, maxAddress)+
			": the line is for Dropbear, which cannot limit where a key may listen")
	}
	return out
}

// useKey is the command that has t log in with the PBX's key.
func useKey(t tunnel.Tunnel) string {
	if t.Configuration != "" {
		return fmt.Sprintf("culvert config set %s/%s %s.login=key", t.Ref.Owner, t.Configuration, t.Settings)
	}
	return "culvert tunnel set " + t.Ref.String() + " --key host"
}

// keyPlaces are where sshd as it is delivered looks for a user's keys.
func keyPlaces(user string) []KeyPlace {
	return []KeyPlace{
		{System: "Linux", File: "~" + user + "/.ssh/authorized_keys"},
		{System: "Windows", File: `C:\Users\` + windowsProfile(user) + `\.ssh\authorized_keys`},
		{System: "Windows, members of Administrators", File: tunnel.AdministratorsKeys, Line: tunnel.CloseAdministratorsKeys},
	}
}

// windowsProfile is the user without its domain, which is written before or behind it.
func windowsProfile(user string) string {
	if _, name, ok := strings.Cut(user, `\`); ok {
		return name
	}
	name, _, _ := strings.Cut(user, "@")
	return name
}
