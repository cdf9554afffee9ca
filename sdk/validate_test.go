package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// picky judges itself.
type picky struct {
	Security string `json:"security" default:"tls"`
	Host     string `json:"host"`
}

func (p picky) Validate() (fs Findings) {
	if p.Security == "panic" {
		panic("at the disco")
	}
	if p.Security != "none" && p.Host == "" {
		fs = append(fs, Wrong("host", "an encrypted connection needs the name in the certificate", "set host"))
	}
	return fs
}

// boolean has a method of that name, and no Validator's.
type boolean struct{}

func (boolean) Validate() bool { return true }

func TestSettingsJudgeThemselves(t *testing.T) {
	p := Plugin(quiet[picky]{})
	d, err := p.Describe()
	if err != nil || !slices.Contains(d.Capabilities, tunnel.CapabilityValidator) {
		t.Errorf("it can %q, %v", d.Capabilities, err)
	}
	v := p.(wire.Validator)
	fs, err := v.Validate(json.RawMessage(`{"security":"tls"}`))
	if err != nil || len(fs) != 1 || fs[0].Error() != "host: an encrypted connection needs the name in the certificate; set host" {
		t.Errorf("it says %v, %v", fs, err)
	}
	if fs, err := v.Validate(json.RawMessage(`{"security":"none"}`)); err != nil || len(fs) > 0 {
		t.Errorf("of good ones it says %v, %v", fs, err)
	}
	if _, err := v.Validate(json.RawMessage(`{"security":"panic"}`)); !errors.Is(err, wire.ErrPanicked) {
		t.Errorf("a panic is %v", err)
	}
	ran := false
	err = Plugin(runner[picky]{run: func(context.Context, *Instance[picky]) error { ran = true; return nil }}).
		Run(t.Context(), wire.Run{Settings: []byte(`{"security":"tls"}`), Log: hclog.NewNullLogger()})
	if !errors.Is(err, tunnel.ErrInvalid) || ran {
		t.Errorf("Run is called with settings that are wrong: %v, %v", ran, err)
	}
}

func TestSettingsThatDoNot(t *testing.T) {
	p := Plugin(quiet[struct{}]{})
	if d, _ := p.Describe(); slices.Contains(d.Capabilities, tunnel.CapabilityValidator) {
		t.Error("it says that it judges settings")
	}
	if _, err := p.(wire.Validator).Validate(nil); !errors.Is(err, wire.ErrNoValidator) {
		t.Errorf("asked all the same it says %v", err)
	}
	if _, err := Plugin(quiet[boolean]{}).Describe(); err == nil || !strings.Contains(err.Error(), "not that of sdk.Validator") {
		t.Errorf("another method of that name is %v", err)
	}
}

func TestGrants(t *testing.T) {
	for g, want := range map[Grant]Grant{
		GrantDial(5038): "dial 5038", GrantServe(4573): "serve 4573", GrantRead("/srv/in"): "read /srv/in", GrantWrite("/srv/out"): "write /srv/out",
		GrantPrograms: "programs", GrantNetwork: "network",
	} {
		if _, fs := tunnel.ParseGrant(g); g != want || len(fs) > 0 {
			t.Errorf("%q, not %q: %v", g, want, fs)
		}
	}
	err := Plugin(runner[struct{}]{run: func(_ context.Context, in *Instance[struct{}]) error {
		if !in.Granted(GrantDial(5038)) || in.Granted(GrantDial(503)) || in.Granted(GrantNetwork) {
			t.Error("it does not know what it was granted")
		}
		return nil
	}}).Run(t.Context(), wire.Run{Granted: []tunnel.Grant{"dial 5038"}, Log: hclog.NewNullLogger()})
	if err != nil {
		t.Error(err)
	}
}
