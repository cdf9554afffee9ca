package wire

import (
	"context"
	"fmt"
	"strconv"

	"google.golang.org/grpc"

	hostv1 "github.com/culvert-pbx/culvert/proto/host/v1"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// hostServer answers one module. Its requests have passed the gate.
type hostServer struct {
	hostv1.UnimplementedHostServiceServer
	h HostServices
}

func (s *hostServer) Declare(ctx context.Context, req *hostv1.DeclareRequest) (*hostv1.DeclareResponse, error) {
	err := s.h.Service.Declare(ctx, req.GetConfiguration(), declarationsOf(req.GetDeclarations()))
	return &hostv1.DeclareResponse{}, err
}

func (s *hostServer) Get(ctx context.Context, req *hostv1.GetRequest) (*hostv1.GetResponse, error) {
	ref, fs := tunnel.ParseRef(req.GetRef())
	if len(fs) > 0 {
		return nil, fs.In("ref")
	}
	v, err := s.h.Service.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	return &hostv1.GetResponse{Tunnel: viewTo(v)}, nil
}

// List takes the whole before it sends any of it, so that a slow reader holds nothing of the registry's.
func (s *hostServer) List(req *hostv1.ListRequest, out grpc.ServerStreamingServer[hostv1.ListResponse]) error {
	all, err := tunnel.Sharing(s.h.Service).ListShown(out.Context())
	if err != nil {
		return err
	}
	for answer, err := range answers(all, req.GetSeveral()) {
		if err != nil {
			return err
		}
		if err := out.SendMsg(answer); err != nil {
			return err
		}
	}
	return nil
}

func (s *hostServer) Watch(_ *hostv1.WatchRequest, out grpc.ServerStreamingServer[hostv1.WatchResponse]) error {
	for c, err := range tunnel.Sharing(s.h.Service).WatchShown(out.Context()) {
		if err != nil {
			return err
		}
		m, err := encodeChange(c)
		if err != nil {
			return err
		}
		if err := out.SendMsg(m); err != nil {
			return err
		}
	}
	return nil
}

func (s *hostServer) DialSocket(ctx context.Context, req *hostv1.DialSocketRequest) (*hostv1.DialSocketResponse, error) {
	ref, m, err := FindReach(ctx, s.h.Service, s.h.Owner, req.GetConfiguration(), req.GetSite(), req.GetMapping())
	if err != nil {
		return nil, err
	}
	path, err := s.h.SocketPath(ctx, ref, m.Name)
	return &hostv1.DialSocketResponse{Path: path}, err
}

func (s *hostServer) ListenSocket(ctx context.Context, req *hostv1.ListenSocketRequest) (*hostv1.ListenSocketResponse, error) {
	ref, m, err := FindExpose(ctx, s.h.Service, s.h.Owner, req.GetConfiguration(), req.GetSite(), req.GetMapping())
	if err != nil {
		return nil, err
	}
	path, err := s.h.ListenPath(ctx, ref, m.Name)
	return &hostv1.ListenSocketResponse{Path: path}, err
}

func (s *hostServer) LocalDialSocket(ctx context.Context, req *hostv1.LocalDialSocketRequest) (*hostv1.LocalDialSocketResponse, error) {
	path, err := localPath(ctx, s.h.LocalDialPath, req.GetPort())
	return &hostv1.LocalDialSocketResponse{Path: path}, err
}

func (s *hostServer) LocalListenSocket(ctx context.Context, req *hostv1.LocalListenSocketRequest) (*hostv1.LocalListenSocketResponse, error) {
	path, err := localPath(ctx, s.h.LocalListenPath, req.GetPort())
	return &hostv1.LocalListenSocketResponse{Path: path}, err
}

func localPath(ctx context.Context, f func(context.Context, int) (string, error), port uint32) (string, error) {
	if port == 0 || port > 65535 {
		return "", tunnel.Findings{{
			Code: tunnel.OutOfRange, Field: "port", Value: strconv.Itoa(int(port)),
			Message: fmt.Sprintf("there is no port %d", port), WayOut: "give a port from 1 to 65535",
		}}
	}
	return f(ctx, int(port))
}
