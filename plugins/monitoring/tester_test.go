package main

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/culvert-pbx/culvert/sdk/sdktest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// outcomes are the steps of a test, each as "name outcome".
func outcomes(steps tunnel.TestSteps) string {
	var all []string
	for _, s := range steps {
		all = append(all, s.Name+" "+string(s.Outcome))
	}
	return strings.Join(all, ", ")
}

func TestTheTestShowsWhatDoesNotWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := sdktest.Run(t, monitoring{}, `{"site":{"server":"tunnel@site.example"}}`)
		synctest.Wait()
		const well = "metrics ok, tunnel ok, slot host ok, slot node skipped, slot checkmk skipped"
		if steps := w.Test(); outcomes(steps) != well || !steps.OK() || !strings.HasSuffix(steps[0].Message, " series") {
			t.Errorf("all is well, and the test shows %+v", steps)
		}
		w.Fault("site", sdktest.WrongKey)
		synctest.Wait()
		steps := w.Test()
		if outcomes(steps) != "metrics ok, tunnel failed, slot host skipped, slot node skipped, slot checkmk skipped" || !strings.Contains(steps[1].Message, string(tunnel.HostKeyMismatch)) {
			t.Errorf("with another host key the test shows %+v", steps)
		}
	})
}

func TestTheTestWithoutASite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		steps := sdktest.Run(t, monitoring{}, "").Test()
		if outcomes(steps) != "metrics ok, tunnel skipped, slot host skipped, slot node skipped, slot checkmk skipped" || !steps.OK() {
			t.Errorf("without a site the test shows %+v", steps)
		}
	})
}
