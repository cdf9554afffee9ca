package tunnel

import "net/netip"

// ParseLAN reads the address that an SSH server has in its own network, behind NAT, where the PBX knows it under another;
// "" is none given. It is asked for to measure who else can connect to an exposed port.
func ParseLAN(s string) (string, Findings) {
	if s == "" {
		return "", nil
	}
	const wayOut = "give one address of the SSH server in its own network, like 192.168.1.10"
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil || a.Zone() != "":
		return "", one(Malformed, "", s, quoted(s)+" is not an IP address", wayOut)
	case notOneHost(a.Unmap()):
		return "", one(Malformed, "", s, quoted(s)+" is no address that other hosts connect to", wayOut)
	}
	return a.Unmap().String(), nil
}

func notOneHost(a netip.Addr) bool {
	return a.IsLoopback() || a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
