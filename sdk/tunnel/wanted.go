package tunnel

// Wanted is what shall be of one tunnel, as whoever keeps it running is told: the record, and whether a link is due.
type Wanted struct {
	Tunnel Tunnel // where Gone, only its Ref is set
	Gone   bool   // the tunnel is no more
	Active bool   // a link shall stand

	// Why not, where not Active: Disabled, Inactive or Blocked, with its reason and what to do.
	State   State
	Reason  Reason
	Message string
	Remedy  string

	// Generation rises when server, proxy, LAN address, login, secret or pin changed: the link must be made anew. Other
	// mappings alone do not raise it. It is never reused, also not by a tunnel that comes back under the name of one that
	// went.
	Generation uint64

	// Edition rises with the generation and with every change of the mappings, their lanes and the leave to be bound wider.
	// A Status names the one it is about, so that what was seen of a former one is not taken for the present.
	Edition uint64

	// Revision is that of the record by which a person wants the tunnel: its own, or the configuration that it was declared
	// for. It rises when that is changed or made again, and nothing a module does raises it. Zero where Gone.
	Revision uint64
}

// Run is what shall be of one configuration, as whoever runs its module is told.
type Run struct {
	Ref      ConfigurationRef
	Enabled  bool
	Gone     bool // the configuration is no more
	Purge    bool // what the module kept for it, or for a former one of its name, shall go; said once
	Revision uint64
}
