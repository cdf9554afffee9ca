package control

import (
	"context"
	"net/http"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Change is one step of a watch: present, synced, changed, removed or resync. In removed only the tunnel's owner and
// name are set; in synced and resync the tunnel is null.
type Change struct {
	Type   string  `json:"type"`
	Tunnel *Tunnel `json:"tunnel"`
}

// getWatch streams "change": the present state of every tunnel, synced, then every change.
func (s *Server) getWatch(w http.ResponseWriter, r *http.Request) error {
	return s.live(w, r, func(ctx context.Context, st *stream) error {
		for c, err := range s.Operator.Watch(ctx) {
			if err != nil {
				return err
			}
			if err := st.send("change", changeOf(c)); err != nil {
				return err
			}
		}
		return nil
	})
}

func changeOf(c tunnel.Change) Change {
	switch c.Type {
	case tunnel.Present, tunnel.Changed:
		t := tunnelOf(c.Tunnel)
		return Change{Type: string(c.Type), Tunnel: &t}
	case tunnel.Removed:
		ref := c.Tunnel.Ref
		return Change{Type: string(c.Type), Tunnel: &Tunnel{Owner: string(ref.Owner), Name: string(ref.Name),
			Diagnosis: DiagnosisOf(nil), Warnings: []string{}, Mappings: []Mapping{}}}
	default:
		return Change{Type: string(c.Type)}
	}
}
