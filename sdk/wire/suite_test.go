package wire

import (
	"sync"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/tunnel/tunneltest"
)

// wired is a World whose owners sit at the other end of a connection.
type wired struct {
	*tunneltest.World
	t       *testing.T
	mu      sync.Mutex
	clients map[tunnel.Owner]*client
}

func (w *wired) As(owner tunnel.Owner) tunnel.Service {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.clients[owner] == nil {
		w.clients[owner] = hostOf(w.t, HostServices{Owner: owner, Service: w.World.As(owner)})
	}
	return w.clients[owner]
}

func (w *wired) Reopen(testing.TB) tunneltest.Fixture { return w }

func TestTheWireIsAService(t *testing.T) {
	tunneltest.Run(t, func(t *testing.T) tunneltest.Fixture {
		return &wired{World: tunneltest.NewWorld(), t: t, clients: map[tunnel.Owner]*client{}}
	})
}
