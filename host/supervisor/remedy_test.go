package supervisor

import (
	"context"
	"testing"
	"time"

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
		{declared, "culvert tunnel secret adsync/berlin.site --password-stdin", "culvert config set adsync/berlin --secret-stdin site.password"},
		{declared, "culvert tunnel set adsync/berlin.site --server root@h:22", "culvert config set adsync/berlin site.server=root@h:22"},
		{made, "culvert tunnel set operator/office --server root@h:22", "culvert tunnel set operator/office --server root@h:22"},
		{declared, "culvert tunnel set OWNER/NAME --key host", "culvert config set adsync/berlin site.login=key"},
		{declared, "culvert tunnel accept-key OWNER/NAME --fingerprint SHA256:x", "culvert tunnel accept-key adsync/berlin.site --fingerprint SHA256:x"},
		{declared, "culvert tunnel restart OWNER/NAME", "culvert tunnel restart adsync/berlin.site"},
		{made, "culvert tunnel set OWNER/NAME --via 'http://u@h:1' --via-password-file FILE",
			"culvert tunnel set operator/office --via 'http://u@h:1' --via-password-file FILE"},
		{declared, "culvert tunnel set OWNER/NAME --via 'http://h:1'", "culvert config set adsync/berlin site.via='http://h:1'"},
		{declared, "culvert tunnel set OWNER/NAME --via 'http://u@h:1' --via-password-file FILE",
			"culvert config set adsync/berlin site.via='http://u@h:1' && culvert config set adsync/berlin --secret-stdin site.via_password"},
		{made, "look at the log", "look at the log"},
	} {
		if got := remedyFor(c.t, c.remedy); got != c.want {
			t.Errorf("%s for %s: %s, want %s", c.remedy, c.t.Ref, got, c.want)
		}
	}
}

// TestLinesToPasteNameTheirTunnel wherever they stand, and leave the engine's own failure as it is.
func TestLinesToPasteNameTheirTunnel(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		told := tunnel.Diagnosis{Cause: tunnel.ProxyLogin, Fixes: []tunnel.Fix{{Where: "this machine", Line: "culvert tunnel set OWNER/NAME --via x"}}}
		refused := &fakeError{Failure{Reason: tunnel.WiderThanDeclared, Message: "m", Remedy: "OWNER/NAME", Diagnosis: &told}}
		s.engine.shape = func(l *fakeLink) {
			l.apply = func(context.Context, tunnel.Mapping) error { return refused }
		}
		s.source.want(active(office, 1, http))
		s.pass(time.Second)
		now := s.expect(office, tunnel.Degraded, tunnel.WiderThanDeclared)
		const line = "culvert tunnel set operator/office --via x"
		if now.Remedy != "operator/office" || now.Diagnosis.Fixes[0].Line != line || now.Mappings[0].Remedy != "operator/office" {
			t.Errorf("told %q, %+v and %+v", now.Remedy, now.Diagnosis, now.Mappings[0])
		}
		if told.Fixes[0].Line == line {
			t.Error("the engine's own failure was changed")
		}
	})
}
