package sshtunnel_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"github.com/culvert-pbx/culvert/host/porttest"
	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "8") // most of those wait for somebody who is silent
	goleak.VerifyTestMain(m)
}

const password = "correct horse"

// start runs a site that takes the password unless o says otherwise.
func start(t *testing.T, o sshtest.Options) *sshtest.Server {
	t.Helper()
	if o.Password == "" && o.KeyboardInteractive == "" && o.AuthorizedKeys == nil {
		o.Password = password
	}
	s, err := sshtest.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// config logs in at host and port by password.
func config(host string, port int) sshtunnel.Config {
	return sshtunnel.Config{
		Server:     tunnel.Server{Host: host, Port: port, User: "root"},
		Credential: tunnel.Credential{Login: tunnel.LoginPassword, Password: password},
		Log:        hclog.NewNullLogger(),
	}
}

// running is a link under test.
type running struct {
	*sshtunnel.Link
	stop func() error    // ends the link and returns what Run returned
	gone <-chan struct{} // closed when Run has returned
	ctx  context.Context // serve's

	mu    sync.Mutex
	local map[string]*localSide
}

// open runs a link until the test ends.
func open(t *testing.T, c sshtunnel.Config) *running {
	t.Helper()
	r, err := tryOpen(t, c)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	return r
}

func tryOpen(t *testing.T, c sshtunnel.Config) (*running, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{}
	up, down := make(chan struct{}), make(chan struct{})
	var result error
	go func() {
		defer close(down)
		result = run(ctx, &c, func(ctx context.Context, l *sshtunnel.Link) error {
			r.Link, r.ctx = l, ctx
			close(up)
			<-ctx.Done()
			return nil
		})
	}()
	r.gone = down
	r.stop = sync.OnceValue(func() error { cancel(); <-down; return result })
	t.Cleanup(func() { r.stop() })
	select {
	case <-up:
		return r, nil
	case <-down:
		return nil, result
	}
}

// run has serve use the link of a Run until it returns, which ends the link.
func run(ctx context.Context, c *sshtunnel.Config, serve func(context.Context, *sshtunnel.Link) error) error {
	return sshtunnel.Run(ctx, c, func(ctx context.Context, l *sshtunnel.Link) func() {
		served := make(chan struct{})
		go func() {
			defer close(served)
			l.End(serve(ctx, l))
		}()
		return func() { <-served }
	})
}

// soon is the context of a call that is expected to succeed.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// must fails the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantReason fails the test unless err is a Failure of that reason with a sentence and a remedy.
func wantReason(t *testing.T, err error, reason tunnel.Reason) *sshtunnel.Failure {
	t.Helper()
	var f *sshtunnel.Failure
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want a Failure of reason %s", err, reason)
	}
	if f.Reason != reason {
		t.Fatalf("got reason %s (%v), want %s", f.Reason, f, reason)
	}
	t.Logf("%v\n%s", f, f.Remedy)
	if f.Message == "" || f.Remedy == "" {
		t.Fatalf("no message or no remedy in %+v", f)
	}
	return f
}

// eventually polls until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// freePort is a port of loopback that nobody listens on in either family.
func freePort(t *testing.T) int { t.Helper(); return porttest.Free(t) }

// service is a TCP service on loopback that counts who comes and what they say.
type service struct {
	net.Listener
	port        int
	connections atomic.Int64
	bytes       atomic.Int64
}

// serve starts a service whose connections handle gets; they are closed after it.
func serve(t *testing.T, handle func(*net.TCPConn)) *service {
	t.Helper()
	return serveAt(t, "127.0.0.1:0", handle)
}

func serveAt(t *testing.T, addr string, handle func(*net.TCPConn)) *service {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	must(t, err)
	s := &service{Listener: l, port: l.Addr().(*net.TCPAddr).Port}
	var work sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.connections.Add(1)
			mu.Lock()
			open[c] = true
			mu.Unlock()
			work.Go(func() {
				defer c.Close()
				handle(c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		work.Wait()
	})
	return s
}

// stuck takes connections and neither reads, writes nor closes them.
func stuck(t *testing.T) *service {
	t.Helper()
	stop := make(chan struct{})
	s := serve(t, func(*net.TCPConn) { <-stop })
	t.Cleanup(func() { close(stop) }) // before the service waits for its connections
	return s
}

// counting answers nothing and counts every byte.
func counting(t *testing.T) *service {
	var s *service
	ready := make(chan struct{})
	s = serve(t, func(c *net.TCPConn) {
		<-ready
		n, _ := io.Copy(io.Discard, c)
		s.bytes.Add(n)
	})
	close(ready)
	return s
}

// echo sends back what it gets and ends when its client ends.
func echo(c *net.TCPConn) {
	_, _ = io.Copy(c, c)
	_ = c.CloseWrite()
}

func dial(t *testing.T, host string, port int) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp", net.JoinHostPort(host, strconv.Itoa(port)), 5*time.Second)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	must(t, c.SetDeadline(time.Now().Add(30*time.Second)))
	return c.(*net.TCPConn)
}

// swap sends data through c, ends that direction, and returns the SHA-256 of all that comes back.
func swap(t *testing.T, c interface {
	io.ReadWriter
	CloseWrite() error
}, data []byte) (sum [32]byte, n int64) {
	t.Helper()
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(data)
		sent <- errors.Join(err, c.CloseWrite())
	}()
	h := sha256.New()
	n, err := io.Copy(h, c)
	must(t, err)
	must(t, <-sent)
	return [32]byte(h.Sum(nil)), n
}

// talk sends a line through c and expects it back.
func talk(t *testing.T, c net.Conn, line string) {
	t.Helper()
	_, err := io.WriteString(c, line)
	must(t, err)
	got := make([]byte, len(line))
	_, err = io.ReadFull(c, got)
	must(t, err)
	if string(got) != line {
		t.Fatalf("got %q, want %q", got, line)
	}
}

func reach(name string, lport int, target string, rport int) tunnel.Mapping {
	return tunnel.Mapping{Name: name, Kind: tunnel.Reach, Local: tunnel.Endpoint{Port: lport}, Remote: tunnel.Endpoint{Host: target, Port: rport}}
}

func expose(name string, lport, rport int) tunnel.Mapping {
	return tunnel.Mapping{Name: name, Kind: tunnel.Expose, Local: tunnel.Endpoint{Port: lport}, Remote: tunnel.Endpoint{Port: rport}}
}

// digest reads until its client has ended its direction, and only then answers: the SHA-256 of what came, then all of it.
func digest(c *net.TCPConn) {
	data, err := io.ReadAll(c)
	if err != nil {
		return
	}
	_, _ = c.Write(digestOf(data))
	_ = c.CloseWrite()
	_, _ = io.Copy(io.Discard, c)
}

// digestOf is what digest answers to data.
func digestOf(data []byte) []byte {
	sum := sha256.Sum256(data)
	return append(sum[:], data...)
}

// exchangeAll sends data, ends that direction and returns all that comes back.
func exchangeAll(t *testing.T, c interface {
	io.ReadWriter
	CloseWrite() error
}, data []byte) []byte {
	t.Helper()
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(data)
		sent <- errors.Join(err, c.CloseWrite())
	}()
	got, err := io.ReadAll(c)
	must(t, err)
	must(t, <-sent)
	return got
}

// askTarget opens the service behind a mapping.
func askTarget(l *running, ctx context.Context, name string) error {
	_, err := l.Target(ctx, name, nil)
	return err
}
