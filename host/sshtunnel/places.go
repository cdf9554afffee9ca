package sshtunnel

import (
	"fmt"
	"sync/atomic"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// How many connections may be open at a time; more are refused, on the PBX with a reset, at the server as a shortage of
// resources. extraForProofs is kept free everywhere for the host's own proofs, which come from outside like everybody
// else.
const (
	maxConnections = 512  // of one mapping
	maxOfLink      = 2048 // of all mappings of one link
	maxOfHost      = 8192 // of all links of the PBX
	extraForProofs = 32
)

// Limits bounds the connections of all links that are given it, together.
type Limits struct{ connections places }

// NewLimits makes the limits of a whole PBX: 8,192 connections.
func NewLimits() *Limits { return &Limits{places{of: "of all tunnels", most: maxOfHost}} }

// places are what connections occupy.
type places struct {
	of    string // whose they are, as it is shown
	most  int64
	taken atomic.Int64
}

// take takes a place, one of extra more than there are for everybody.
func (p *places) take(extra int64) bool {
	if p.taken.Add(1) > p.most+extra {
		p.taken.Add(-1)
		return false
	}
	return true
}

func (p *places) give() { p.taken.Add(-1) }

// admit takes a place for a connection in the mapping, in its link and among all of the PBX, and returns how to give them
// back. Where one of them is full it returns that, and the connection is to be refused. extra is for what may be a proof.
func (m *mapping) admit(extra int64) (release func(), full *places) {
	all := []*places{&m.traffic.places, &m.link.places}
	if limits := m.link.config.Limits; limits != nil {
		all = append(all, &limits.connections)
	}
	for i, p := range all {
		if p.take(extra) {
			continue
		}
		for _, q := range all[:i] {
			q.give()
		}
		m.turnedAway(p)
		return nil, p
	}
	return func() {
		for _, p := range all {
			p.give()
		}
	}, nil
}

// turnedAway counts a connection that met a limit. The log tells of the first, and of every one that doubles their number:
// whoever is turned away often cannot fill it.
func (m *mapping) turnedAway(met *places) {
	if n := m.traffic.refused.Add(1); n&(n-1) == 0 {
		m.link.log.Warn("too many connections are open: more are refused", "mapping", m.Name, "limit", met.most, "counts", met.of, "refused", n)
	}
}

// tooMany is the failure of a connection that met a limit on the PBX.
func tooMany(met *places) *Failure {
	return &Failure{
		Reason:  tunnel.ServerBusy,
		Message: fmt.Sprintf("%d connections %s are open, and more are not taken", met.most, met.of),
		Remedy:  "see who holds them: culvert tunnel show; end those that are not needed, or have their program use fewer",
	}
}
