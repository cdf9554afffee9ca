package registry_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/store"
)

// unsure is a store that once does not say whether it wrote.
type unsure struct {
	store.Store
	next  error // what the next Update says
	wrote bool  // whether it writes all the same
}

func (u *unsure) Update(ctx context.Context, f func(store.Tx) error) (store.Rev, error) {
	err := u.next
	if err == nil {
		return u.Store.Update(ctx, f)
	}
	u.next = nil
	if u.wrote {
		if _, e := u.Store.Update(ctx, f); e != nil {
			return store.Rev{}, e
		}
	}
	return store.Rev{}, err
}

// TestUnknownOutcomeIsLookedUp: after an error that leaves it open, what everyone sees is what the store has.
func TestUnknownOutcomeIsLookedUp(t *testing.T) {
	for _, wrote := range []bool{false, true} {
		t.Run(fmt.Sprint("wrote ", wrote), func(t *testing.T) {
			h := newHost(t)
			h.module("adsync", "gw.example")
			u := &unsure{Store: h.store, wrote: wrote}
			h.store = u
			h.open()
			u.next = fmt.Errorf("disk: %w", store.ErrUnreachable)
			if err := h.As("adsync").Declare(t.Context(), "berlin", []tunnel.Declaration{declared("adsync/berlin.site", "site")}); !errors.Is(err, store.ErrUnreachable) {
				t.Fatalf("declare: %v", err)
			}
			if n := len(h.all()); (n == 1) != wrote {
				t.Errorf("%d tunnels are there, wrote is %v", n, wrote)
			}
			h.add("operator/mark", "a.example", byKey())
		})
	}
}

func TestTooLargeAChangeIsAFinding(t *testing.T) {
	h := newHost(t)
	u := &unsure{Store: h.store, next: store.ErrTooBig}
	h.store = u
	h.open()
	_, err := h.AddTunnel(t.Context(), by, made("operator/x", "a.example"), byKey())
	refused(t, err, tunnel.TooMany, "")
}

// TestManyAtOnce lets everyone work at the same time; the race detector and the invariants watch.
func TestManyAtOnce(t *testing.T) {
	h := newHost(t)
	h.module("adsync", "gw.example")
	h.module("tapi", "gw.example")
	ctx, cancel := context.WithCancel(t.Context())
	var readers, writers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for range h.As("x").Watch(ctx) {
			}
		})
		readers.Go(func() {
			for range h.Wanted(ctx) {
			}
		})
	}
	for _, owner := range []tunnel.Owner{"adsync", "tapi"} {
		writers.Go(func() {
			for i := range 15 {
				var set []tunnel.Declaration
				if i%3 > 0 {
					set = append(set, tunnel.Declaration{Ref: tunnel.Ref{Owner: owner, Name: "berlin.site"}, Settings: "site"})
				}
				h.must(h.As(owner).Declare(ctx, "berlin", set))
			}
		})
		writers.Go(func() {
			for i := range 16 {
				h.must(h.EnableConfiguration(ctx, by, tunnel.ConfigurationRef{Module: owner, Name: "berlin"}, i%2 == 1))
			}
		})
		writers.Go(func() {
			r := tunnel.Ref{Owner: owner, Name: "berlin.site"}
			for range 50 {
				h.Report(r, up("ldaps"))
				h.Report(r, tunnel.Status{State: tunnel.Waiting, Reason: tunnel.LinkLost})
				h.Shown(r, key("one"))
				h.Login(ctx, r)
				h.Configurations(ctx)
				h.SetPresent([]tunnel.Owner{"adsync", "tapi"})
			}
		})
	}
	var won sync.Map
	for i := range 4 {
		writers.Go(func() {
			name := fmt.Sprintf("operator/t%d", i)
			_, err := h.AddTunnel(ctx, by, made(name, "a.example", mapping(tunnel.Reach, "a=1389:389")), byKey())
			if err == nil {
				won.Store(name, true)
			} else if !errors.Is(err, tunnel.ErrPortCollision) {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	cancel()
	readers.Wait()
	winners := 0
	won.Range(func(any, any) bool { winners++; return true })
	if winners != 1 {
		t.Errorf("%d tunnels have one port", winners)
	}
	for _, v := range h.all() {
		if strings.HasSuffix(string(v.Ref.Name), ".site") && v.Status.State != tunnel.Connecting && v.Status.State != tunnel.Waiting && v.Status.State != tunnel.Up {
			t.Errorf("%s is %s in the end", v.Ref, v.Status.State)
		}
	}
}

// TestEventsComeInTheOrderOfCommits, however many make changes.
func TestEventsComeInTheOrderOfCommits(t *testing.T) {
	h := newHost(t)
	h.add("operator/office", "a.example", byKey())
	h.told()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				h.Report(ref("operator/office"), up())
				h.Report(ref("operator/office"), tunnel.Status{State: tunnel.Waiting, Reason: tunnel.LinkLost})
			}
		})
	}
	all.Wait()
	was := "connecting"
	for _, e := range h.told() {
		if e.Fields["was"] != was {
			t.Fatalf("an event says it was %s, the one before that it is %s", e.Fields["was"], was)
		}
		was = e.Fields["state"]
	}
}
