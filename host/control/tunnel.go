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
	Via           string     `json:"via"`         // the proxy it goes through, "" for none
	LAN           string     `json:"lan"`         // the server's address in its own network, "" where none was given
	Auth          string     `json:"auth"`        // password or key
	Fingerprint   string     `json:"fingerprint"` // pinned, else given beforehand, else ""
	Pin           string     `json:"pin"`         // none, learned or confirmed
	ServerVersion string     `json:"server_version"`
	Enabled       bool       `json:"enabled"` // false when suspended
	State         string     `json:"state"`
	Reason        *string    `json:"reason"`
	Message       string     `json:"message"`
	Remedy        string     `json:"remedy"`
	Diagnosis                // at the same level
	Link          Statement  `json:"link"` // the SSH connection alone
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
	Lane           string     `json:"lane"`           // the link that carries it: main or bulk
	AcceptedWider  bool       `json:"accepted_wider"` // its port may be bound wider than declared
	State          string     `json:"state"`
	Reason         *string    `json:"reason"`
	Message        string     `json:"message"`
	Remedy         string     `json:"remedy"`
	Diagnosis                 // at the same level
	Listener       Statement  `json:"listener"` // whether its port leads to us
	Target         Statement  `json:"target"`   // whether the service behind it answers, and what it said
	ProvedAt       *time.Time `json:"proved_at"`
	TargetProvedAt *time.Time `json:"target_proved_at"`
	Bound          string     `json:"bound"` // loopback, all or unknown
	Connections    int        `json:"connections"`
	Total          uint64     `json:"connections_total"` // since the daemon started
	Refused        uint64     `json:"refused"`           // connections: too many were open or waiting, or they waited in vain
	BytesIn        uint64     `json:"bytes_in"`          // from the site
	BytesOut       uint64     `json:"bytes_out"`
	Callers        []Caller   `json:"callers"` // the latest first
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
		Via:    v.Via.String(), LAN: v.LAN,
		Auth: string(v.Login), Fingerprint: v.Fingerprint, Pin: string(v.Pin.State),
		ServerVersion: v.Status.ServerVersion, Enabled: !v.Suspended,
		State: string(v.Status.State), Reason: reasonOf(v.Status.Reason), Message: v.Status.Message, Remedy: v.Status.Remedy,
		Diagnosis: diagnosisOf(v.Status.Diagnosis, v.Status.Remedy), Link: statementOf(v.Status.Link),
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
		shown := mappingOf(m, v.Status.Mapping(m.Name))
		shown.AcceptedWider = slices.Contains(v.AcceptWider, m.Name)
		t.Mappings = append(t.Mappings, shown)
	}
	return t
}

// mappingOf shows m with its status s. A status nobody reported yet is down and unmeasured.
func mappingOf(m tunnel.Mapping, s tunnel.MappingStatus) Mapping {
	out := Mapping{
		Name: m.Name, Kind: string(m.Kind), Slot: m.Slot, Gateway: m.Kind.Gateway(),
		Local: localOf(m), Remote: remoteOf(m), Lane: m.Lane.String(),
		State: string(s.State), Reason: reasonOf(s.Reason), Message: s.Message, Remedy: s.Remedy,
		Diagnosis: diagnosisOf(s.Diagnosis, s.Remedy), Listener: statementOf(s.Listener), Target: statementOf(s.Target),
		ProvedAt: timeOf(s.ProvedAt), TargetProvedAt: timeOf(s.TargetProvedAt), Bound: string(s.Bound),
		Connections: s.Connections, Total: s.Total, Refused: s.Refused, BytesIn: s.BytesIn, BytesOut: s.BytesOut,
		Callers: callersOf(s.Callers),
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
