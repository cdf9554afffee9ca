package tunneltest

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// patience is how long the suite waits for what has to come.
const patience = 10 * time.Second

// suiteSettings are those of the suite's modules.
type suiteSettings struct {
	Site  tunnel.Site            `json:"site" slots:"ldap,smb,metrics"`
	Sites map[string]tunnel.Site `json:"sites" slots:"ldap,smb,metrics"`
	Base  string                 `json:"base" maxlen:"20"`
}

// module describes a module of the suite: two reach slots, the second off by default, and an expose slot, off too.
func module(t *testing.T, name string, p tunnel.Policy) tunnel.Description {
	t.Helper()
	schema, err := settings.Schema(reflect.TypeFor[suiteSettings]())
	if err != nil {
		t.Fatal(err)
	}
	reach := []tunnel.Kind{tunnel.Reach, tunnel.ReachGateway}
	return tunnel.Description{Name: name, Version: "1.0.0", Policy: p, Schema: schema, Slots: []tunnel.Slot{
		{Name: "ldap", Title: "Directory", Kinds: reach, Spec: ":636", On: true},
		{Name: "smb", Title: "Share", Kinds: reach, Spec: ":445"},
		{Name: "metrics", Title: "Metrics", Kinds: []tunnel.Kind{tunnel.Expose, tunnel.ExposeGateway},
			Spec: "9100:9100"},
	}}
}

// install adds modules with the zero policy.
func install(t *testing.T, f Fixture, names ...string) {
	t.Helper()
	for _, name := range names {
		ok(t, f.AddModule(module(t, name, tunnel.Policy{})))
	}
}

// configured installs the module of ref and configures it with doc.
func configured(t *testing.T, f Fixture, ref, doc string) {
	t.Helper()
	r := confRef(t, ref)
	install(t, f, string(r.Module))
	ok(t, f.Configure(r, json.RawMessage(doc)))
}

// declared makes the tunnel REF.site at server of a module of its own.
func declared(t *testing.T, f Fixture, ref, server string) tunnel.Ref {
	t.Helper()
	configured(t, f, ref, `{"site":{"server":"`+server+`"}}`)
	r := confRef(t, ref)
	ok(t, declare(f, ref, "site"))
	return tunnel.Ref{Owner: r.Module, Name: tunnel.SettingsName(r.Name, "site")}
}

// declare asks for the tunnels of the sites at these paths with all their slots.
func declare(f Fixture, ref string, paths ...string) error {
	var set []tunnel.Declaration
	for _, path := range paths {
		set = append(set, declaration(ref, path))
	}
	return declareSet(f, ref, set...)
}

func declareSet(f Fixture, ref string, set ...tunnel.Declaration) error {
	r, _ := tunnel.ParseConfigurationRef(ref)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return f.As(r.Module).Declare(ctx, r.Name, set)
}

// declaration is the honest one of the site at path.
func declaration(ref, path string, slots ...string) tunnel.Declaration {
	r, _ := tunnel.ParseConfigurationRef(ref)
	return tunnel.Declaration{
		Ref: tunnel.Ref{Owner: r.Module, Name: tunnel.SettingsName(r.Name, path)}, Settings: path, Slots: slots,
	}
}

// made is an operator-made tunnel with mappings in KIND=MAPPING text.
func made(t *testing.T, ref, server string, mappings ...string) tunnel.Tunnel {
	t.Helper()
	r := tunnelRef(t, ref)
	s, fs := tunnel.ParseServer(server)
	ok(t, fs.Err())
	m := tunnel.Tunnel{Ref: r, Server: s, Login: tunnel.LoginKey}
	for i := 0; i+1 < len(mappings); i += 2 {
		x, fs := tunnel.ParseMapping(tunnel.Kind(mappings[i]), mappings[i+1])
		ok(t, fs.Err())
		m.Mappings = append(m.Mappings, x)
	}
	return m
}

func tunnelRef(t *testing.T, s string) tunnel.Ref {
	t.Helper()
	r, fs := tunnel.ParseRef(s)
	ok(t, fs.Err())
	return r
}

func confRef(t *testing.T, s string) tunnel.ConfigurationRef {
	t.Helper()
	r, fs := tunnel.ParseConfigurationRef(s)
	ok(t, fs.Err())
	return r
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused checks that err is the refusal want.
func refused(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

// findings checks that err is the refusal want and gives what it found.
func findings(t *testing.T, err, want error) (fs tunnel.Findings) {
	t.Helper()
	refused(t, err, want)
	errors.As(err, &fs)
	return fs
}

// has reports whether fs holds a finding of that code at that field.
func has(fs tunnel.Findings, code tunnel.Code, field string) bool {
	return slices.ContainsFunc(fs, func(f tunnel.Finding) bool { return f.Code == code && f.Field == field })
}

func get(t *testing.T, f Fixture, ref tunnel.Ref) tunnel.View {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	v, err := f.As(ref.Owner).Get(ctx, ref)
	ok(t, err)
	return v
}

// absent checks that nobody finds ref.
func absent(t *testing.T, f Fixture, ref tunnel.Ref) {
	t.Helper()
	_, err := f.As(ref.Owner).Get(t.Context(), ref)
	refused(t, err, tunnel.ErrNotFound)
	for _, v := range list(t, f, ref.Owner) {
		if v.Ref == ref {
			t.Errorf("%s is listed", ref)
		}
	}
}

func list(t *testing.T, f Fixture, as tunnel.Owner) []tunnel.View {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var views []tunnel.View
	for v, err := range f.As(as).List(ctx) {
		ok(t, err)
		views = append(views, v)
	}
	return views
}

// records are the tunnels as they shall be, without what is observed.
func records(t *testing.T, f Fixture) []tunnel.Tunnel {
	t.Helper()
	var ts []tunnel.Tunnel
	for _, v := range list(t, f, tunnel.Operator) {
		if len(v.Mappings) == 0 {
			v.Mappings = nil
		}
		if len(v.AcceptWider) == 0 {
			v.AcceptWider = nil
		}
		ts = append(ts, v.Tunnel)
	}
	return ts
}

// unchanged checks that no record differs from before.
func unchanged(t *testing.T, f Fixture, before []tunnel.Tunnel) {
	t.Helper()
	if now := records(t, f); !reflect.DeepEqual(now, before) {
		t.Errorf("the tunnels changed:\n got %+v\nwant %+v", now, before)
	}
}

// mappings are the mappings of a tunnel as text.
func mappings(v tunnel.Tunnel) []string {
	var texts []string
	for _, m := range v.Mappings {
		texts = append(texts, string(m.Kind)+" "+m.String())
	}
	return texts
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %+v, want %+v", what, got, want)
	}
}
