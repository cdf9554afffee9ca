package sshtunnel_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// TestHostileServers meets each of them: it costs little memory, ends nothing but its own link, leaves nothing behind
// when that ends, and gets no connection it may not have and no text through that drives a terminal.
func TestHostileServers(t *testing.T) {
	rounds := 1
	if os.Getenv("CULVERT_SOAK") != "" {
		rounds = 100
	}
	all := sshtest.Hostiles()
	slices.SortFunc(all, func(a, b sshtest.Hostile) int { return strings.Compare(a.Name, b.Name) })
	for _, h := range all {
		if h.LetsIn {
			t.Run(h.Name, func(t *testing.T) {
				for i := range rounds {
					t.Run(strconv.Itoa(i), func(t *testing.T) { beInside(t, h) }) // what it opens is closed with it
				}
			})
		}
	}
	for _, h := range all {
		if !h.LetsIn {
			t.Run(h.Name, func(t *testing.T) {
				t.Parallel() // ten seconds each, most of them
				for range max(1, rounds/10) {
					beAtTheDoor(t, h)
				}
			})
		}
	}
}

// hostile starts a server and returns how to connect to it; at the end it checks what was left behind.
func hostile(t *testing.T, h sshtest.Hostile) sshtunnel.Config {
	t.Helper()
	s, err := h.Start()
	must(t, err)
	log := &lines{}
	t.Cleanup(func() {
		s.Close()
		wantClean(t, "the log", strings.ReplaceAll(log.String(), "\n", ""))
	})
	c := config("127.0.0.1", s.Port()).WithWaits(5*time.Second, 5*time.Second)
	c.Log = hclog.New(&hclog.LoggerOptions{Output: log, Level: hclog.Trace})
	return c
}

func beAtTheDoor(t *testing.T, h sshtest.Hostile) {
	c := hostile(t, h)
	began := time.Now()
	l, err := tryOpen(t, c)
	if err == nil {
		l.stop()
		t.Fatal("let in")
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
	if f, ok := err.(*sshtunnel.Failure); !ok || f.Reason == "" || f.Remedy == "" {
		t.Errorf("got %v, want a failure with a reason and a remedy", err)
	}
	t.Logf("%v after %v", err, time.Since(began))
	wantClean(t, "the failure", err.Error())
}

// beInside does what a tunnel does, with a service that reads nothing.
func beInside(t *testing.T, h sshtest.Hostile) {
	c := hostile(t, h)
	svc := stuck(t)
	c.DialLocal = func(ctx context.Context, m tunnel.Mapping) (net.Conn, error) {
		if m.Local.Port != svc.port {
			t.Errorf("a connection to port %d, which nobody asked for", m.Local.Port)
		}
		return net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(svc.port)))
	}
	memory := watchMemory(t)
	l := open(t, c)
	m := reach("r", 0, "127.0.0.1", 80)
	must(t, l.Apply(soon(t), m))
	applying, applied := context.WithTimeout(t.Context(), 2*time.Second)
	defer applied()
	if err := l.Apply(applying, expose("e", svc.port, 9100)); err != nil {
		wantClean(t, "an error", err.Error())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond) // they begin with the first channel
	defer cancel()
	var calls sync.WaitGroup
	for _, call := range []func() error{
		func() error {
			site, err := l.Open(ctx, m, "a module")
			if err != nil {
				return err
			}
			local, client := net.Pipe()
			defer client.Close()
			_, _ = site.Write(make([]byte, 100))
			go sshtunnel.Relay(halfPipe{local}, site) // ends with the link
			<-ctx.Done()
			return nil
		},
		func() error { return l.Keepalive(ctx) },
		func() error { return l.Prove(ctx, "e") },
		func() error { return askTarget(l, ctx, "r") },
	} {
		calls.Go(func() {
			if err := call(); err != nil {
				wantClean(t, "an error", err.Error())
			}
		})
	}
	calls.Wait()
	<-ctx.Done()
	carried := l.Traffic("e")
	began := time.Now()
	if err := l.stop(); err != nil {
		wantClean(t, "the link's end", err.Error())
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("Run returned after %v", took)
	}
	grown, most := memory()>>20, int64(64)
	if carried.Total > 0 || carried.Refused > 0 {
		most = 128 // for as many connections as there may be, both ends of each
	}
	if os.Getenv("CULVERT_SOAK") == "" {
		most *= 3 // beside other tests the collector comes late
	}
	if underRace {
		most *= 4
	}
	t.Logf("cost %d MB; %d connections, %d refused", grown, carried.Total, carried.Refused)
	if grown > most {
		t.Errorf("cost %d MB, want at most %d", grown, most)
	}
}

// halfPipe is a client that reads nothing.
type halfPipe struct{ net.Conn }

func (h halfPipe) CloseWrite() error { return h.Close() }

// watchMemory watches the memory that is resident until the result is called, which returns by how much it grew at most.
func watchMemory(t *testing.T) (grown func() int64) {
	debug.FreeOSMemory()
	inUse := func() int64 {
		text, err := os.ReadFile("/proc/self/statm")
		must(t, err)
		pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
		must(t, err)
		return pages * int64(os.Getpagesize())
	}
	before, most := inUse(), int64(0)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			most = max(most, inUse()-before)
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() int64 { close(stop); <-stopped; return most }
}

// wantClean fails the test if text could drive a terminal or forge a line.
func wantClean(t *testing.T, what, text string) {
	t.Helper()
	if i := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) && r != '\ufffd' }); i >= 0 {
		t.Errorf("%s holds %q", what, text[max(0, i-100):min(len(text), i+100)])
	}
	if len(text) > 1<<20 {
		t.Errorf("%s holds %d bytes", what, len(text))
	}
}

// lines collects a log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
