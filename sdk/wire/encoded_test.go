package wire

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	hostv1 "github.com/culvert-pbx/culvert/proto/host/v1"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// arrives is what the far end reads of an encoded message, sent by the codec of the host's end.
func arrives[M proto.Message](t *testing.T, in encoded, out M) M {
	t.Helper()
	c := newFrugal()
	data, err := c.Marshal(in)
	if err == nil {
		err = c.CodecV2.Unmarshal(data, out)
		data.Free()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A list comes whole and in its order, in few answers, whatever size its tunnels have, and one by one to who asks so. Each
// tunnel reads as one that is encoded for this answer alone.
func TestAnswersHoldAllTunnelsInOrder(t *testing.T) {
	views := newMany(1000).views
	views[500].Comment = strings.Repeat("x", 2*answerSize) // larger than an answer is made
	views[501] = fullView()
	all := many{views: views}.shared().all
	for several, most := range map[bool]int{true: 20, false: 1000} {
		n, count := 0, 0
		for a, err := range answers(all, several) {
			if err != nil {
				t.Fatal(err)
			}
			count++
			m := arrives(t, a, &hostv1.ListResponse{})
			got := m.GetTunnels()
			if m.GetTunnel() != nil {
				got = append(got, m.GetTunnel())
			}
			for _, v := range got {
				if !proto.Equal(v, viewTo(views[n])) {
					t.Fatalf("tunnel %d is %s", n, v.GetTunnel().GetRef())
				}
				n++
			}
		}
		if n != len(views) || count > most {
			t.Errorf("%d tunnels in %d answers", n, count)
		}
	}
	for range answers(nil, true) {
		t.Error("an answer without a tunnel")
	}
}

// What cannot be encoded ends the list with an error, every time.
func TestATunnelThatCannotBeEncodedIsAnError(t *testing.T) {
	s := tunnel.Show(tunnel.View{Tunnel: tunnel.Tunnel{Comment: "\xff"}})
	for range 2 {
		n := 0
		for _, err := range answers([]*tunnel.Shown{s}, true) {
			if n++; err == nil {
				t.Error("it is encoded")
			}
		}
		if n != 1 {
			t.Errorf("%d answers", n)
		}
		if _, err := encodeChange(tunnel.ShownChange{Type: tunnel.Changed, Tunnel: s}); err == nil {
			t.Error("a change of it is encoded")
		}
	}
}
