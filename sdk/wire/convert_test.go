package wire

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	hostv1 "github.com/culvert-pbx/culvert/proto/host/v1"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// fillAll gives every field of v a value of its own, so that one that is forgotten on the wire, or mixed up, shows.
func fillAll(v reflect.Value, n *int) {
	*n++
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(int64(*n), 5000).UTC()))
	case v.Type() == reflect.TypeFor[tunnel.Ref]():
		v.Set(reflect.ValueOf(tunnel.Ref{Owner: "adsync", Name: "berlin.site"}))
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillAll(v.Elem(), n)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fillAll(v.Field(i), n)
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fillAll(v.Index(i), n)
		}
	case v.Kind() == reflect.String:
		v.SetString(fmt.Sprintf("text %d", *n))
	case v.CanInt():
		v.SetInt(int64(*n))
	case v.CanUint():
		v.SetUint(1<<63 + uint64(*n))
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	default:
		panic("no value for " + v.Type().String())
	}
}

// fullView has a value in every field but the edition, which is between host and supervisor.
func fullView() (v tunnel.View) {
	fillAll(reflect.ValueOf(&v).Elem(), new(int))
	v.Status.Edition = 0
	return v
}

func TestEveryFieldOfAViewCrosses(t *testing.T) {
	want := fullView()
	got := viewOf(overTheWire(t, viewTo(want), &hostv1.View{}))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v arrives as %+v", want, got)
	}
	if got := viewOf(overTheWire(t, viewTo(tunnel.View{}), &hostv1.View{})); !reflect.DeepEqual(got, tunnel.View{}) {
		t.Errorf("an empty one arrives as %+v", got)
	}
}

func TestEveryFieldOfADeclarationCrosses(t *testing.T) {
	want := make([]tunnel.Declaration, 2)
	for i := range want {
		fillAll(reflect.ValueOf(&want[i]).Elem(), new(int))
	}
	got := declarationsOf(declarationsTo(want))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v arrives as %+v", want, got)
	}
}

func TestEveryFieldOfADescriptionCrosses(t *testing.T) {
	var want tunnel.Description
	want.Schema = []byte("{}")
	v := reflect.ValueOf(&want).Elem()
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; name != "Schema" && name != "Contract" { // which the host fills in
			fillAll(v.Field(i), new(int))
		}
	}
	if got := descriptionOf(descriptionTo(want)); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v arrives as %+v", want, got)
	}
}

func TestChangesCross(t *testing.T) {
	full := fullView()
	only := tunnel.View{Tunnel: tunnel.Tunnel{Ref: full.Ref}}
	for _, c := range []struct{ sent, want tunnel.Change }{
		{tunnel.Change{Type: tunnel.Present, Tunnel: full}, tunnel.Change{Type: tunnel.Present, Tunnel: full}},
		{tunnel.Change{Type: tunnel.Changed, Tunnel: full}, tunnel.Change{Type: tunnel.Changed, Tunnel: full}},
		{tunnel.Change{Type: tunnel.Removed, Tunnel: full}, tunnel.Change{Type: tunnel.Removed, Tunnel: only}},
		{tunnel.Change{Type: tunnel.Synced}, tunnel.Change{Type: tunnel.Synced}},
		{tunnel.Change{Type: tunnel.Resync}, tunnel.Change{Type: tunnel.Resync}},
	} {
		m, err := encodeChange(tunnel.ShownChange{Type: c.sent.Type, Tunnel: tunnel.Show(c.sent.Tunnel)})
		if err != nil {
			t.Fatal(err)
		}
		if got := changeOf(arrives(t, m, &hostv1.WatchResponse{})); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v arrives as %+v", c.sent, got)
		}
	}
}

func overTheWire[M proto.Message](t *testing.T, in, out M) M {
	t.Helper()
	b, err := proto.Marshal(in)
	if err == nil {
		err = proto.Unmarshal(b, out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}
