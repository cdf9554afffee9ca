package host

import (
	"errors"
	"net/http"
	"testing"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/host/pluginhost"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestRefusalSaysWhyAModuleCannotBeUsed(t *testing.T) {
	for _, c := range []struct {
		reason tunnel.Reason
		code   string
	}{
		{tunnel.NameMismatch, "name-mismatch"}, {tunnel.NeedsAcceptance, "needs-acceptance"}, {"", "state"},
	} {
		err := refusal(&pluginhost.Unusable{Module: "hello", Reason: c.reason, Message: "it is another one", Remedy: "look"})
		var e *control.Error
		if !errors.As(err, &e) || e.Code != c.code || e.Status != http.StatusConflict || e.Message != "module hello: it is another one" || e.Hint != "look" {
			t.Errorf("%q: %+v", c.reason, err)
		}
	}
	if err := refusal(tunnel.ErrNotFound); !errors.Is(err, tunnel.ErrNotFound) {
		t.Errorf("another error became %v", err)
	}
	if err := refusal(nil); err != nil {
		t.Errorf("nothing became %v", err)
	}
}
