package wire

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// withUnknown is an encoded message with fields of every kind around those it has that nobody knows yet.
func withUnknown(data []byte) []byte {
	var some []byte
	for i, kind := range []protowire.Type{protowire.VarintType, protowire.Fixed32Type, protowire.Fixed64Type, protowire.BytesType} {
		some = protowire.AppendTag(some, protowire.Number(1000+i), kind)
		some = append(some, []byte{2, 2, 2, 2, 2, 2, 2, 2}[:[]int{1, 4, 8, 3}[i]]...)
	}
	group := append(protowire.AppendTag(nil, 2000, protowire.StartGroupType), some...)
	some = protowire.AppendTag(append(some, group...), 2000, protowire.EndGroupType)
	return slices.Concat(some, data, some)
}

// A host that is newer says more than a module reads.
func TestFieldsThatAreNotKnownYetArePassedOver(t *testing.T) {
	want := fullView()
	data, err := encodeView(want)
	if err != nil {
		t.Fatal(err)
	}
	var newer []byte
	for f := range (part{data, new(bool)}).fields {
		newer = appendField(newer, f.number, withUnknown(f.data))
	}
	got, err := readView(withUnknown(newer))
	if !reflect.DeepEqual(got, want) || err != nil {
		t.Errorf("it arrives as %+v, %v", got, err)
	}
}

// A message that ends early, wherever, is an error or a message of fewer fields, and never a panic.
func TestAMessageThatEndsEarly(t *testing.T) {
	data, err := encodeView(fullView())
	if err != nil {
		t.Fatal(err)
	}
	for n := range data {
		v, err := readView(data[:n])
		if err != nil && !errors.Is(err, errMalformed) || err == nil && reflect.DeepEqual(v, fullView()) {
			t.Fatalf("its first %d bytes are %+v, %v", n, v, err)
		}
	}
}

// What a module keeps of a tunnel keeps nothing of the message.
func TestATunnelSharesNothingWithItsMessage(t *testing.T) {
	data, err := encodeView(fullView())
	if err != nil {
		t.Fatal(err)
	}
	v, err := readView(data)
	clear(data)
	if !reflect.DeepEqual(v, fullView()) || err != nil {
		t.Errorf("it is %+v then, %v", v, err)
	}
}

func FuzzAnswers(f *testing.F) {
	for _, v := range []tunnel.View{fullView(), {}} {
		for a, err := range answers([]*tunnel.Shown{tunnel.Show(v)}, true) {
			if err == nil {
				f.Add(a.Materialize())
			}
		}
		c, err := encodeChange(tunnel.ShownChange{Type: tunnel.Changed, Tunnel: tunnel.Show(v)})
		if err == nil {
			f.Add(c.Materialize())
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := received{data}
		_, _ = r.change()
		views, _ := r.views()
		for _, v := range views {
			_, _ = readView(v)
		}
	})
}
