package sshtunnel

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestShares goes through a server's addresses of which each uses up its share.
func TestShares(t *testing.T) {
	tests := []struct {
		addresses int
		want      []time.Duration // when each must be done, in seconds since the beginning
	}{
		{1, []time.Duration{10}},
		{2, []time.Duration{5, 10}},
		{4, []time.Duration{3, 6, 9, 12}},
		{8, []time.Duration{3, 6, 9, 12, 15, 18, 21, 24}},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			var all []netip.Addr
			for i := range test.addresses {
				all = append(all, netip.AddrFrom4([4]byte{127, 0, 0, byte(i + 1)}))
			}
			s := newAddresses((&Config{Server: tunnel.Server{Host: "site.example", Port: 22}}).withDefaults(), all)
			for i, addr := range all {
				by := s.share()
				if got := by.Sub(began); got != test.want[i]*time.Second {
					t.Errorf("%d addresses: number %d must be done after %v, want %v s", len(all), i+1, got, int(test.want[i]))
				}
				time.Sleep(time.Until(by))
				s.fail(addr, &Failure{Reason: tunnel.HandshakeTimeout})
			}
			if len(s.left) != 0 {
				t.Errorf("%v are left", s.left)
			}
		})
	}
}
