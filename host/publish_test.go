package host

import (
	"errors"
	"net"
	"testing"

	"github.com/culvert-pbx/culvert/host/pluginhost"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// publishAll is nothing against publishing any port.
func publishAll(tunnel.Ref, tunnel.Mapping) error { return nil }

// TestWhatMayBePublishedIsJudgedWhereItLeads: a name is judged by the address that it turned out to have.
func TestWhatMayBePublishedIsJudgedWhereItLeads(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	no := errors.New("not yours")
	dial := localDialer(pluginhost.Sockets{}, nil, func(_ tunnel.Ref, m tunnel.Mapping) error {
		if m.Local.Port == l.Addr().(*net.TCPAddr).Port {
			return no
		}
		return nil
	})
	for _, host := range []string{"", "localhost", "127.0.0.1", "127.5.5.5", "0.0.0.0", "::ffff:127.0.0.1"} {
		m := tunnel.Mapping{Kind: tunnel.Expose, Local: tunnel.Endpoint{Host: host, Port: l.Addr().(*net.TCPAddr).Port}}
		if c, err := dial(t.Context(), tunnel.Ref{Owner: "a", Name: "b"}, m); !errors.Is(err, no) {
			t.Errorf("%q: %v, %v", host, c, err)
		}
	}
}
