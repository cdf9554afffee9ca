package supervisor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// The test binary plays a module's process when it is told to: it dials the socket, sends its standard input and
// prints what it hears.
const (
	dialEnv  = "SUPERVISOR_TEST_DIAL"  // the socket
	dialsEnv = "SUPERVISOR_TEST_DIALS" // how often to dial it; then the first line heard on any is printed
)

// asListener makes it listen on the socket, as the host would, instead of dialling it.
const asListener = 0

func playModule(path string) error {
	n, err := strconv.Atoi(os.Getenv(dialsEnv))
	if err != nil {
		return err
	}
	if n == asListener {
		return playHost(path)
	}
	lines := make(chan string, n)
	for range n - 1 {
		conn, err := net.Dial("unix", path)
		if err != nil {
			return err
		}
		go func() {
			line, _ := bufio.NewReader(conn).ReadString('\n')
			lines <- line
		}()
	}
	if n > 1 {
		fmt.Print(<-lines)
		return nil
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		return err
	}
	r := bufio.NewReader(conn)
	greeting, err := r.ReadString('\n')
	fmt.Print(greeting)
	if err != nil || !strings.Contains(greeting, "true") {
		return nil
	}
	go func() {
		_, _ = io.Copy(conn, os.Stdin)
		_ = conn.(*net.UnixConn).CloseWrite()
	}()
	_, err = io.Copy(os.Stdout, r)
	return err
}

// playHost greets everybody at path until it is killed.
func playHost(path string) error {
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		fmt.Fprintln(conn, `{"ok":true}`)
		conn.Close()
	}
}

// module is a process that uses a private socket.
type module struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// start runs a module that dials path, once it can.
func (h *house) start(path string, dials int) *module {
	h.t.Helper()
	if dials != asListener {
		h.until("its socket is there", func() bool { return h.listens(filepath.Base(path)) })
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{"GORACE=atexit_sleep_ms=0", dialEnv + "=" + path, dialsEnv + "=" + strconv.Itoa(dials)}
	in, err := cmd.StdinPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	m := &module{cmd, in, bufio.NewReader(out)}
	h.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return m
}

// answer is the line the host speaks first.
type answer struct {
	OK    bool
	Error *tunnel.StatusError
}

// hear reads the greeting; it fails the test where none comes.
func (h *house) hear(m *module) answer {
	h.t.Helper()
	line, err := m.out.ReadString('\n')
	if err != nil {
		h.t.Fatalf("no greeting: %q, %v", line, err)
	}
	var a answer
	if err := json.Unmarshal([]byte(line), &a); err != nil {
		h.t.Fatalf("greeting of %d bytes: %v", len(line), err)
	}
	return a
}

var (
	berlin = tunnel.Ref{Owner: "adsync", Name: "berlin.site"}
	smb    = tunnel.Mapping{Name: "smb", Kind: tunnel.Reach, Slot: "smb", Remote: tunnel.Endpoint{Port: 445}}
)

// house is a Supervisor with private sockets in a directory, in real time, and a site that answers.
type house struct {
	t      *testing.T
	dir    string
	source *fakeSource
	engine *fakeEngine
	sup    *Supervisor
	opened atomic.Bool // whether strangers count as the module
}

func newHouse(t *testing.T) *house {
	t.Helper()
	return newHouseWith(t, Config{})
}

// newHouseWith is newHouse with what is set in c.
func newHouseWith(t *testing.T, c Config) *house {
	h := &house{t: t, dir: t.TempDir(), source: newFakeSource(), engine: &fakeEngine{}}
	h.opened.Store(true)
	open := h.site() // ends after all that uses it
	h.engine.shape = func(l *fakeLink) { l.open = open }
	c.Source, c.Engine, c.Log, c.Relay = h.source, h.engine, quiet, relay
	c.Sockets = Sockets{
		Path:    func(_ tunnel.Ref, mapping string) string { return filepath.Join(h.dir, mapping) },
		Prepare: func(tunnel.Owner) error { return os.MkdirAll(h.dir, 0o700) },
		Allowed: func(owner tunnel.Owner, pid int) bool {
			return h.opened.Load() && owner == "adsync" && pid != os.Getpid()
		},
		Greet: func(w io.Writer, err error) error {
			var se *tunnel.StatusError
			errors.As(err, &se)
			return json.NewEncoder(w).Encode(map[string]any{"ok": err == nil, "error": se})
		},
	}
	h.sup = New(c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.sup.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return h
}

// site starts a service that hears all that is said and then answers it, and returns what opens a connection to it.
func (h *house) site() func(context.Context, tunnel.Mapping) (Conn, error) {
	l, err := net.Listen("unix", filepath.Join(h.t.TempDir(), "site"))
	if err != nil {
		h.t.Fatal(err)
	}
	var all sync.WaitGroup
	h.t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				said, _ := io.ReadAll(conn)
				fmt.Fprintf(conn, "heard %s", said)
			})
		}
	})
	return func(ctx context.Context, _ tunnel.Mapping) (Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "unix", l.Addr().String())
		if err != nil {
			return nil, fail(tunnel.TargetRefused)
		}
		return conn.(*net.UnixConn), nil
	}
}

// relay is the least that Config.Relay has to be.
func relay(a, b Conn) {
	var both sync.WaitGroup
	for _, way := range [][2]Conn{{a, b}, {b, a}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_ = way[0].CloseWrite()
		})
	}
	both.Wait()
	a.Close()
	b.Close()
}

// path is where the socket of smb is.
func (h *house) path() string { return filepath.Join(h.dir, "smb") }

// until waits for something to become true.
func (h *house) until(what string, ok func() bool) {
	h.t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("it never came true that %s; now %+v", what, h.source.now(berlin))
		}
	}
}

// expect waits until the tunnel is in that state.
func (h *house) expect(state tunnel.State) {
	h.t.Helper()
	h.until("it is "+string(state), func() bool { return h.source.now(berlin).State == state })
}
