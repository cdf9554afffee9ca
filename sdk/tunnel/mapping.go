package tunnel

// Endpoint is one end of a mapping: a port, and a host where it is not the side's own machine.
type Endpoint struct {
	Host string // "" is the side's own machine
	Port int    // 0 is private: no TCP port, a unix socket between host and module
}

// Mapping is one port mapping of a tunnel.
//
// For a reach kind, Local is the PBX's listening port and Remote the target the SSH server connects to. For an expose
// kind, Remote is the SSH server's listening port and Local the service the PBX connects to (R7: it may be a phone in
// the PBX's own LAN). A private mapping has no Local port: only its module uses it.
type Mapping struct {
	Name   string
	Kind   Kind
	Slot   string // the module's slot it fills, "" for the operator's own
	Local  Endpoint
	Remote Endpoint
	Lane   Lane // the link that carries it
}

// Private reports whether the mapping has no local port: its owner alone uses it, through a unix socket.
func (m Mapping) Private() bool { return m.Local.Port == 0 }
