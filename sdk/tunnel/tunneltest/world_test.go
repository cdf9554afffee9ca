package tunneltest_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/culvert-pbx/culvert/sdk/tunnel/tunneltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWorld(t *testing.T) {
	tunneltest.Run(t, func(*testing.T) tunneltest.Fixture { return tunneltest.NewWorld() })
}
