package tunnel

// Kind is what a mapping does: which side connects, and who besides it may (R31-R34).
type Kind string

const (
	// Reach lets only the PBX, through its local port, reach the remote port (type 2, R32).
	Reach Kind = "reach"
	// ReachGateway lets the PBX and hosts connected to it use the local port (type 3, R33).
	ReachGateway Kind = "reach-gateway"
	// Expose lets only the SSH server, through its remote port, reach the PBX's local port (type 1, R31).
	Expose Kind = "expose"
	// ExposeGateway lets the SSH server and hosts connected to it use the remote port (type 4, R34).
	ExposeGateway Kind = "expose-gateway"
)

// Kinds are all kinds, in the order they are shown.
var Kinds = []Kind{Reach, ReachGateway, Expose, ExposeGateway}

// Valid reports whether k is one of the four kinds.
func (k Kind) Valid() bool { return k.Reaches() || k.Exposes() }

// Reaches reports whether connections go from the PBX to the site.
func (k Kind) Reaches() bool { return k == Reach || k == ReachGateway }

// Exposes reports whether connections come from the site to the PBX.
func (k Kind) Exposes() bool { return k == Expose || k == ExposeGateway }

// Gateway reports whether third parties get access (R35: shown highlighted).
func (k Kind) Gateway() bool { return k == ReachGateway || k == ExposeGateway }
