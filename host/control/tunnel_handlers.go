package control

import (
	"context"
	"iter"
	"net/http"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// refOf is the tunnel a request names in its path.
func refOf(r *http.Request) (tunnel.Ref, error) {
	ref, fs := tunnel.ParseRef(r.PathValue("owner") + "/" + r.PathValue("name"))
	return ref, fs.At("tunnel").Err()
}

func (s *Server) listTunnels(w http.ResponseWriter, r *http.Request) error {
	all, err := s.tunnels(r.Context(), tunnel.Owner(r.URL.Query().Get("owner")))
	if err != nil {
		return err
	}
	return answerList(w, all)
}

// tunnels yields all tunnels of owner, of every owner where it is "".
func (s *Server) tunnels(ctx context.Context, owner tunnel.Owner) (iter.Seq[Tunnel], error) {
	all, err := s.Operator.ListShown(ctx)
	return func(yield func(Tunnel) bool) {
		for _, shown := range all {
			v := shown.View()
			if (owner == "" || v.Ref.Owner == owner) && !yield(tunnelOf(v)) {
				return
			}
		}
	}, err
}

func (s *Server) showTunnel(w http.ResponseWriter, r *http.Request) error {
	ref, err := refOf(r)
	if err != nil {
		return err
	}
	return s.answerTunnel(w, r, http.StatusOK, ref, nil)
}

// answerTunnel shows ref as it is now, after a change that gave warnings.
func (s *Server) answerTunnel(w http.ResponseWriter, r *http.Request, status int, ref tunnel.Ref, warnings []string) error {
	v, err := s.Operator.Get(r.Context(), ref)
	if err != nil {
		return err
	}
	offered, err := s.Operator.OfferedKey(r.Context(), ref)
	if err != nil {
		return err
	}
	t := tunnelOf(v, warnings...)
	if offered.Fingerprint != "" {
		t.OfferedKey = &HostKey{KeyType: offered.KeyType, Fingerprint: offered.Fingerprint}
	}
	return answer(w, status, t)
}

func (s *Server) addTunnel(w http.ResponseWriter, r *http.Request) error {
	var in NewTunnel
	if err := decode(w, r, &in); err != nil {
		return err
	}
	t, cred, inserted, fs := in.tunnel()
	if fs = append(fs, s.checkKey(cred)...); len(fs) > 0 {
		return fs
	}
	warnings, err := s.Operator.AddTunnel(r.Context(), by(r), t, cred)
	if err != nil {
		return adding(err)
	}
	return s.answerTunnel(w, r, http.StatusCreated, t.Ref, append(inserted, warnings...))
}

func (s *Server) editTunnel(w http.ResponseWriter, r *http.Request) error {
	ref, err := refOf(r)
	if err != nil {
		return err
	}
	var in TunnelEdit
	if err := decode(w, r, &in); err != nil {
		return err
	}
	kept, err := s.keptFor(r.Context(), ref, &in)
	if err != nil {
		return err
	}
	e, inserted, fs := in.edit(kept)
	if e.Credential != nil {
		fs = append(fs, s.checkKey(*e.Credential)...)
	}
	if len(fs) > 0 {
		return fs
	}
	warnings, err := s.Operator.EditTunnel(r.Context(), by(r), ref, e)
	if err != nil {
		return err
	}
	return s.answerTunnel(w, r, http.StatusOK, ref, append(inserted, warnings...))
}

func (s *Server) removeTunnel(w http.ResponseWriter, r *http.Request) error {
	ref, err := refOf(r)
	if err != nil {
		return err
	}
	if err := s.Operator.RemoveTunnel(r.Context(), by(r), ref); err != nil {
		return err
	}
	return done(w)
}

func (s *Server) enableTunnel(w http.ResponseWriter, r *http.Request) error {
	return s.suspend(w, r, false)
}

func (s *Server) disableTunnel(w http.ResponseWriter, r *http.Request) error {
	return s.suspend(w, r, true)
}

func (s *Server) suspend(w http.ResponseWriter, r *http.Request, suspended bool) error {
	ref, err := refOf(r)
	if err != nil {
		return err
	}
	if err := s.Operator.SuspendTunnel(r.Context(), by(r), ref, suspended); err != nil {
		return err
	}
	return s.answerTunnel(w, r, http.StatusOK, ref, nil)
}

func (s *Server) restartTunnel(w http.ResponseWriter, r *http.Request) error {
	ref, err := refOf(r)
	if err != nil {
		return err
	}
	if _, err := s.Operator.Get(r.Context(), ref); err != nil {
		return err
	}
	if err := s.Links.Restart(r.Context(), by(r), ref); err != nil {
		return err
	}
	return s.answerTunnel(w, r, http.StatusOK, ref, nil)
}

func (s *Server) acceptKey(w http.ResponseWriter, r *http.Request) error {
	ref, err := refOf(r)
	if err != nil {
		return err
	}
	var in KeyAcceptance
	if err := decode(w, r, &in); err != nil {
		return err
	}
	before, after, err := s.Operator.AcceptKey(r.Context(), by(r), ref, in.Fingerprint)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, AcceptedKey{Before: pinOf(before), After: pinOf(after)})
}

func (s *Server) setSecret(w http.ResponseWriter, r *http.Request) error {
	ref, err := refOf(r)
	if err != nil {
		return err
	}
	var in LoginInput
	if err := decode(w, r, &in); err != nil {
		return err
	}
	cred, fs := in.credential()
	if fs = append(fs, s.checkKey(cred)...); len(fs) > 0 {
		return fs
	}
	if err := s.Operator.SetSecret(r.Context(), by(r), ref, cred); err != nil {
		return err
	}
	return done(w)
}

// done is the answer of what has nothing to show.
func done(w http.ResponseWriter) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}
