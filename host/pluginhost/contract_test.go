package pluginhost

import (
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestWhoSpeaksAnotherContractIsToldWhatToUpdate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, message, remedy string }{
		{"incompatible API version with plugin. Plugin version: 3, Client versions: [2 1]", "it speaks version 3 of the contract, this culvertd speaks 1 to 2", "update culvertd"},
		{"incompatible API version with plugin. Plugin version: 0, Client versions: [1 2]", "it speaks version 0 of the contract", "update the module"},
		{"incompatible core API version with plugin. Plugin version: 9, Core version: 1", "another contract: incompatible core API", "built with this version's SDK"},
		{"incompatible API version with plugin. Plugin version: 99999999999999999999, Client", "another contract: ", "built with this version's SDK"},
		{"unknown service \x1b[31mculvert.plugin.v2", `unknown service \x1b[31m`, "built with this version's SDK"},
	} {
		u := otherContract(c.line)
		if u.reason != tunnel.ContractUnsupported || !strings.Contains(u.message, c.message) || !strings.Contains(u.remedy, c.remedy) {
			t.Errorf("%q: %+v", c.line, u)
		}
	}
}
