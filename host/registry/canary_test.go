package registry_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestCanarySecretIsNowhere: whatever is read, told, logged, refused or stored, the secret is not in it, in any of the
// ways one meets.
func TestCanarySecretIsNowhere(t *testing.T) {
	h := newFileHost(t)
	ctx := t.Context()
	found := func(where string, text string) {
		t.Helper()
		for _, form := range []string{
			canary, base64.StdEncoding.EncodeToString([]byte(canary))[:20], base64.StdEncoding.EncodeToString([]byte("x" + canary))[2:20],
			base64.StdEncoding.EncodeToString([]byte("xx" + canary))[4:20], hex.EncodeToString([]byte(canary)),
		} {
			if strings.Contains(text, form) {
				t.Errorf("%s holds the secret: %.300s", where, text)
			}
		}
	}
	failed := func(err error) {
		t.Helper()
		if err == nil {
			t.Error("the change was taken")
		}
		found("an error", fmt.Sprintf("%v %+v %#v", err, err, err))
		text, _ := json.Marshal(err)
		found("an error's JSON", string(text))
	}

	h.add("operator/password", "a.example", tunnel.Credential{Login: tunnel.LoginPassword, Password: canary})
	h.add("operator/key", "a.example", tunnel.Credential{Login: tunnel.LoginKey, PrivateKey: canary, Passphrase: canary})
	h.must(h.SetSecret(ctx, by, ref("operator/password"), tunnel.Credential{Password: canary}))
	h.must(h.edit("operator/password", tunnel.Edit{Via: new(via(corporate)), ViaPassword: new(tunnel.Secret(canary))}))
	found("an edit", fmt.Sprintf("%+v", tunnel.Edit{ViaPassword: new(tunnel.Secret(canary))}))
	h.must(h.PinModule(ctx, "host", "adsync", checksum, describe("adsync")))
	doc := json.RawMessage(`{"site":{"server":"gw.example","login":"password","password":"` + canary +
		`","via":"` + corporate + `","via_password":"` + canary + `"},"bind_password":"` + canary + `"}`)
	_, err := h.AddConfiguration(ctx, by, conf("adsync/berlin"), doc, true)
	h.must(err)
	h.must(h.As("adsync").Declare(ctx, "berlin", []tunnel.Declaration{declared("adsync/berlin.site", "site")}))

	// Refusals that had the secret in hand.
	_, err = h.AddTunnel(ctx, by, made("operator/password", "a.example"), byPassword())
	failed(err)
	_, err = h.AddTunnel(ctx, by, made("operator/x", "-a.example-bad"[1:], mapping(tunnel.Reach, "a=8443:1")), byPassword())
	failed(err)
	failed(h.SetSecret(ctx, by, ref("adsync/berlin.site"), byPassword()))
	failed(h.edit("adsync/berlin.site", tunnel.Edit{ViaPassword: new(tunnel.Secret(canary))}))
	failed(h.edit("operator/key", tunnel.Edit{ViaPassword: new(tunnel.Secret(canary))}))
	failed(h.edit("operator/password", tunnel.Edit{ViaPassword: new(tunnel.Secret(strings.Repeat(canary, 5000)))}))
	failed(h.SetSecret(ctx, by, ref("operator/password"), tunnel.Credential{Password: tunnel.Secret(strings.Repeat(canary, 5000))}))
	for _, bad := range []string{
		`{"site":{"server":"gw.example","login":"password","password":["` + canary + `"]}}`,
		`{"site":{"server":"-x","password":"` + canary + `"},"bind_password":{"` + canary + `":1}}`,
		`{"bind_password":"` + canary + `","nope":1}`,
		`{"site":{"server":"gw.example","via_password":["` + canary + `"]}}`,
		`{"site":{"server":"gw.example","via_password":"` + canary + `"}}`,
		`{"site":{"server":"gw.example","via":"http://u:` + canary + `@proxy:1"}}`,
		`{"site":{"server":"gw.example","via":"http://u:` + strings.Repeat(canary, 100) + `@proxy:1"}}`,
	} {
		_, err = h.SetConfiguration(ctx, by, conf("adsync/berlin"), json.RawMessage(bad), 0)
		failed(err)
	}

	h.reopen()
	for _, v := range h.all() {
		found("a view", fmt.Sprintf("%+v", v))
	}
	s := follow(t, h.Wanted)
	for range 3 {
		found("what the supervisor is told", fmt.Sprintf("%+v", s.take()))
	}
	cs, err := h.Configurations(ctx)
	h.must(err)
	found("configurations", fmt.Sprintf("%+v %s", cs, cs[0].Settings))
	_, cred, err := h.Login(ctx, ref("operator/key"))
	h.must(err)
	found("a printed credential", fmt.Sprintf("%v %+v %#v", cred, cred, cred))
	found("the events", fmt.Sprintf("%+v", h.told()))
	found("the log", h.log.String())
	for key, value := range h.records() {
		found("record "+key, value)
	}
	files, err := filepath.Glob(filepath.Join(h.dir, "*"))
	h.must(err)
	if len(files) == 0 {
		t.Fatal("no file of the store")
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		h.must(err)
		found(file, string(b))
	}
}
