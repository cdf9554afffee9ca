package control

import (
	"slices"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Tunnel is one tunnel as it is shown: what shall be and what is.
type Tunnel struct {
	Owner         string     `json:"owner"`
	Name          string     `json:"name"`
	Configuration *string    `json:"configuration"` // null for operator-made ones
	ManagedBy     string     `json:"managed_by"`    // module or operator
	Comment       string     `json:"comment"`
	Server        SSHServer  `json:"server"`
	Auth          string     `json:"auth"`        // password or key
	Fingerprint   string     `json:"fingerprint"` // pinned, else given beforehand, else ""
	Pin           string     `json:"pin"`         // none, learned or confirmed
	ServerVersion string     `json:"server_version"`
	Enabled       bool       `json:"enabled"` // false when suspended
	State         string     `json:"state"`
	Reason        *string    `json:"reason"`
	Message       string     `json:"message"`
	Remedy        string     `json:"remedy"`
	Since         *time.Time `json:"since"`
	NextAttempt   *time.Time `json:"next_attempt"`
	Revision      uint64     `json:"revision"`
	Warnings      []string   `json:"warnings"`
	Mappings      []Mapping  `json:"mappings"`

	// OfferedKey is what accept-key would accept now: the host key last shown in place of the expected one, or the learned
	// one. Absent where there is none, and in lists.
	OfferedKey *HostKey `json:"offered_key,omitempty"`
}

// Ref is OWNER/NAME.
func (t Tunnel) Ref() string { return t.Owner + "/" + t.Name }

// SSHServer is where a tunnel connects to.
type SSHServer struct {
	Host string `json:"host"`
	Port int    `json:"port"`
	User string `json:"user"`
}

// Mapping is one mapping of a Tunnel.
type Mapping struct {
	Name           string     `json:"name"`
	Kind           string     `json:"kind"`
	Slot           string     `json:"slot"`
	Gateway        bool       `json:"gateway"` // third parties get access
	Local          *Endpoint  `json:"local"`   // null where private
	Remote         Endpoint   `json:"remote"`
	State          string     `json:"state"`
	Reason         *string    `json:"reason"`
	Message        string     `json:"message"`
	Remedy         string     `json:"remedy"`
	ProvedAt       *time.Time `json:"proved_at"`
	TargetProvedAt *time.Time `json:"target_proved_at"`
	Bound          string     `json:"bound"` // loopback, all or unknown
	Connections    int        `json:"connections"`
	BytesIn        uint64     `json:"bytes_in"`
	BytesOut       uint64     `json:"bytes_out"`
}

// Endpoint is one end of a Mapping.
type Endpoint struct {
	Host string `json:"host"`
	Port int    `json:"port"`
}

// Hosts of endpoints that stand for the side's own machine.
const (
	anyHost      = "*"
	loopback     = "127.0.0.1"
	farLocalhost = "localhost"
)

// tunnelOf shows v. more are warnings that came with the change that led to it.
func tunnelOf(v tunnel.View, more ...string) Tunnel {
	t := Tunnel{
		Owner: string(v.Ref.Owner), Name: string(v.Ref.Name),
		ManagedBy: string(v.ManagedBy()), Comment: v.Comment,
		Server: SSHServer{Host: v.Server.Host, Port: v.Server.Port, User: v.Server.User},
		Auth:   string(v.Login), Fingerprint: v.Fingerprint, Pin: string(v.Pin.State),
		ServerVersion: v.Status.ServerVersion, Enabled: !v.Suspended,
		State: string(v.Status.State), Reason: reasonOf(v.Status.Reason), Message: v.Status.Message, Remedy: v.Status.Remedy,
		Since: timeOf(v.Status.Since), NextAttempt: timeOf(v.Status.NextAttempt), Revision: v.Revision,
		Warnings: unique(tunnel.Warnings(v.Tunnel), v.Status.Warnings, more),
		Mappings: make([]Mapping, 0, len(v.Mappings)),
	}
	if v.Configuration != "" {
		t.Configuration = &v.Configuration
	}
	if v.Pin.Fingerprint != "" {
		t.Fingerprint = v.Pin.Fingerprint
	}
	if t.Pin == "" {
		t.Pin = string(tunnel.PinNone)
	}
	for _, m := range v.Mappings {
		t.Mappings = append(t.Mappings, mappingOf(m, v.Status.Mapping(m.Name)))
	}
	return t
}

// mappingOf shows m with its status s. A status nobody reported yet is down and unmeasured.
func mappingOf(m tunnel.Mapping, s tunnel.MappingStatus) Mapping {
	out := Mapping{
		Name: m.Name, Kind: string(m.Kind), Slot: m.Slot, Gateway: m.Kind.Gateway(),
		Local: localOf(m), Remote: remoteOf(m),
		State: string(s.State), Reason: reasonOf(s.Reason), Message: s.Message, Remedy: s.Remedy,
		ProvedAt: timeOf(s.ProvedAt), TargetProvedAt: timeOf(s.TargetProvedAt), Bound: string(s.Bound),
		Connections: s.Connections, BytesIn: s.BytesIn, BytesOut: s.BytesOut,
	}
	if out.State == "" {
		out.State = string(tunnel.Down)
	}
	if out.Bound == "" {
		out.Bound = string(tunnel.BoundUnknown)
	}
	return out
}

func localOf(m tunnel.Mapping) *Endpoint {
	if m.Private() {
		return nil
	}
	host := m.Local.Host
	switch {
	case m.Kind == tunnel.ReachGateway:
		host = anyHost
	case host == "":
		host = loopback
	}
	return &Endpoint{Host: host, Port: m.Local.Port}
}

func remoteOf(m tunnel.Mapping) Endpoint {
	host := m.Remote.Host
	switch {
	case m.Kind == tunnel.ExposeGateway:
		host = anyHost
	case host == "" || m.Kind == tunnel.Expose:
		host = farLocalhost
	}
	return Endpoint{Host: host, Port: m.Remote.Port}
}

// reasonOf is null where there is no reason.
func reasonOf(r tunnel.Reason) *string {
	if r == "" {
		return nil
	}
	s := string(r)
	return &s
}

// timeOf is null for the zero time, else UTC.
func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// unique joins lists in order, each text once; it is never nil.
func unique(lists ...[]string) []string {
	out := []string{}
	for _, l := range lists {
		for _, s := range l {
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}
