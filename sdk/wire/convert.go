package wire

import (
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	hostv1 "github.com/culvert-pbx/culvert/proto/host/v1"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Names ending in To make messages, those ending in Of take them. What comes from the host is taken as it is; what
// comes from a module has passed bounds.

func declarationsTo(set []tunnel.Declaration) []*hostv1.Declaration {
	return each(set, func(d tunnel.Declaration) *hostv1.Declaration {
		return &hostv1.Declaration{Ref: d.Ref.String(), Settings: d.Settings, Slots: d.Slots}
	})
}

func declarationsOf(in []*hostv1.Declaration) []tunnel.Declaration {
	return each(in, func(d *hostv1.Declaration) tunnel.Declaration {
		return tunnel.Declaration{Ref: claimOf(d.GetRef()), Settings: d.GetSettings(), Slots: d.GetSlots()}
	})
}

// claimOf takes the ref of a declaration as it is, well formed or not: whatever is not the module's own is then refused
// as not the owner's.
func claimOf(s string) tunnel.Ref {
	i := strings.LastIndexByte(s, '/')
	return tunnel.Ref{Owner: tunnel.Owner(s[:max(i, 0)]), Name: tunnel.Name(s[i+1:])}
}

func changeOf(m *hostv1.WatchResponse) tunnel.Change {
	return tunnel.Change{Type: tunnel.ChangeType(m.GetType()), Tunnel: viewOf(m.GetTunnel())}
}

func viewTo(v tunnel.View) *hostv1.View {
	return &hostv1.View{Tunnel: tunnelTo(v.Tunnel), Status: statusTo(v.Status)}
}

func viewOf(m *hostv1.View) tunnel.View {
	return tunnel.View{Tunnel: tunnelOf(m.GetTunnel()), Status: statusOf(m.GetStatus())}
}

func tunnelTo(t tunnel.Tunnel) *hostv1.Tunnel {
	return &hostv1.Tunnel{
		Ref: t.Ref.String(), Node: t.Node, Configuration: t.Configuration, Settings: t.Settings,
		Server: &hostv1.Server{Host: t.Server.Host, Port: int32(t.Server.Port), User: t.Server.User},
		Login:  string(t.Login), OwnKey: t.OwnKey, Fingerprint: t.Fingerprint,
		Pin:     &hostv1.Pin{State: string(t.Pin.State), KeyType: t.Pin.KeyType, Fingerprint: t.Pin.Fingerprint},
		Comment: t.Comment, Suspended: t.Suspended, AcceptWider: t.AcceptWider,
		Mappings: each(t.Mappings, mappingTo), Revision: t.Revision, Via: viaTo(t.Via), Lan: t.LAN,
	}
}

func tunnelOf(m *hostv1.Tunnel) tunnel.Tunnel {
	return tunnel.Tunnel{
		Ref: refOf(m.GetRef()), Node: m.GetNode(), Configuration: m.GetConfiguration(), Settings: m.GetSettings(),
		Server: tunnel.Server{Host: m.GetServer().GetHost(), Port: int(m.GetServer().GetPort()), User: m.GetServer().GetUser()},
		Login:  tunnel.Login(m.GetLogin()), OwnKey: m.GetOwnKey(), Fingerprint: m.GetFingerprint(),
		Pin: tunnel.Pin{
			State: tunnel.PinState(m.GetPin().GetState()), KeyType: m.GetPin().GetKeyType(), Fingerprint: m.GetPin().GetFingerprint(),
		},
		Comment: m.GetComment(), Suspended: m.GetSuspended(), AcceptWider: m.GetAcceptWider(),
		Mappings: each(m.GetMappings(), mappingOf), Revision: m.GetRevision(), Via: viaOf(m.GetVia()), LAN: m.GetLan(),
	}
}

// viaTo leaves out a proxy where there is none.
func viaTo(v tunnel.Via) *hostv1.Via {
	if v == (tunnel.Via{}) {
		return nil
	}
	return &hostv1.Via{Scheme: v.Scheme, Host: v.Host, Port: int32(v.Port), User: v.User}
}

func viaOf(m *hostv1.Via) tunnel.Via {
	return tunnel.Via{Scheme: m.GetScheme(), Host: m.GetHost(), Port: int(m.GetPort()), User: m.GetUser()}
}

func mappingTo(m tunnel.Mapping) *hostv1.Mapping {
	return &hostv1.Mapping{
		Name: m.Name, Kind: string(m.Kind), Slot: m.Slot, Lane: string(m.Lane),
		Local:  &hostv1.Endpoint{Host: m.Local.Host, Port: int32(m.Local.Port)},
		Remote: &hostv1.Endpoint{Host: m.Remote.Host, Port: int32(m.Remote.Port)},
	}
}

func mappingOf(m *hostv1.Mapping) tunnel.Mapping {
	return tunnel.Mapping{
		Name: m.GetName(), Kind: tunnel.Kind(m.GetKind()), Slot: m.GetSlot(), Lane: tunnel.Lane(m.GetLane()),
		Local:  tunnel.Endpoint{Host: m.GetLocal().GetHost(), Port: int(m.GetLocal().GetPort())},
		Remote: tunnel.Endpoint{Host: m.GetRemote().GetHost(), Port: int(m.GetRemote().GetPort())},
	}
}

// refOf reads a ref that the host wrote; one it cannot read names nothing.
func refOf(s string) tunnel.Ref {
	ref, fs := tunnel.ParseRef(s)
	if len(fs) > 0 {
		return tunnel.Ref{}
	}
	return ref
}

// timeTo leaves out a time that does not apply.
func timeTo(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func timeOf(m *timestamppb.Timestamp) time.Time {
	if m == nil {
		return time.Time{}
	}
	return m.AsTime()
}

// each is f of each element; of none it is nil.
func each[A, B any](in []A, f func(A) B) []B {
	if len(in) == 0 {
		return nil
	}
	out := make([]B, len(in))
	for i, a := range in {
		out[i] = f(a)
	}
	return out
}
