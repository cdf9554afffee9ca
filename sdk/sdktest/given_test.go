package sdktest

import (
	"context"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk"
)

// waiting is a module that does nothing but hold a secret of its own.
type waiting struct{}

type waitingSettings struct {
	Site  sdk.Site            `json:"site"`
	Sites map[string]sdk.Site `json:"sites"`
	Token sdk.Secret          `json:"token"`
}

func (waiting) Describe() sdk.Description { return sdk.Description{Name: "waiting", Version: "1"} }

func (waiting) Run(ctx context.Context, _ *sdk.Instance[waitingSettings]) error {
	<-ctx.Done()
	return ctx.Err()
}

// A module gets its own secrets, and none that the host logs in with.
func TestNoPasswordOfASiteIsGiven(t *testing.T) {
	const site = `{"server":"s@site.example","login":"password","password":"canary","via":"http://u@proxy.example:1","via_password":"canary"}`
	w := Run(t, waiting{}, `{"token":"mine","site":`+site+`,"sites":{"rome":`+site+`}}`)
	given := string(w.first().given())
	if strings.Contains(given, "canary") || !strings.Contains(given, `"token":"mine"`) || strings.Count(given, "proxy.example") != 2 {
		t.Errorf("it is given %s", given)
	}
	if err := w.Stop(); err != nil {
		t.Error(err)
	}
}
