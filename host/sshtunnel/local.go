package sshtunnel

import (
	"net"
	"net/netip"
)

// Local is the address of this machine that the link comes from, the zero Addr where it is not known.
func (l *Link) Local() netip.Addr {
	a, ok := l.sock.LocalAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return a.AddrPort().Addr().Unmap().WithZone("")
}
