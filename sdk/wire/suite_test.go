package wire

import (
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/tunnel/tunneltest"
)

// wired is a World whose owners sit at the other end of a connection.
type wired struct {
	*tunneltest.World
	t *testing.T
}

func (w wired) As(owner tunnel.Owner) tunnel.Service {
	return hostOf(w.t, HostServices{Owner: owner, Service: w.World.As(owner)})
}

func (w wired) Reopen(testing.TB) tunneltest.Fixture { return w }

func TestTheWireIsAService(t *testing.T) {
	tunneltest.Run(t, func(t *testing.T) tunneltest.Fixture { return wired{tunneltest.NewWorld(), t} })
}
