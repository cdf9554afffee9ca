package control

import (
	"context"
	"net/http"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Explanation says in full sentences what a tunnel is set up to do, whatever its state.
type Explanation struct {
	Owner    string             `json:"owner"`
	Name     string             `json:"name"`
	Sentence string             `json:"sentence"` // how the PBX gets to the SSH server
	Mappings []ExplainedMapping `json:"mappings"`
}

// Ref is OWNER/NAME.
func (e Explanation) Ref() string { return e.Owner + "/" + e.Name }

// ExplainedMapping says it of one mapping.
type ExplainedMapping struct {
	Name      string `json:"name"`
	Kind      string `json:"kind"`
	Gateway   bool   `json:"gateway"` // third parties get access
	Private   bool   `json:"private"`
	Slot      string `json:"slot"`
	SlotTitle string `json:"slot_title"`
	Lane      string `json:"lane"`
	Sentence  string `json:"sentence"`
}

// ExplainTunnel explains one tunnel and each of its mappings.
func (c *Client) ExplainTunnel(ctx context.Context, ref tunnel.Ref) (Explanation, error) {
	return get[Explanation](ctx, c, tunnelPath(ref)+"/explain")
}

func (s *Server) explainTunnel(w http.ResponseWriter, r *http.Request) error {
	ref, err := refOf(r)
	if err != nil {
		return err
	}
	v, err := s.Operator.Get(r.Context(), ref)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, explanationOf(v.Tunnel, s.slots(r.Context(), ref.Owner)))
}

// slots are those of a module as the operator accepted it. Of one that is gone none is known, nor of the operator.
func (s *Server) slots(ctx context.Context, owner tunnel.Owner) []tunnel.Slot {
	if owner == tunnel.Operator {
		return nil
	}
	d, err := s.Operator.Description(ctx, owner)
	if err != nil {
		return nil
	}
	return d.Slots
}

func explanationOf(t tunnel.Tunnel, slots []tunnel.Slot) Explanation {
	e := Explanation{Owner: string(t.Ref.Owner), Name: string(t.Ref.Name), Sentence: tunnel.ExplainLink(t), Mappings: []ExplainedMapping{}}
	titles := map[string]string{}
	for _, slot := range slots {
		titles[slot.Name] = slot.Title
	}
	for _, m := range t.Mappings {
		e.Mappings = append(e.Mappings, ExplainedMapping{
			Name: m.Name, Kind: string(m.Kind), Gateway: m.Kind.Gateway(), Private: m.Private(), Slot: m.Slot, SlotTitle: titles[m.Slot],
			Lane: m.Lane.String(), Sentence: tunnel.Explain(t, m, slots),
		})
	}
	return e
}
