package supervisor

import (
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestRemediesAreLinesToPaste(t *testing.T) {
	made := tunnel.Tunnel{Ref: tunnel.Ref{Owner: "operator", Name: "office"}}
	declared := tunnel.Tunnel{Ref: tunnel.Ref{Owner: "adsync", Name: "berlin.site"}, Configuration: "berlin", Settings: "site"}
	for _, c := range []struct {
		t            tunnel.Tunnel
		remedy, want string
	}{
		{made, "give it: culvert tunnel secret OWNER/NAME --password-stdin", "give it: culvert tunnel secret operator/office --password-stdin"},
		{declared, "give it: culvert tunnel secret OWNER/NAME --password-stdin", "give it: culvert config set adsync/berlin --secret-stdin site.password"},
		{declared, "culvert tunnel set OWNER/NAME --key host", "culvert config set adsync/berlin site.login=key"},
		{declared, "culvert tunnel accept-key OWNER/NAME", "culvert tunnel accept-key adsync/berlin.site"},
		{made, "look at the log", "look at the log"},
	} {
		if got := remedyFor(c.t, c.remedy); got != c.want {
			t.Errorf("%s for %s: %s, want %s", c.remedy, c.t.Ref, got, c.want)
		}
	}
}
