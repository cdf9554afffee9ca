package wire

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	hostv1 "github.com/culvert-pbx/culvert/proto/host/v1"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// gate is passed by every request of a module before the call it asks for sees it.
type gate struct {
	owner   tunnel.Owner
	refused func(method string, ref tunnel.Ref)
	calls   chan struct{} // holds one token per call under way
	lists   chan struct{} // and of these, per list
	pace    Pace
}

func newGate(owner tunnel.Owner, refused func(string, tunnel.Ref)) *gate {
	return &gate{
		owner: owner, refused: refused, calls: make(chan struct{}, maxCalls), lists: make(chan struct{}, maxLists),
		pace: Pace{Rate: callRate, Burst: callBurst},
	}
}

// How much work a module may make for the host. A read of one tunnel counts one.
const (
	callRate  = 500 // a second,
	callBurst = 1000
	heavy     = 10 // what counts so many: a change, and whatever concerns all tunnels
)

func (g *gate) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if !g.enter() {
		return nil, encode(tooManyCalls)
	}
	defer g.leave()
	g.wait(info.FullMethod)
	if err := g.check(ctx, info.FullMethod, req.(proto.Message)); err != nil {
		return nil, encode(err)
	}
	res, err := next(ctx, req)
	return res, encode(err)
}

func (g *gate) stream(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if !g.enter() {
		return encode(tooManyCalls)
	}
	defer g.leave()
	g.wait(info.FullMethod)
	if info.FullMethod == hostv1.HostService_List_FullMethodName {
		select {
		case g.lists <- struct{}{}:
			defer func() { <-g.lists }()
		case <-s.Context().Done():
			return encode(s.Context().Err())
		}
	}
	return encode(next(srv, gated{s, g, info.FullMethod}))
}

// wait is until it is the module's turn to call again. It does not end sooner when the call does: who gives up its calls
// to make others gains nothing, for there is no room for these.
func (g *gate) wait(method string) {
	n := heavy
	if light[method] {
		n = 1
	}
	time.Sleep(min(g.pace.Take(n), CallTimeout))
}

// light are the calls that concern one tunnel and change nothing that is kept.
var light = map[string]bool{
	hostv1.HostService_Get_FullMethodName:               true,
	hostv1.HostService_DialSocket_FullMethodName:        true,
	hostv1.HostService_ListenSocket_FullMethodName:      true,
	hostv1.HostService_LocalDialSocket_FullMethodName:   true,
	hostv1.HostService_LocalListenSocket_FullMethodName: true,
}

// enter makes room for one more call, if there is any. A module that keeps to one connection never finds none, for its
// calls wait at its own end.
func (g *gate) enter() bool {
	select {
	case g.calls <- struct{}{}:
		return true
	default:
		return false
	}
}

func (g *gate) leave() { <-g.calls }

var tooManyCalls = tunnel.Findings{{
	Code: tunnel.TooMany, Field: "calls", Value: fmt.Sprint(maxCalls),
	Message: fmt.Sprintf("the module has %d calls under way already", maxCalls), WayOut: "end some of them first",
}}

// gated checks what a stream receives.
type gated struct {
	grpc.ServerStream
	gate   *gate
	method string
}

func (s gated) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	arrived(s.Context())
	return s.gate.check(s.Context(), s.method, m.(proto.Message))
}

// check refuses a call that may change something and names a tunnel of another owner, before anything else but a
// request that is too large to look at, and then whatever is wrong with the request's form.
func (g *gate) check(ctx context.Context, method string, m proto.Message) error {
	if fs := counts(m); len(fs) > 0 {
		return fs
	}
	if !readOnly[method] {
		if fs := g.foreign(ctx, path.Base(method), m); len(fs) > 0 {
			return fs
		}
	}
	return contents(m).Err()
}

// foreign finds every tunnel of another owner that the request names, in whichever of its fields or in its metadata.
func (g *gate) foreign(ctx context.Context, method string, m proto.Message) tunnel.Findings {
	seen := map[tunnel.Ref]bool{}
	var fs tunnel.Findings
	look := func(at place, s string) {
		if len(s) > maxRef || !strings.Contains(s, "/") || len(fs) == maxFindings {
			return // most texts: no ref
		}
		ref, bad := tunnel.ParseRef(s)
		if len(bad) > 0 || tunnel.MayChange(g.owner, ref) || seen[ref] {
			return
		}
		seen[ref] = true
		f := tunnel.NotOwnerFinding(ref)
		f.Field = at.String()
		fs = append(fs, f)
		if g.refused != nil {
			g.refused(method, ref)
		}
	}
	walk(m.ProtoReflect(), visitor{
		message: func(place, protoreflect.Message) {},
		list:    func(place, int) bool { return true },
		text:    func(at place, s string, _ int) { look(at, s) },
	})
	md, _ := metadata.FromIncomingContext(ctx)
	delete(md, "content-type") // application/grpc, which reads like a ref
	for key, values := range md {
		for _, s := range values {
			look(place{{"metadata", -1}, {protoreflect.Name(key), -1}}, s)
		}
	}
	return fs
}

// maxRef is how long a tunnel's full name can be.
const maxRef = tunnel.MaxName + len("/") + tunnel.MaxTunnelName

// readOnly are the calls that say of themselves that they have no side effects. Every other one may change something.
var readOnly = func() map[string]bool {
	calls := map[string]bool{}
	services := hostv1.File_host_v1_host_proto.Services()
	for i := range services.Len() {
		methods := services.Get(i).Methods()
		for j := range methods.Len() {
			m := methods.Get(j)
			o, _ := m.Options().(*descriptorpb.MethodOptions)
			full := "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
			calls[full] = o.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS
		}
	}
	return calls
}()
