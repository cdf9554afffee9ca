package pbxtest_test

import (
	"testing"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/pbxtest"
)

type memory struct{ *pbxtest.Memory }

func (m memory) Open(*testing.T) pbx.Adapter { return m.Memory }

func TestMemoryKeepsTheContract(t *testing.T) {
	pbxtest.Run(t, func(*testing.T) pbxtest.Fixture { return memory{pbxtest.NewMemory(pbx.State{})} })
}
