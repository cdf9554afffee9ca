package registry_test

import (
	"context"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// stream takes the elements of a sequence one at a time.
type stream[T any] struct {
	t    testing.TB
	next func() (T, error, bool)
}

// follow reads seq; the deadline of its context ends a wait for what does not come.
func follow[T any](t testing.TB, open func(context.Context) iter.Seq2[T, error]) *stream[T] {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	next, stop := iter.Pull2(open(ctx))
	t.Cleanup(func() { stop(); cancel() })
	return &stream[T]{t, next}
}

func (s *stream[T]) take() T {
	s.t.Helper()
	v, err, ok := s.next()
	if err != nil || !ok {
		s.t.Fatalf("the stream ended: %v", err)
	}
	return v
}

func (s *stream[T]) want(text string, check func(T) bool) T {
	s.t.Helper()
	v := s.take()
	if !check(v) {
		s.t.Fatalf("got %+v, want %s", v, text)
	}
	return v
}

func TestWantedTellsWhatShallRun(t *testing.T) {
	h := newHost(t)
	h.module("adsync", "gw.example")
	h.must(h.As("adsync").Declare(h.ctx(), "berlin", []tunnel.Declaration{declared("adsync/berlin.site", "site")}))
	h.add("operator/office", "a.example", byPassword())
	s := follow(t, h.Wanted)
	s.want("the declared one, active", func(w tunnel.Wanted) bool {
		return w.Active && w.Tunnel.Ref == ref("adsync/berlin.site") && len(w.Tunnel.Mappings) == 1
	})
	s.want("the operator's, active", func(w tunnel.Wanted) bool { return w.Active && w.Tunnel.Ref == ref("operator/office") })

	h.must(h.EnableConfiguration(h.ctx(), by, conf("adsync/berlin"), false))
	s.want("inactive with the command", func(w tunnel.Wanted) bool {
		return !w.Active && w.State == tunnel.Inactive && w.Reason == tunnel.NoConfiguration && w.Remedy == "culvert config enable adsync/berlin"
	})
	to := server("b.example")
	h.must(h.edit("operator/office", tunnel.Edit{Server: &to}))
	s.want("blocked without a password", func(w tunnel.Wanted) bool {
		return !w.Active && w.State == tunnel.Blocked && w.Reason == tunnel.SecretMissing
	})
	h.must(h.RemoveTunnel(h.ctx(), by, ref("operator/office")))
	s.want("gone", func(w tunnel.Wanted) bool { return w.Gone && w.Tunnel.Ref == ref("operator/office") })
}

// TestWantedCoalesces: a reader that was busy gets the last word on each tunnel, once, and nothing of what came and went.
func TestWantedCoalesces(t *testing.T) {
	h := newHost(t)
	h.add("operator/office", "a.example", byKey())
	s := follow(t, h.Wanted)
	s.take()
	for _, comment := range []string{"1", "2", "3"} {
		h.must(h.edit("operator/office", tunnel.Edit{Comment: &comment}))
	}
	h.add("operator/brief", "a.example", byKey())
	h.must(h.RemoveTunnel(h.ctx(), by, ref("operator/brief")))
	h.add("operator/mark", "a.example", byKey())
	s.want("the last word", func(w tunnel.Wanted) bool { return w.Tunnel.Ref == ref("operator/office") && w.Tunnel.Comment == "3" })
	s.want("the next tunnel", func(w tunnel.Wanted) bool { return w.Tunnel.Ref == ref("operator/mark") })
}

// TestGenerationRisesWhenTheLinkMustBeMadeAnew and only then.
func TestGenerationRisesWhenTheLinkMustBeMadeAnew(t *testing.T) {
	h := newHost(t)
	h.add("operator/office", "a.example", byPassword(), mapping(tunnel.Reach, "a=1389:389"))
	office := ref("operator/office")
	s := follow(t, h.Wanted)
	last := s.take().Generation
	to, fp, comment := server("b.example"), key("two").Fingerprint, "c"
	for _, step := range []struct {
		what  string
		do    func() error
		rises bool
	}{
		{"comment", func() error { return h.edit("operator/office", tunnel.Edit{Comment: &comment}) }, false},
		{"mapping", func() error {
			return h.edit("operator/office", tunnel.Edit{Set: []tunnel.Mapping{mapping(tunnel.Reach, "b=1390:390")}})
		}, false},
		{"key learned by the link itself", func() error { return h.Learned(t.Context(), office, server("a.example"), key("one")) }, false},
		{"key confirmed", func() error { _, _, err := h.acceptKey(office); return err }, false},
		{"another key accepted", func() error {
			h.Shown(office, key("two"))
			_, _, err := h.acceptKey(office)
			return err
		}, true},
		{"the pinned key's fingerprint given", func() error { return h.edit("operator/office", tunnel.Edit{Fingerprint: &fp}) }, false},
		{"password", func() error { return h.SetSecret(t.Context(), by, office, byPassword()) }, true},
		{"login", func() error {
			return h.edit("operator/office", tunnel.Edit{Credential: &tunnel.Credential{Login: tunnel.LoginKey}})
		}, true},
		{"server", func() error { return h.edit("operator/office", tunnel.Edit{Server: &to}) }, true},
		{"a key accepted where a fingerprint was expected", func() error {
			h.must(h.edit("operator/office", tunnel.Edit{Fingerprint: &fp}))
			last = s.take().Generation
			h.Shown(office, key("three"))
			_, _, err := h.acceptKey(office)
			return err
		}, true},
		{"suspended", func() error { return h.SuspendTunnel(t.Context(), by, office, true) }, false},
		{"due again", func() error { return h.SuspendTunnel(t.Context(), by, office, false) }, true},
	} {
		h.must(step.do())
		w := s.take()
		if rose := w.Generation > last; rose != step.rises || w.Generation < last {
			t.Errorf("%s: generation %d after %d", step.what, w.Generation, last)
		}
		last = w.Generation
	}
	h.must(h.RemoveTunnel(t.Context(), by, office))
	h.add("operator/office", "a.example", byKey())
	if w := s.take(); w.Generation <= last {
		t.Errorf("a new tunnel of the name has generation %d after %d", w.Generation, last)
	}
}

// TestRevisionRisesWithWhatAPersonChanges and with nothing that a module does.
func TestRevisionRisesWithWhatAPersonChanges(t *testing.T) {
	h := newHost(t)
	h.module("adsync", "gw.example")
	berlin, of := ref("adsync/berlin.site"), conf("adsync/berlin")
	declare := func(set ...tunnel.Declaration) { h.must(h.As("adsync").Declare(h.ctx(), of.Name, set)) }
	revision := func() uint64 {
		w, _, err := h.Login(h.ctx(), berlin)
		h.must(err)
		return w.Revision
	}
	declare(declared("adsync/berlin.site", "site"))
	last := revision()
	for _, step := range []struct {
		what  string
		do    func()
		rises bool
	}{
		{"withdrawn and declared again", func() { declare() }, false},
		{"key learned", func() { h.must(h.Learned(h.ctx(), berlin, server("gw.example"), key("one"))) }, false},
		{"settings changed", func() {
			_, err := h.SetConfiguration(h.ctx(), by, of, site("other.example"), 0)
			h.must(err)
		}, true},
		{"made again as it was", func() {
			h.must(h.RemoveConfiguration(h.ctx(), by, of, false))
			_, err := h.AddConfiguration(h.ctx(), by, of, site("other.example"), true)
			h.must(err)
		}, true},
	} {
		step.do()
		declare(declared("adsync/berlin.site", "site"))
		now := revision()
		if rose := now > last; rose != step.rises || now < last {
			t.Errorf("%s: revision %d after %d", step.what, now, last)
		}
		last = now
	}
	h.add("operator/office", "a.example", byKey())
	if w, _, err := h.Login(h.ctx(), ref("operator/office")); err != nil || w.Revision != w.Tunnel.Revision || w.Revision <= last {
		t.Errorf("the operator's own has revision %d, its record %d (%v)", w.Revision, w.Tunnel.Revision, err)
	}
}

// TestPinCountsBeforeTheGivenFingerprint: what the engine is told to expect is one thing.
func TestPinCountsBeforeTheGivenFingerprint(t *testing.T) {
	h := newHost(t)
	in := made("operator/office", "a.example")
	in.Fingerprint = "MD5:19:5b:3f:4f:1c:eb:eb:59:ee:a4:28:9a:25:59:fe:db"
	_, err := h.AddTunnel(t.Context(), by, in, byKey())
	h.must(err)
	s := follow(t, h.Wanted)
	s.want("the fingerprint", func(w tunnel.Wanted) bool { return w.Tunnel.Fingerprint == in.Fingerprint })
	h.must(h.Learned(t.Context(), in.Ref, in.Server, key("one")))
	s.want("the pin alone", func(w tunnel.Wanted) bool {
		return w.Tunnel.Fingerprint == "" && w.Tunnel.Pin.State == tunnel.PinConfirmed
	})
	if fp := h.view("operator/office").Fingerprint; fp != in.Fingerprint {
		t.Errorf("everyone else sees the fingerprint %q", fp)
	}
}

// TestLoginIsOfOneMoment: whoever logs in gets the pin learned since, and never one server's password with another's
// address, also while they change.
func TestLoginIsOfOneMoment(t *testing.T) {
	h := newHost(t)
	office := ref("operator/office")
	h.add("operator/office", "a.example", tunnel.Credential{Login: tunnel.LoginPassword, Password: "a.example"})
	before, _, err := h.Login(t.Context(), office)
	h.must(err)
	h.must(h.Learned(t.Context(), office, server("a.example"), key("one")))
	after, _, err := h.Login(t.Context(), office)
	h.must(err)
	if after.Tunnel.Pin.Fingerprint != key("one").Fingerprint || after.Generation != before.Generation || !after.Active {
		t.Errorf("after the key was learned: %+v, before: %+v", after, before)
	}

	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				w, cred, err := h.Login(ctx, office)
				if err == nil && cred.Password.Reveal() != w.Tunnel.Server.Host {
					t.Errorf("%q would be sent to %s", cred.Password.Reveal(), w.Tunnel.Server.Host)
					return
				}
			}
		})
	}
	for i := range 50 {
		to := server([]string{"b.example", "a.example"}[i%2])
		h.must(h.edit("operator/office", tunnel.Edit{
			Server: &to, Credential: &tunnel.Credential{Login: tunnel.LoginPassword, Password: tunnel.Secret(to.Host)},
		}))
	}
	cancel()
	readers.Wait()
	h.must(h.RemoveTunnel(t.Context(), by, office))
	if w, cred, err := h.Login(t.Context(), office); !w.Gone || w.Active || cred != (tunnel.Credential{}) || err != nil {
		t.Errorf("of one that is no more: %+v, %v", w, err)
	}
}

func TestRunsTellWhichConfigurationsRun(t *testing.T) {
	h := newHost(t)
	h.module("adsync", "gw.example")
	s := follow(t, h.Runs)
	first := s.want("the present one", func(r tunnel.Run) bool { return r.Ref == conf("adsync/berlin") && r.Enabled && !r.Gone })
	_, err := h.SetConfiguration(h.ctx(), by, conf("adsync/berlin"), site("b.example"), 0)
	h.must(err)
	second := s.want("a later revision", func(r tunnel.Run) bool { return r.Enabled && r.Revision > first.Revision })
	h.must(h.EnableConfiguration(h.ctx(), by, conf("adsync/berlin"), false))
	s.want("disabled", func(r tunnel.Run) bool { return !r.Enabled && r.Revision > second.Revision })
	h.must(h.EnableConfiguration(h.ctx(), by, conf("adsync/berlin"), false)) // writes nothing
	h.must(h.RemoveConfiguration(h.ctx(), by, conf("adsync/berlin"), true))
	s.want("gone, its files too", func(r tunnel.Run) bool { return r.Gone && r.Purge })

	_, err = h.AddConfiguration(h.ctx(), by, conf("adsync/berlin"), nil, true)
	h.must(err)
	s.want("a new one", func(r tunnel.Run) bool { return r.Enabled && !r.Gone && !r.Purge })
	h.must(h.RemoveConfiguration(h.ctx(), by, conf("adsync/berlin"), true))
	_, err = h.AddConfiguration(h.ctx(), by, conf("adsync/berlin"), nil, true)
	h.must(err)
	s.want("a new one, the former one's files to go", func(r tunnel.Run) bool { return r.Enabled && !r.Gone && r.Purge })
}
