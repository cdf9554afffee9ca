package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"time"
	"unsafe"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	hostv1 "github.com/culvert-pbx/culvert/proto/host/v1"
	pluginv1 "github.com/culvert-pbx/culvert/proto/plugin/v1"
)

type deed func(ctx context.Context, r *rogue, dir string) (*pluginv1.RunResponse, error)

// deeds are what a run can do.
var deeds = map[string]deed{
	"probe":       probe,
	"crash":       func(context.Context, *rogue, string) (*pluginv1.RunResponse, error) { os.Exit(3); return nil, nil },
	"hang":        func(context.Context, *rogue, string) (*pluginv1.RunResponse, error) { forever(); return nil, nil },
	"answer":      answer,
	"memory":      memory,
	"descriptors": descriptors,
	"programs":    programs,
	"stderr": func(ctx context.Context, _ *rogue, _ string) (*pluginv1.RunResponse, error) {
		return flood(ctx, os.Stderr)
	},
	"stdout": func(ctx context.Context, _ *rogue, _ string) (*pluginv1.RunResponse, error) {
		return flood(ctx, os.Stdout)
	},
	"big":         loop(64, (*rogue).big),
	"crowd":       loop(250, (*rogue).crowd),
	"utf8":        loop(8, (*rogue).badText),
	"declare":     loop(64, (*rogue).declare),
	"headers":     loop(250, (*rogue).headers),
	"streams":     loop(1000, (*rogue).stream),
	"lists":       loop(250, (*rogue).list),
	"watches":     loop(250, (*rogue).watch),
	"connections": connections,
}

// loop does one thing again and again, n at a time, until ctx ends.
func loop(n int, do func(*rogue, context.Context) error) deed {
	return func(ctx context.Context, r *rogue, dir string) (*pluginv1.RunResponse, error) {
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				for ctx.Err() == nil {
					if err := do(r, ctx); err != nil && i == 0 {
						note(dir, "answer", err.Error())
					}
				}
			})
		}
		wg.Wait()
		return nil, ctx.Err()
	}
}

// encoded are requests as they go over the wire, made once: what is measured is the host's work.
var (
	big   = sync.OnceValue(func() []byte { return marshal(&hostv1.DeclareRequest{Configuration: strings.Repeat("x", 100<<20)}) })
	crowd = sync.OnceValue(func() []byte {
		all, one := make([]*hostv1.Declaration, 2<<20-1), &hostv1.Declaration{}
		for i := range all {
			all[i] = one
		}
		return marshal(&hostv1.DeclareRequest{Declarations: all})
	})
)

func marshal(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

// declareRaw sends a Declare as it is.
func (r *rogue) declareRaw(ctx context.Context, b []byte) error {
	return r.conn.Invoke(ctx, hostv1.HostService_Declare_FullMethodName, b, &hostv1.DeclareResponse{}, grpc.ForceCodec(raw{}))
}

// big sends 100 MB in one message.
func (r *rogue) big(ctx context.Context) error { return r.declareRaw(ctx, big()) }

// crowd sends as many elements as fit a message that is allowed.
func (r *rogue) crowd(ctx context.Context) error { return r.declareRaw(ctx, crowd()) }

// badText sends what is no UTF-8: a request of raw bytes.
func (r *rogue) badText(ctx context.Context) error {
	return r.declareRaw(ctx, []byte("\x0a\x04\xff\xfe\xfd\xfc"))
}

// raw sends bytes as they are and reads nothing.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error) { return v.([]byte), nil }
func (raw) Unmarshal([]byte, any) error   { return nil }
func (raw) Name() string                  { return "proto" }

func (r *rogue) declare(ctx context.Context) error {
	_, err := r.host.Declare(ctx, &hostv1.DeclareRequest{Configuration: "default"})
	return err
}

// headers opens a watch with headers of many megabytes.
func (r *rogue) headers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(ctx, "x", strings.Repeat("x", 8<<20)), time.Second)
	defer cancel()
	return r.unread(ctx, func(ctx context.Context) (grpc.ClientStream, error) { return r.host.Watch(ctx, &hostv1.WatchRequest{}) })
}

// stream opens a stream and drops it at once.
func (r *rogue) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	_, err := r.host.Watch(ctx, &hostv1.WatchRequest{})
	cancel()
	return err
}

func (r *rogue) list(ctx context.Context) error {
	return r.unread(ctx, func(ctx context.Context) (grpc.ClientStream, error) { return r.host.List(ctx, &hostv1.ListRequest{}) })
}

func (r *rogue) watch(ctx context.Context) error {
	return r.unread(ctx, func(ctx context.Context) (grpc.ClientStream, error) { return r.host.Watch(ctx, &hostv1.WatchRequest{}) })
}

// unread opens a stream and never reads of it more than whether it was refused.
func (*rogue) unread(ctx context.Context, open func(context.Context) (grpc.ClientStream, error)) error {
	s, err := open(ctx)
	if err != nil {
		return err
	}
	if _, err := s.Header(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-time.After(30 * time.Second):
	}
	return nil
}

// connections opens as many connections as there are descriptors, each with streams that nobody reads.
func connections(ctx context.Context, r *rogue, dir string) (*pluginv1.RunResponse, error) {
	sockets, err := filepath.Glob(filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), "*"))
	if err != nil || len(sockets) == 0 {
		return nil, errors.Join(err, errors.New("there are no sockets"))
	}
	for _, path := range sockets {
		if c, err := tls.Dial("unix", path, r.tls()); err != nil {
			continue // its own
		} else {
			c.Close()
		}
		for range 450 {
			conn, err := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(credentials.NewTLS(r.tls())))
			if err != nil {
				return nil, err
			}
			go func() {
				defer conn.Close()
				other := &rogue{host: hostv1.NewHostServiceClient(conn)}
				for ctx.Err() == nil {
					if err := other.watch(ctx); err != nil {
						note(dir, "answer", err.Error())
					}
				}
			}()
		}
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// tls is what go-plugin secures this process's connections with.
func (r *rogue) tls() *tls.Config {
	f := reflect.ValueOf(r.broker).Elem().FieldByName("tls")
	return *(**tls.Config)(unsafe.Pointer(f.UnsafeAddr()))
}

// answer returns more than anybody wants to read.
func answer(context.Context, *rogue, string) (*pluginv1.RunResponse, error) {
	return nil, status.Error(codes.Internal, strings.Repeat("\x1b[31m", 20<<20))
}

// memory takes memory without end.
func memory(ctx context.Context, _ *rogue, _ string) (*pluginv1.RunResponse, error) {
	var all [][]byte
	for ctx.Err() == nil {
		all = append(all, bytes.Repeat([]byte{1}, 16<<20))
	}
	return nil, fmt.Errorf("%d", len(all))
}

// descriptors opens files until there are no more, and keeps them.
func descriptors(ctx context.Context, _ *rogue, dir string) (*pluginv1.RunResponse, error) {
	var all []*os.File
	for {
		f, err := os.Create(filepath.Join(dir, "file"))
		if err != nil {
			note(dir, "answer", err.Error())
			break
		}
		all = append(all, f)
	}
	<-ctx.Done()
	return nil, fmt.Errorf("%d", len(all))
}

// programs starts two hundred processes, if it can: enough to see that nothing bounds them.
func programs(ctx context.Context, _ *rogue, dir string) (*pluginv1.RunResponse, error) {
	started := 0
	for range 200 {
		if err := exec.Command("/bin/sleep", "60").Start(); err != nil {
			note(dir, "answer", err.Error())
			continue
		}
		started++
	}
	note(dir, "started", fmt.Sprint(started))
	<-ctx.Done()
	return nil, ctx.Err()
}

// flood writes lines without end that look like an operator's terminal, or like another's log.
func flood(ctx context.Context, to *os.File) (*pluginv1.RunResponse, error) {
	line := []byte("\x1b]0;owned\x07\x1b[2J{\"@level\":\"error\",\"@message\":\"forged\"}\r2026-01-01T00:00:00.000Z ERROR forged\n" +
		`{"@level":"error","@message":"forged\u001b[31m\nculvertd: all is well","@module":"go-plugin","x":` +
		strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "}\n")
	for sent := 0; sent < 1<<30 && ctx.Err() == nil; sent += len(line) {
		if _, err := to.Write(line); err != nil {
			return nil, err
		}
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// probe is a good module: it asks the host in turn for one tunnel and for all, and writes how long each answer took, in
// microseconds.
func probe(ctx context.Context, r *rogue, dir string) (*pluginv1.RunResponse, error) {
	f, err := os.Create(filepath.Join(dir, "took"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		began := time.Now()
		if _, err := r.host.Get(ctx, &hostv1.GetRequest{Ref: "operator/x"}); err != nil {
			return nil, err
		}
		fmt.Fprintln(f, time.Since(began).Microseconds())
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
