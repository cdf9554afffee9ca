package netwatch

import (
	"net"
	"net/netip"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

// clocks are two that differ by how long the machine has slept.
func clocks() (awake, all time.Duration) {
	read := func(id int32) time.Duration {
		var t unix.Timespec
		if unix.ClockGettime(id, &t) != nil {
			return 0
		}
		return time.Duration(t.Nano())
	}
	return read(unix.CLOCK_MONOTONIC), read(unix.CLOCK_BOOTTIME)
}

// addresses looks up which addresses this machine has now. Those of an interface that is down do not count: what comes
// from them goes nowhere.
func addresses(log hclog.Logger) func(netip.Addr) bool {
	has, err := present()
	if err != nil {
		log.Debug("the addresses of this machine cannot be read", "error", err)
		return func(netip.Addr) bool { return true }
	}
	return func(a netip.Addr) bool { return a.IsLoopback() || has[a.Unmap().WithZone("")] }
}

func present() (map[netip.Addr]bool, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	has := map[netip.Addr]bool{}
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		on, err := i.Addrs()
		if err != nil {
			return nil, err
		}
		for _, a := range on {
			if p, ok := a.(*net.IPNet); ok {
				if ip, ok := netip.AddrFromSlice(p.IP); ok {
					has[ip.Unmap()] = true
				}
			}
		}
	}
	return has, nil
}
