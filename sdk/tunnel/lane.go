package tunnel

// Lane is which of a tunnel's links carries a mapping.
type Lane string

// A tunnel has one link, and a second one as soon as a mapping asks for it: what is bulky then does not delay the rest.
// It also makes way for them on the PBX: while others carry something, all bulk together is held to about 190 MB/s.
const (
	LaneMain Lane = ""
	LaneBulk Lane = "bulk"
)

// String names the lane: main or bulk.
func (l Lane) String() string {
	if l == LaneMain {
		return "main"
	}
	return string(l)
}

// ParseLane reads main, bulk or "", which is main.
func ParseLane(s string) (Lane, Findings) {
	switch s {
	case "", "main":
		return LaneMain, nil
	case string(LaneBulk):
		return LaneBulk, nil
	}
	return LaneMain, one(Malformed, "lane", s, quoted(s)+" is not a lane", "give main or bulk")
}
