package sdk

import (
	"context"
	"errors"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestMappingsAreNamedBySiteAndSlot(t *testing.T) {
	smb := Slot{Name: "smb"}
	err := runWith(t, &fakeHost{}, `{"branches":{"oslo":{"site":{"server":"f"}}}}`, func(_ context.Context, in *Instance[manySites]) error {
		s := in.Settings
		for want, m := range map[string]MappingRef{
			"site/smb": s.Site.Mapping(smb), "inner/smb": s.Group.Inner.Mapping(smb), "oslo/smb": s.Branches["oslo"].Site.Mapping(smb),
			"office/web": MappingOf("office", "web"), "": s.Sites["nowhere"].Mapping(smb),
		} {
			if m.String() != want {
				t.Errorf("%q is called %q", want, m)
			}
		}
		if got := in.Ref(s.Branches["oslo"].Site); got != (tunnel.Ref{Owner: "quiet", Name: "berlin.oslo"}) {
			t.Errorf("the tunnel is called %s", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A map's entry that is not there, or a Site made by hand, names no mapping: that is said, and not asked of the host.
func TestNoMappingIsAnError(t *testing.T) {
	h := &fakeHost{}
	err := runWith(t, h, "", func(ctx context.Context, in *Instance[manySites]) error {
		none := in.Settings.Sites["nowhere"].Mapping(Slot{Name: "smb"})
		_, dial := in.Dial(ctx, none)
		_, listen := in.Listen(none)
		_, look := in.Mapping(ctx, none)
		_, check := in.MappingIsUp(none)(ctx)
		for _, err := range []error{dial, listen, look, check} {
			if !errors.Is(err, tunnel.ErrInvalid) {
				t.Errorf("no mapping is %v", err)
			}
		}
		return nil
	})
	if err != nil || h.dialled != "" {
		t.Errorf("it dialled %q: %v", h.dialled, err)
	}
}
