package sdk

import (
	"context"
	"errors"
	"net"
	"reflect"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// branch is an entry of a map with a site in it.
type branch struct {
	Phone string `json:"phone"`
	Site  Site   `json:"site" slots:"smb"`
}

type manySites struct {
	Site  Site  `json:"site" slots:"ldap"`
	Spare *Site `json:"spare" slots:"ldap"`
	Group struct {
		Inner Site `json:"inner"`
	} `json:"group"`
	Sites    map[string]Site   `json:"sites" slots:"smb"`
	Branches map[string]branch `json:"branches"`
	Base     string            `json:"base"`
	Bind     Secret            `json:"bind_password"`
	Ports    map[string]int    `json:"ports"`
}

// fakeHost notes declarations and hands out listeners.
type fakeHost struct {
	wire.Host
	configuration string
	set           []tunnel.Declaration
	listener      net.Listener
	dialled       string
}

func (f *fakeHost) Declare(_ context.Context, configuration string, set []tunnel.Declaration) error {
	f.configuration, f.set = configuration, set
	return nil
}

func (f *fakeHost) Listen(context.Context, string, string) (net.Listener, error) {
	return f.listener, nil
}

func (f *fakeHost) Dial(_ context.Context, configuration, mapping string) (net.Conn, error) {
	f.dialled = configuration + " " + mapping
	return nil, tunnel.ErrNotFound
}

type runner[S any] struct {
	run func(context.Context, *Instance[S]) error
}

func (runner[S]) Describe() Description {
	return Description{Name: "quiet", Slots: []Slot{{Name: "ldap", Kinds: []Kind{Reach}, Spec: ":636", On: true}, {Name: "smb", Kinds: []Kind{Reach}, Spec: ":445", On: true}}}
}

func (r runner[S]) Run(ctx context.Context, in *Instance[S]) error { return r.run(ctx, in) }

// runWith runs f once as a module's run with these settings.
func runWith[S any](t *testing.T, h wire.Host, settings string, f func(context.Context, *Instance[S]) error) error {
	t.Helper()
	return Plugin(runner[S]{run: f}).Run(t.Context(), wire.Run{Configuration: "berlin", Settings: []byte(settings), Dir: "/dir", Host: h})
}

func TestSitesKnowTheirPlaceInTheSettings(t *testing.T) {
	const settings = `{"site":{"server":"a"},"spare":{"server":"b"},"group":{"inner":{"server":"c"}},
		"sites":{"rome":{"server":"d"},"paris":{"server":"e"}},"branches":{"oslo":{"phone":"1","site":{"server":"f"}}},
		"base":"dc=corp","bind_password":"canary","ports":{"x":1}}`
	h := &fakeHost{}
	err := runWith(t, h, settings, func(ctx context.Context, in *Instance[manySites]) error {
		s := in.Settings
		if s.Base != "dc=corp" || s.Bind.Reveal() != "canary" || s.Branches["oslo"].Phone != "1" || in.Dir != "/dir" {
			t.Errorf("the run got %+v", s)
		}
		return in.Declare(ctx, s.Site.Tunnel(Slot{Name: "ldap"}), s.Spare.Tunnel(), s.Group.Inner.Tunnel(),
			s.Sites["rome"].Tunnel(), s.Sites["paris"].Tunnel(), s.Branches["oslo"].Site.Tunnel())
	})
	if err != nil {
		t.Fatal(err)
	}
	own := func(name tunnel.Name) tunnel.Ref { return tunnel.Ref{Owner: "quiet", Name: name} }
	want := []tunnel.Declaration{
		{Ref: own("berlin.site"), Settings: "site", Slots: []string{"ldap"}},
		{Ref: own("berlin.spare"), Settings: "spare"},
		{Ref: own("berlin.inner"), Settings: "group.inner"},
		{Ref: own("berlin.rome"), Settings: "sites.rome"},
		{Ref: own("berlin.paris"), Settings: "sites.paris"},
		{Ref: own("berlin.oslo"), Settings: "branches.oslo.site"},
	}
	if h.configuration != "berlin" || !reflect.DeepEqual(h.set, want) {
		t.Errorf("%s declares %+v", h.configuration, h.set)
	}
}

func TestNoServerDeclaresNothing(t *testing.T) {
	h := &fakeHost{}
	err := runWith(t, h, "", func(ctx context.Context, in *Instance[manySites]) error {
		return in.Declare(ctx, in.Settings.Site.Tunnel(), in.Settings.Sites["nowhere"].Tunnel())
	})
	if err != nil || h.configuration != "berlin" || len(h.set) != 0 {
		t.Errorf("it declares %+v, %v", h.set, err)
	}
}

func TestARefSetByHandIsSentAsItIs(t *testing.T) {
	h := &fakeHost{}
	foreign := tunnel.Ref{Owner: "monitoring", Name: "default.site"}
	err := runWith(t, h, "", func(ctx context.Context, in *Instance[struct{}]) error {
		return in.Declare(ctx, tunnel.Declaration{Ref: foreign, Settings: "site"})
	})
	if err != nil || len(h.set) != 1 || h.set[0].Ref != foreign {
		t.Errorf("it declares %+v, %v", h.set, err)
	}
}

func TestOn(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		name   string
		server string
		choice *bool
		slot   bool
		want   bool
	}{
		{"the slot's default", "a", nil, true, true},
		{"off by default", "a", nil, false, false},
		{"switched on", "a", &yes, false, true},
		{"switched off", "a", &no, true, false},
		{"no server", "", &yes, true, false},
	} {
		s := Site{Site: tunnel.Site{Server: c.server, Slots: map[string]tunnel.SlotSettings{"x": {On: c.choice}}}}
		if got := s.On(Slot{Name: "x", On: c.slot}); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// What a site does not offer is not on there, whatever the slot's default.
func TestASiteHasTheSlotsOfItsTag(t *testing.T) {
	err := runWith(t, &fakeHost{}, `{"site":{"server":"a"},"spare":{"server":"b"},"group":{"inner":{"server":"c"}},
		"sites":{"rome":{"server":"d"}},"branches":{"oslo":{"site":{"server":"f"}}}}`, func(_ context.Context, in *Instance[manySites]) error {
		s, ldap, smb := in.Settings, Slot{Name: "ldap", On: true}, Slot{Name: "smb", On: true}
		for name, c := range map[string]struct {
			site      Site
			ldap, smb bool
		}{
			"site": {s.Site, true, false}, "spare": {*s.Spare, true, false}, "without a tag": {s.Group.Inner, true, true},
			"a map's": {s.Sites["rome"], false, true}, "an entry's": {s.Branches["oslo"].Site, false, true},
		} {
			if c.site.On(ldap) != c.ldap || c.site.On(smb) != c.smb {
				t.Errorf("%s: ldap is on: %v, smb is on: %v", name, c.site.On(ldap), c.site.On(smb))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestASlotThatThereIsNotIsAMistakeOfTheAuthor(t *testing.T) {
	_, err := Plugin(quiet[manySites]{}).Describe()
	if err == nil || !strings.Contains(err.Error(), `the site site offers slot "ldap", which the module does not have; it has none`) {
		t.Errorf("a misspelt slot is %v", err)
	}
}

func TestListenersEndWithTheRun(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	err = runWith(t, &fakeHost{listener: l}, "", func(_ context.Context, in *Instance[struct{}]) error {
		_, err := in.Listen(MappingOf("site", "status"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the run it still listens: %v", err)
	}
}

func TestDialFuncGoesWhereTheMappingSays(t *testing.T) {
	h := &fakeHost{}
	err := runWith(t, h, "", func(ctx context.Context, in *Instance[struct{}]) error {
		_, err := in.DialFunc(MappingOf("archive", "smb"))(ctx, "tcp", "elsewhere:445")
		return err
	})
	if !errors.Is(err, tunnel.ErrNotFound) || h.dialled != "berlin archive/smb" {
		t.Errorf("it dialled %q: %v", h.dialled, err)
	}
}

func TestSettingsThatDoNotFitAreAnError(t *testing.T) {
	err := runWith(t, &fakeHost{}, `{"base":5}`, func(context.Context, *Instance[manySites]) error { return nil })
	if err == nil {
		t.Error("a number was taken for a text")
	}
}
