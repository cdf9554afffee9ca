package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	hostv1 "github.com/culvert-pbx/culvert/proto/host/v1"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/tunnel/tunneltest"
)

var foreign = tunnel.Ref{Owner: "monitoring", Name: "default.site"}

// two is a World in which monitoring has a tunnel, and intruder a configuration of the same shape.
func two(t *testing.T) *tunneltest.World {
	t.Helper()
	w := tunneltest.NewWorld()
	schema := `{"type":"object","additionalProperties":false,"properties":{"site":{"type":"object","x-culvert":"site",` +
		`"additionalProperties":false,"properties":{"server":{"type":"string"}}}}}`
	for _, module := range []string{"monitoring", "intruder"} {
		err := w.AddModule(tunnel.Description{
			Name: module, Version: "1", Schema: []byte(schema),
			Slots: []tunnel.Slot{{Name: "host", Kinds: []tunnel.Kind{tunnel.Expose}, Spec: ":9464", On: true}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ref := tunnel.ConfigurationRef{Module: "monitoring", Name: "default"}
	if err := w.Configure(ref, []byte(`{"site":{"server":"tunnel@site.example"}}`)); err != nil {
		t.Fatal(err)
	}
	ref.Module = "intruder"
	if err := w.Configure(ref, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if err := w.As("monitoring").Declare(t.Context(), "default", []tunnel.Declaration{{Ref: foreign, Settings: "site"}}); err != nil {
		t.Fatal(err)
	}
	return w
}

// guarded is the host as the intruder reaches it, noting what it was refused.
type guarded struct {
	world   *tunneltest.World
	conn    *grpc.ClientConn
	refused []string
}

func guard(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{world: two(t)}
	none := func(context.Context, tunnel.Ref, string) (string, error) { return "", errors.New("reached a socket") }
	g.conn = connect(t, newHostServer(HostServices{
		Owner: "intruder", Service: g.world.As("intruder"), SocketPath: none, ListenPath: none,
		Refused: func(method string, ref tunnel.Ref) { g.refused = append(g.refused, method+" "+ref.String()) },
	}))
	return g
}

func (g *guarded) all(t *testing.T) (views []tunnel.View) {
	t.Helper()
	for v, err := range g.world.As(tunnel.Operator).List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		views = append(views, v)
	}
	return views
}

// call makes any call of the service by its descriptor and returns the error it ends with. Of a stream it takes the
// first answer.
func (g *guarded) call(ctx context.Context, m protoreflect.MethodDescriptor, req proto.Message) error {
	full := fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())
	res := newMessage(m.Output())
	if !m.IsStreamingServer() {
		return decode(g.conn.Invoke(ctx, full, req, res))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := g.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, full)
	if err != nil {
		return decode(err)
	}
	_ = s.SendMsg(req)
	_ = s.CloseSend()
	if err := s.RecvMsg(res); !errors.Is(err, io.EOF) {
		return decode(err)
	}
	return nil
}

func newMessage(d protoreflect.MessageDescriptor) proto.Message {
	t, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
	if err != nil {
		panic(err)
	}
	return t.New().Interface()
}

// hostMethods are the calls of host/v1 as its descriptors list them.
func hostMethods() (all []protoreflect.MethodDescriptor) {
	services := hostv1.File_host_v1_host_proto.Services()
	for i := range services.Len() {
		for j := range services.Get(i).Methods().Len() {
			all = append(all, services.Get(i).Methods().Get(j))
		}
	}
	return all
}

// places are all paths to a text in a message, "declarations.slots".
func places(d protoreflect.MessageDescriptor, at string) (all []string) {
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		path := strings.TrimPrefix(at+"."+string(f.Name()), ".")
		switch f.Kind() {
		case protoreflect.StringKind, protoreflect.BytesKind:
			all = append(all, path)
		case protoreflect.MessageKind:
			all = append(all, places(f.Message(), path)...)
		}
	}
	return all
}

// fill puts text at a place of m, in one element where lists are on the way.
func fill(m protoreflect.Message, place, text string) {
	name, rest, more := strings.Cut(place, ".")
	f := m.Descriptor().Fields().ByName(protoreflect.Name(name))
	switch {
	case more && f.IsList():
		list := m.Mutable(f).List()
		if list.Len() == 0 {
			list.AppendMutable()
		}
		fill(list.Get(0).Message(), rest, text)
	case more:
		fill(m.Mutable(f).Message(), rest, text)
	case f.IsList():
		m.Mutable(f).List().Append(value(f, text))
	default:
		m.Set(f, value(f, text))
	}
}

func value(f protoreflect.FieldDescriptor, text string) protoreflect.Value {
	if f.Kind() == protoreflect.BytesKind {
		return protoreflect.ValueOfBytes([]byte(text))
	}
	return protoreflect.ValueOfString(text)
}

// Whatever field of whatever call holds another owner's tunnel: nothing changes, and whatever could have changed it is
// refused as not the owner's and noted with the tunnel's real name.
func TestNoFieldReachesAnothersTunnel(t *testing.T) {
	for _, m := range hostMethods() {
		full := fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())
		fields := places(m.Input(), "")
		for _, set := range append(single(fields), fields) {
			if len(set) == 0 {
				continue
			}
			t.Run(fmt.Sprintf("%s %v", m.Name(), set), func(t *testing.T) {
				g := guard(t)
				before := g.all(t)
				req := newMessage(m.Input())
				for _, place := range set {
					fill(req.ProtoReflect(), place, foreign.String())
				}
				err := g.call(t.Context(), m, req)
				if after := g.all(t); !reflect.DeepEqual(before, after) {
					t.Fatalf("it changed %+v to %+v", before, after)
				}
				if readOnly[full] {
					return
				}
				if !errors.Is(err, tunnel.ErrNotOwner) || !strings.Contains(err.Error(), foreign.String()+" belongs to monitoring") {
					t.Errorf("it is answered with %v", err)
				}
				if want := []string{fmt.Sprintf("%s %s", m.Name(), foreign)}; !slices.Equal(g.refused, want) {
					t.Errorf("noted %q, want %q", g.refused, want)
				}
			})
		}
	}
}

func single(fields []string) (sets [][]string) {
	for _, f := range fields {
		sets = append(sets, []string{f})
	}
	return sets
}

func TestMetadataNamesNobody(t *testing.T) {
	for _, m := range hostMethods() {
		full := fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())
		t.Run(string(m.Name()), func(t *testing.T) {
			g := guard(t)
			before := g.all(t)
			ctx := metadata.AppendToOutgoingContext(t.Context(), "owner", "monitoring", "tunnel", foreign.String(), "x-bin", foreign.String())
			err := g.call(ctx, m, newMessage(m.Input()))
			if after := g.all(t); !reflect.DeepEqual(before, after) {
				t.Fatalf("it changed %+v to %+v", before, after)
			}
			if !readOnly[full] && (!errors.Is(err, tunnel.ErrNotOwner) || len(g.refused) != 1) {
				t.Errorf("answered with %v, noted %q", err, g.refused)
			}
		})
	}
}

// A call that is added later is one that may change something until it says otherwise.
func TestACallNobodyKnowsIsGuarded(t *testing.T) {
	var noted tunnel.Ref
	g := newGate("intruder", func(_ string, ref tunnel.Ref) { noted = ref })
	err := g.check(t.Context(), "/culvert.host.v1.HostService/Rename", &hostv1.GetRequest{Ref: foreign.String()})
	if !errors.Is(err, tunnel.ErrNotOwner) || noted != foreign {
		t.Errorf("answered with %v, noted %v", err, noted)
	}
}

// What reads says so in the contract; this is the list, so that a change of it is seen.
func TestWhichCallsRead(t *testing.T) {
	var reading, changing []string
	for _, m := range hostMethods() {
		if readOnly[fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())] {
			reading = append(reading, string(m.Name()))
		} else {
			changing = append(changing, string(m.Name()))
		}
	}
	if !slices.Equal(reading, []string{"Get", "List", "Watch", "Metrics"}) || len(changing) == 0 {
		t.Errorf("reading are %q, changing %q", reading, changing)
	}
}

// crowded has no list that is too long, and too many elements in all of them.
func crowded() *hostv1.DeclareRequest {
	req := &hostv1.DeclareRequest{}
	for range maxElements/MaxList + 1 {
		req.Declarations = append(req.Declarations, &hostv1.Declaration{Slots: make([]string, MaxList)})
	}
	return req
}

// flood is the largest message that says nothing, with the names of others at its end.
func flood() *hostv1.DeclareRequest {
	req := &hostv1.DeclareRequest{Declarations: make([]*hostv1.Declaration, MaxMessage/2)}
	empty := &hostv1.Declaration{}
	for i := range req.Declarations {
		req.Declarations[i] = empty
	}
	return req
}

// The cost of a request that is refused for its size does not grow with it.
func TestAFloodCostsNothing(t *testing.T) {
	g := newGate("intruder", nil)
	req := flood()
	if n := testing.AllocsPerRun(5, func() { _ = g.check(t.Context(), hostv1.HostService_Declare_FullMethodName, req) }); n > 100 {
		t.Errorf("%d elements cost %.0f allocations", len(req.Declarations), n)
	}
}

// What is allowed costs no texts for the places of what is right.
func TestWhatIsRightIsNotNamed(t *testing.T) {
	g := newGate("adsync", nil)
	req := &hostv1.DeclareRequest{Configuration: "default"}
	for i := range MaxList {
		req.Declarations = append(req.Declarations, &hostv1.Declaration{Ref: "adsync/default.site", Settings: fmt.Sprint("sites.s", i), Slots: []string{"ldap"}})
	}
	if n := testing.AllocsPerRun(5, func() {
		if err := g.check(t.Context(), hostv1.HostService_Declare_FullMethodName, req); err != nil {
			t.Fatal(err)
		}
	}); n > 15*MaxList {
		t.Errorf("%d declarations cost %.0f allocations", MaxList, n)
	}
}

func BenchmarkGate(b *testing.B) {
	full := &hostv1.DeclareRequest{}
	for range MaxList {
		full.Declarations = append(full.Declarations, &hostv1.Declaration{Ref: "intruder/default.site", Settings: "site", Slots: []string{"a", "b"}})
	}
	for name, req := range map[string]*hostv1.DeclareRequest{"full": full, "flood": flood()} {
		b.Run(name, func(b *testing.B) {
			g := newGate("intruder", nil)
			b.ReportAllocs()
			for b.Loop() {
				_ = g.check(b.Context(), hostv1.HostService_Declare_FullMethodName, req)
			}
		})
	}
}

func TestEverySortOfOversizeIsRefused(t *testing.T) {
	long := strings.Repeat("x", MaxText+1)
	many := make([]*hostv1.Declaration, MaxList+1)
	for i := range many {
		many[i] = &hostv1.Declaration{}
	}
	unknown := &hostv1.DeclareRequest{Configuration: "default"}
	unknown.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, 99, protowire.BytesType), "new"))
	inner := &hostv1.DeclareRequest{Declarations: []*hostv1.Declaration{{Ref: "intruder/default.site"}}}
	inner.Declarations[0].ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1))
	for _, c := range []struct {
		name  string
		req   *hostv1.DeclareRequest
		code  tunnel.Code
		field string
	}{
		{"text", &hostv1.DeclareRequest{Configuration: long}, tunnel.TooLong, "configuration"},
		{"text in a list", &hostv1.DeclareRequest{Declarations: []*hostv1.Declaration{{}, {Slots: []string{"a", long}}}}, tunnel.TooLong, "declarations[1].slots[1]"},
		{"list", &hostv1.DeclareRequest{Declarations: many}, tunnel.TooMany, "declarations"},
		{"lists together", crowded(), tunnel.TooMany, ""},
		{"unknown field", unknown, tunnel.UnknownKey, ""},
		{"unknown field below", inner, tunnel.UnknownKey, "declarations[0]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := guard(t)
			err := decode(g.conn.Invoke(t.Context(), hostv1.HostService_Declare_FullMethodName, c.req, &hostv1.DeclareResponse{}))
			fs := findingsIn(err)
			if len(fs) != 1 || fs[0].Code != c.code || fs[0].Field != c.field || fs[0].WayOut == "" {
				t.Errorf("answered with %+v (%v)", fs, err)
			}
		})
	}
	t.Run("unknown field in a stream's request", func(t *testing.T) {
		req := &hostv1.ListRequest{}
		req.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 1000, protowire.VarintType), 1))
		g := guard(t)
		err := g.call(t.Context(), hostMethods()[2], req)
		if fs := findingsIn(err); len(fs) != 1 || fs[0].Code != tunnel.UnknownKey {
			t.Errorf("answered with %v", err)
		}
	})
}

func TestFindingsAboutOneRequestAreBounded(t *testing.T) {
	long := strings.Repeat("x", MaxText+1)
	req := &hostv1.DeclareRequest{}
	for range MaxList {
		req.Declarations = append(req.Declarations, &hostv1.Declaration{Ref: long})
	}
	if n := len(bounds(req)); n != maxFindings {
		t.Errorf("%d findings", n)
	}
}

// A module cannot make the host work without bound by connecting again and again.
func TestCallsUnderWayAreLimitedOverAllConnections(t *testing.T) {
	h := hanging{left: make(chan error, maxCalls)}
	server := newHostServer(adsync(h))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	answered := make(chan error, 2*maxCalls)
	for range 2 {
		c := newClient(connect(t, server), os.Getpid())
		for range maxCalls {
			go func() { answered <- c.Declare(ctx, "berlin", nil) }()
		}
	}
	for range maxCalls {
		if err := <-answered; !errors.Is(err, tunnel.ErrInvalid) || !strings.Contains(err.Error(), "under way") {
			t.Fatalf("one too many is answered with %v", err)
		}
	}
	cancel()
	for range maxCalls {
		if err := <-answered; !errors.Is(err, context.Canceled) {
			t.Fatalf("one of the first is answered with %v", err)
		}
		<-h.left
	}
}
