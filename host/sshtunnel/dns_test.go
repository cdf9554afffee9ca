package sshtunnel_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"testing"
)

// nameServer is a resolver that knows every name by the same addresses; without addresses no name exists.
func nameServer(t *testing.T, addrs []net.IP) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply := dnsReply(buf[:n], addrs); reply != nil {
				_, _ = pc.WriteTo(reply, from)
			}
		}
	}()
	t.Cleanup(func() { pc.Close(); <-done })
	return resolverAt(pc.LocalAddr().String())
}

// dnsReply answers a query of one question (RFC 1035, 4.1): its header and question again, then one record per address
// of the type asked for.
func dnsReply(query []byte, addrs []net.IP) []byte {
	const header, a, aaaa = 12, 1, 28
	if len(query) < header {
		return nil
	}
	end := header + bytes.IndexByte(query[header:], 0) + 5 // the name's end, type and class
	if end > len(query) {
		return nil
	}
	asked := binary.BigEndian.Uint16(query[end-4:])
	var answers []byte
	count := 0
	for _, addr := range addrs {
		kind, data := uint16(aaaa), []byte(addr)
		if v4 := addr.To4(); v4 != nil {
			kind, data = a, v4
		}
		if kind != asked {
			continue
		}
		count++
		answers = append(answers, 0xc0, header) // the name is the question's
		answers = binary.BigEndian.AppendUint16(answers, kind)
		answers = append(answers, 0, 1, 0, 0, 0, 1) // Internet, for a second
		answers = binary.BigEndian.AppendUint16(answers, uint16(len(data)))
		answers = append(answers, data...)
	}
	reply := bytes.Clone(query[:end])
	copy(reply[2:], []byte{0x81, 0x80, 0, 1, 0, byte(count), 0, 0, 0, 0})
	if addrs == nil {
		reply[3] |= 3 // no such name
	}
	return append(reply, answers...)
}
