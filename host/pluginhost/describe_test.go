package pluginhost

import (
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestDescriptionThatBreaksARule is a broken binary, however many rules it breaks: no other start of it mends that.
func TestDescriptionThatBreaksARule(t *testing.T) {
	t.Parallel()
	r := newRig(t).run()
	for name, broken := range map[tunnel.Owner][]string{"greedy": {"grants[0]: "}, "greedier": {"grants[0]: ", "; grants[1]: "}} {
		r.install(string(name), "")
		m := r.is(name, Failed, tunnel.BinaryBroken)
		for _, part := range append(broken, "its description breaks the rules: ") {
			if !strings.Contains(m.Message, part) {
				t.Errorf("%s: %q lacks %q", name, m.Message, part)
			}
		}
		if m.Remedy != "the module's author can mend it" {
			t.Errorf("%s: remedy %q", name, m.Remedy)
		}
	}
}
