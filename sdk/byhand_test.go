package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

type quiet[S any] struct{}

func (quiet[S]) Describe() Description                   { return Description{Name: "quiet", Version: "2.1.0"} }
func (quiet[S]) Run(context.Context, *Instance[S]) error { return nil }

func TestStartedByHandItSaysWhatItIs(t *testing.T) {
	for _, args := range [][]string{nil, {"--help"}, {"serve"}, {"--describe", "more"}} {
		var out, errs bytes.Buffer
		if code := byHand(Plugin(quiet[struct{}]{}), args, &out, &errs); code != 2 || out.Len() > 0 {
			t.Errorf("%q ends with %d and prints %q", args, code, &out)
		}
		for _, want := range []string{"quiet 2.1.0", "culvertd starts it", "culvert config add quiet/default"} {
			if !strings.Contains(errs.String(), want) {
				t.Errorf("%q: %q lacks %q", args, &errs, want)
			}
		}
	}
}

func TestDescribePrintsTheDescription(t *testing.T) {
	var out, errs bytes.Buffer
	if code := byHand(Plugin(quiet[struct {
		Site Site `json:"site"`
	}]{}), []string{"--describe"}, &out, &errs); code != 0 || errs.Len() > 0 {
		t.Errorf("it ends with %d: %s", code, &errs)
	}
	var d tunnel.Description
	if err := json.Unmarshal(out.Bytes(), &d); err != nil || d.Name != "quiet" || !strings.Contains(string(d.Schema), `"x-culvert": "site"`) {
		t.Errorf("it prints %s (%v)", &out, err)
	}
}

func TestSettingsThatCannotBeAreTheAuthorsMistake(t *testing.T) {
	var out, errs bytes.Buffer
	code := byHand(Plugin(quiet[struct{ NoTag string }]{}), nil, &out, &errs)
	if code != 1 || !strings.Contains(errs.String(), "module quiet") || !strings.Contains(errs.String(), "NoTag") {
		t.Errorf("it ends with %d: %s", code, &errs)
	}
}
