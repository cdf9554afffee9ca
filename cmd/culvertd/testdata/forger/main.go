// Command forger is a hostile module: it skips the SDK, speaks the wire format itself and tries to change what is not
// its own, in every way that there is from inside a module. Its state directory then holds report.json: what each attempt
// was answered, and all that it could read.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	hostv1 "github.com/culvert-pbx/culvert/proto/host/v1"
	pluginv1 "github.com/culvert-pbx/culvert/proto/plugin/v1"
)

const schema = `{"type":"object","additionalProperties":false,"properties":{"orders":{"type":"string"}}}`

// orders are what the forger is told, as the text of one setting.
type orders struct {
	Round   int      // comes back in the report
	Victim  string   // the tunnel of another
	Sockets []string // of other modules' connections to the host
	Control string   // the operator's socket,
	Token   string   // what lies beside it,
	Routes  []string // and "METHOD PATH" of each change
}

// attempt is one forged call.
type attempt struct {
	Way, Method, Field string
	ReadOnly           bool   // it promises to change nothing
	Error              string // "" when it was answered
}

// report is what came of one round.
type report struct {
	Round    int
	Attempts []attempt
	Read     string // every tunnel, as the host shows it
}

type forger struct {
	pluginv1.UnimplementedPluginServiceServer
	plugin.NetRPCUnsupportedPlugin
	broker *plugin.GRPCBroker
	host   *grpc.ClientConn
}

func main() {
	f := &forger{}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: "CULVERT_MODULE", MagicCookieValue: "started-by-culvertd"},
		VersionedPlugins: map[int]plugin.PluginSet{1: {"module": f}},
		GRPCServer:       plugin.DefaultGRPCServer,
	})
}

func (f *forger) GRPCServer(b *plugin.GRPCBroker, s *grpc.Server) error {
	f.broker = b
	pluginv1.RegisterPluginServiceServer(s, f)
	return nil
}

func (*forger) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("the forger is a module only")
}

func (*forger) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	return &pluginv1.DescribeResponse{Description: &pluginv1.Description{
		Name: os.Args[0], Version: "6.6.6", Policy: &pluginv1.Policy{Any: true}, Schema: []byte(schema),
	}}, nil
}

func (f *forger) Connect(_ context.Context, r *pluginv1.ConnectRequest) (*pluginv1.ConnectResponse, error) {
	var err error
	f.host, err = f.broker.Dial(r.GetBrokerId())
	return &pluginv1.ConnectResponse{}, err
}

func (f *forger) Run(ctx context.Context, r *pluginv1.RunRequest) (*pluginv1.RunResponse, error) {
	var s struct{ Orders string }
	var o orders
	if err := errors.Join(json.Unmarshal(r.GetSettings(), &s), json.Unmarshal([]byte(s.Orders), &o)); err != nil {
		return nil, err
	}
	text, err := json.Marshal(report{Round: o.Round, Attempts: f.attack(ctx, o), Read: f.read(ctx)})
	if err != nil {
		return nil, err
	}
	tmp := filepath.Join(r.GetDir(), "report.tmp")
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return nil, err
	}
	return &pluginv1.RunResponse{}, os.Rename(tmp, filepath.Join(r.GetDir(), "report.json"))
}

// attack goes every way.
func (f *forger) attack(ctx context.Context, o orders) (all []attempt) {
	add := func(way string, some []attempt) {
		for _, a := range some {
			a.Way = way
			all = append(all, a)
		}
	}
	_, err := hostv1.NewHostServiceClient(f.host).Declare(ctx, &hostv1.DeclareRequest{Configuration: "default"})
	add("owner", []attempt{{Method: "Declare", Field: "its own", Error: text(err)}})
	add("other owner", f.forgeAll(ctx, o.Victim))
	add("replay", f.forgeAll(ctx, o.Victim))
	add("foreign names", f.foreignNames(ctx, o.Victim))
	for _, path := range o.Sockets {
		add("another's connection", f.through(ctx, path, o.Victim))
	}
	add("as the operator", asOperator(ctx, o))
	return all
}

// forgeAll walks what the wire format knows today, so that a call added tomorrow is tried as well.
func (f *forger) forgeAll(ctx context.Context, victim string) []attempt {
	var all []attempt
	services := hostv1.File_host_v1_host_proto.Services()
	for i := range services.Len() {
		methods := services.Get(i).Methods()
		for j := range methods.Len() {
			m := methods.Get(j)
			for _, path := range fields(m.Input(), nil) {
				msg := dynamicpb.NewMessage(m.Input())
				fill(msg, path, victim)
				all = append(all, f.call(ctx, m, msg, name(path)))
			}
			md := metadata.AppendToOutgoingContext(ctx, "owner", victim, "culvert-owner", strings.Split(victim, "/")[0], "tunnel", victim)
			all = append(all, f.call(md, m, dynamicpb.NewMessage(m.Input()), "metadata"))
		}
	}
	return all
}

// fields are the paths of all string, bytes and repeated fields of a message, nested ones too.
func fields(d protoreflect.MessageDescriptor, at []protoreflect.FieldDescriptor) [][]protoreflect.FieldDescriptor {
	var out [][]protoreflect.FieldDescriptor
	if len(at) > 5 {
		return nil
	}
	for i := range d.Fields().Len() {
		fd := d.Fields().Get(i)
		path := append(append([]protoreflect.FieldDescriptor{}, at...), fd)
		switch fd.Kind() {
		case protoreflect.StringKind, protoreflect.BytesKind:
			out = append(out, path)
		case protoreflect.MessageKind:
			out = append(out, fields(fd.Message(), path)...)
		}
	}
	return out
}

// fill sets the field at the end of path, in one element where the way there is repeated.
func fill(m protoreflect.Message, path []protoreflect.FieldDescriptor, victim string) {
	fd := path[0]
	value := func() protoreflect.Value {
		if fd.Kind() == protoreflect.BytesKind {
			return protoreflect.ValueOfBytes([]byte(victim))
		}
		return protoreflect.ValueOfString(victim)
	}
	switch {
	case fd.IsList() && len(path) == 1:
		m.Mutable(fd).List().Append(value())
	case fd.IsList():
		fill(m.Mutable(fd).List().AppendMutable().Message(), path[1:], victim)
	case len(path) == 1:
		m.Set(fd, value())
	default:
		fill(m.Mutable(fd).Message(), path[1:], victim)
	}
}

func name(path []protoreflect.FieldDescriptor) string {
	var parts []string
	for _, fd := range path {
		parts = append(parts, string(fd.Name()))
	}
	return strings.Join(parts, ".")
}

func (f *forger) call(ctx context.Context, m protoreflect.MethodDescriptor, req proto.Message, field string) attempt {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	full := "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
	a := attempt{Method: string(m.Name()), Field: field, ReadOnly: strings.Contains(m.Options().ProtoReflect().Interface().(interface{ String() string }).String(), "NO_SIDE_EFFECTS")}
	var err error
	if m.IsStreamingServer() {
		err = f.stream(ctx, full, req, m)
	} else {
		err = f.host.Invoke(ctx, full, req, dynamicpb.NewMessage(m.Output()))
	}
	if err != nil {
		a.Error = err.Error()
	}
	return a
}

// stream reads what comes until the end, or until the time of the call is over.
func (f *forger) stream(ctx context.Context, full string, req proto.Message, m protoreflect.MethodDescriptor) error {
	s, err := f.host.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, full)
	if err != nil {
		return err
	}
	if err := errors.Join(s.SendMsg(req), s.CloseSend()); err != nil {
		return err
	}
	for {
		err := s.RecvMsg(dynamicpb.NewMessage(m.Output()))
		if errors.Is(err, io.EOF) || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (*forger) Stop(context.Context, *pluginv1.StopRequest) (*pluginv1.StopResponse, error) {
	return &pluginv1.StopResponse{}, nil
}
