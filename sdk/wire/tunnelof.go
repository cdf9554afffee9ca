package wire

import (
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// The numbers are those of proto/host/v1/tunnel.proto; those that are not known yet are passed over.

func viewOf(p part) (v tunnel.View) {
	for f := range p.fields {
		switch f.number {
		case 1:
			v.Tunnel = tunnelOf(f.part)
		case 2:
			v.Status = statusOf(f.part)
		}
	}
	return v
}

func tunnelOf(p part) (t tunnel.Tunnel) {
	t.Mappings = room[tunnel.Mapping](p, 13)
	for f := range p.fields {
		switch f.number {
		case 1:
			t.Ref = refOf(f.text())
		case 2:
			t.Node = f.text()
		case 3:
			t.Configuration = f.text()
		case 4:
			t.Settings = f.text()
		case 5:
			t.Server = serverOf(f.part)
		case 6:
			t.Login = tunnel.Login(f.text())
		case 7:
			t.OwnKey = f.varint != 0
		case 8:
			t.Fingerprint = f.text()
		case 9:
			t.Pin = pinOf(f.part)
		case 10:
			t.Comment = f.text()
		case 11:
			t.Suspended = f.varint != 0
		case 12:
			t.AcceptWider = append(t.AcceptWider, f.text())
		case 13:
			t.Mappings = append(t.Mappings, mappingOf(f.part))
		case 14:
			t.Revision = f.varint
		case 15:
			t.Via = viaOf(f.part)
		case 16:
			t.LAN = f.text()
		}
	}
	return t
}

func serverOf(p part) (s tunnel.Server) {
	for f := range p.fields {
		switch f.number {
		case 1:
			s.Host = f.text()
		case 2:
			s.Port = f.int()
		case 3:
			s.User = f.text()
		}
	}
	return s
}

func viaOf(p part) (v tunnel.Via) {
	for f := range p.fields {
		switch f.number {
		case 1:
			v.Scheme = f.text()
		case 2:
			v.Host = f.text()
		case 3:
			v.Port = f.int()
		case 4:
			v.User = f.text()
		}
	}
	return v
}

func pinOf(p part) (pin tunnel.Pin) {
	for f := range p.fields {
		switch f.number {
		case 1:
			pin.State = tunnel.PinState(f.text())
		case 2:
			pin.KeyType = f.text()
		case 3:
			pin.Fingerprint = f.text()
		}
	}
	return pin
}

func mappingOf(p part) (m tunnel.Mapping) {
	for f := range p.fields {
		switch f.number {
		case 1:
			m.Name = f.text()
		case 2:
			m.Kind = tunnel.Kind(f.text())
		case 3:
			m.Slot = f.text()
		case 4:
			m.Local = endpointOf(f.part)
		case 5:
			m.Remote = endpointOf(f.part)
		case 6:
			m.Lane = tunnel.Lane(f.text())
		}
	}
	return m
}

func endpointOf(p part) (e tunnel.Endpoint) {
	for f := range p.fields {
		switch f.number {
		case 1:
			e.Host = f.text()
		case 2:
			e.Port = f.int()
		}
	}
	return e
}
