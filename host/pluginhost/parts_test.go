package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestSocketPathsFitTheKernel(t *testing.T) {
	t.Parallel()
	const most = 107 // bytes of sun_path without its end
	s := Sockets{Dir: shortDir(t) + "/"}
	s.Dir += strings.Repeat("d", MaxSocketDir-len(s.Dir))
	ref := tunnel.Ref{Owner: tunnel.Owner(strings.Repeat("m", tunnel.MaxName)), Name: tunnel.Name(strings.Repeat("t", tunnel.MaxTunnelName))}
	mapping := strings.Repeat("p", tunnel.MaxName)
	for _, path := range []string{
		s.Private(ref, mapping), s.Own(ref, mapping),
		filepath.Join(s.wire(), "plugin-dir4294967295", "plugin4294967295"), // os.MkdirTemp and os.CreateTemp at their longest
	} {
		if len(path) > most {
			t.Errorf("%s has %d bytes", path, len(path))
		}
	}
	must(t, s.clear())
	s.Dir += "d"
	if err := s.clear(); err == nil || !strings.Contains(err.Error(), "41 bytes, and at most 40") {
		t.Errorf("41 bytes: %v", err)
	}
}

func TestSocketNamesTellMappingsApart(t *testing.T) {
	t.Parallel()
	s := Sockets{Dir: "/run/culvert"}
	seen := map[string]string{}
	for _, tun := range []tunnel.Name{"a", "b", "a.site"} {
		for _, m := range []string{"x", "y", "reach-389"} {
			ref := tunnel.Ref{Owner: "adsync", Name: tun}
			path := s.Private(ref, m)
			if other := seen[path]; other != "" {
				t.Errorf("%s/%s and %s have one socket", ref, m, other)
			}
			seen[path] = ref.String() + "/" + m
			if again := s.Private(ref, m); again != path {
				t.Errorf("%s, then %s", path, again)
			}
			if filepath.Dir(path) != "/run/culvert/m/adsync" || filepath.Dir(s.Own(ref, m)) != "/run/culvert/m/adsync/own" || len(filepath.Base(path)) != 13 {
				t.Errorf("%s, %s", path, s.Own(ref, m))
			}
		}
	}
}

func TestClearRemovesSocketsOfModulesAlone(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	s := Sockets{Dir: dir}
	ref := tunnel.Ref{Owner: "hello", Name: "a"}
	must(t, s.Prepare("hello"))
	for _, path := range []string{s.Private(ref, "x"), s.Own(ref, "x")} {
		l, err := net.Listen("unix", path)
		must(t, err)
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		l.Close()
	}
	write(t, filepath.Join(s.Listeners("hello"), "note"), "x", 0o600)
	must(t, s.clear())
	for path, want := range map[string]bool{s.Private(ref, "x"): true, s.Own(ref, "x"): false, filepath.Join(s.Listeners("hello"), "note"): true} {
		if _, err := os.Lstat(path); (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, d := range []string{s.rolls(), s.Module("hello"), s.Listeners("hello")} {
		if st, err := os.Stat(d); err != nil || st.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", d, st.Mode(), err)
		}
	}
}

func TestForeignAddressIsNotDialled(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	own, other := filepath.Join(dir, "own"), filepath.Join(dir, "other")
	for _, d := range []string{own, other} {
		must(t, os.Mkdir(d, 0o700))
		l, err := net.Listen("unix", filepath.Join(d, "plugin1"))
		must(t, err)
		defer l.Close()
	}
	must(t, os.Symlink(filepath.Join(other, "plugin1"), filepath.Join(own, "link")))
	write(t, filepath.Join(own, "file"), "", 0o600)
	p := newProcess(context.Background(), plan{}, nil, own)
	for _, c := range []struct {
		network, addr string
		fine          bool
	}{
		{"unix", filepath.Join(own, "plugin1"), true},
		{"unix", filepath.Join(other, "plugin1"), false},
		{"unix", filepath.Join(own, "link"), false},
		{"unix", filepath.Join(own, "file"), false},
		{"unix", filepath.Join(own, "missing"), false},
		{"unix", own + "/../other/plugin1", false},
		{"tcp", "127.0.0.1:22", false},
		{"tcp", filepath.Join(own, "plugin1"), false},
	} {
		if _, _, err := p.PluginToHost(c.network, c.addr); (err == nil) != c.fine {
			t.Errorf("%s %s: %v", c.network, c.addr, err)
		}
	}
}

// tempRing is a ring that is closed when the test ends.
func tempRing(t *testing.T) *ring {
	r := newRing(filepath.Join(t.TempDir(), "module.log"))
	t.Cleanup(r.close)
	return r
}

func TestRingKeepsTheNewestLines(t *testing.T) {
	t.Parallel()
	r := tempRing(t)
	line := strings.Repeat("x", 1000)
	const n = 3000 // three times what one file holds
	for i := range n {
		must(t, r.write(fmt.Sprintf("%04d %s", i, line)))
	}
	first, last := "", ""
	count := 0
	for l, err := range r.lines(context.Background(), false) {
		must(t, err)
		if first == "" {
			first = l
		}
		if want := fmt.Sprintf("%04d", n-1); last != "" && l[:4] <= last[:4] || l[:4] > want {
			t.Fatalf("%s after %s", l[:4], last[:4])
		}
		last, count = l, count+1
	}
	if last[:4] != fmt.Sprintf("%04d", n-1) || count < 1040 || count > 2100 {
		t.Errorf("from %s to %s, %d lines", first[:4], last[:4], count)
	}
	for _, path := range []string{r.path, r.path + ".1"} {
		if st, err := os.Stat(path); err != nil || st.Size() > ringSize || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, st, err)
		}
	}
}

func TestRingIsFollowedOverItsTurns(t *testing.T) {
	t.Parallel()
	r := tempRing(t)
	must(t, r.write("0"))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	read := make(chan string)
	failed := make(chan error, 1)
	go func() {
		for l, err := range r.lines(ctx, true) {
			if err != nil {
				failed <- err
				return
			}
			read <- l
		}
	}()
	if l := <-read; l != "0" {
		t.Errorf("first line %q", l)
	}
	pad := strings.Repeat("x", 100_000)
	for i := 1; i <= 40; i++ { // over three turns
		must(t, r.write(fmt.Sprint(i, " ", pad)))
		if l := <-read; l != fmt.Sprint(i, " ", pad) {
			t.Fatalf("line %d is %.20q", i, l)
		}
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
}

func TestRingGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	r := tempRing(t)
	must(t, r.write("one"))
	r.close()
	again := newRing(r.path)
	defer again.close()
	must(t, again.write("two"))
	var got []string
	for l, err := range again.lines(context.Background(), false) {
		must(t, err)
		got = append(got, l)
	}
	if strings.Join(got, " ") != "one two" {
		t.Errorf("lines %q", got)
	}
}

func TestStandardErrorOfAnyKindIsLogged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"hclog", `{"@level":"warn","@message":"slow","@module":"adsync","b":1234567890123,"a":"two words","c":""}`, `WARN  slow a="two words" b=1234567890123 c=""`},
		{"message of another type", `{"@message":1}`, `INFO  {"@message":1}`},
		{"level of another type", `{"@message":"x","@level":{}}`, `DEBUG x`},
		{"time of another type", `{"@message":"x","@level":"info","@timestamp":7}`, `INFO  x`},
		{"module of another type", `{"@message":"x","@level":"info","@module":[]}`, `INFO  x`},
		{"other JSON", `[1,2]`, `INFO  [1,2]`},
		{"null", `null`, `INFO  null`},
		{"text", `hello`, `INFO  hello`},
		{"prefix", `[WARN] careful`, `WARN  [WARN] careful`},
		{"panic", "panic: oh\ngoroutine 1", "ERROR panic: oh"},
		{"escapes", "\x1b[2J\r{\x00", `INFO  \x1b[2J\r{\x00`},
		{"no newline at the end", "last", "INFO  last"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := tempRing(t)
			copyLog(strings.NewReader(c.in), newModuleLog(r, func(err error) { t.Error(err) }), &words{})
			var got []string
			for l, err := range r.lines(context.Background(), false) {
				must(t, err)
				got = append(got, l)
			}
			if len(got) == 0 || !strings.HasSuffix(got[0], "Z "+c.want) {
				t.Errorf("logged %q", got)
			}
		})
	}
}

func TestHowGoPluginServesIsNoNews(t *testing.T) {
	t.Parallel()
	r := tempRing(t)
	copyLog(strings.NewReader(`{"@level":"debug","@message":"plugin address","@module":"go-plugin"}`+"\n"), newModuleLog(r, func(err error) { t.Error(err) }), &words{})
	for l, err := range r.lines(context.Background(), false) {
		t.Errorf("logged %q, %v", l, err)
	}
}

func TestLongLineIsCut(t *testing.T) {
	t.Parallel()
	r := tempRing(t)
	log := newModuleLog(r, func(err error) { t.Error(err) })
	copyLog(strings.NewReader(strings.Repeat("a", 1<<20)+"\nnext\n"), log, &words{})
	for range 10 {
		if n, err := log.Write([]byte(strings.Repeat("b", 1000))); n != 1000 || err != nil {
			t.Fatal(n, err)
		}
	}
	var got []string
	for l, err := range r.lines(context.Background(), false) {
		must(t, err)
		if len(l) > maxLine+100 {
			t.Errorf("a line of %d bytes", len(l))
		}
		got = append(got, l)
	}
	if len(got) < 3 || !strings.HasSuffix(got[1], "next") || !strings.Contains(got[2], "bbb") {
		t.Errorf("%d lines", len(got))
	}
}

func TestLogSaysHowManyLinesItLeftOut(t *testing.T) {
	t.Parallel()
	r := tempRing(t)
	synctest.Test(t, func(t *testing.T) {
		log := newModuleLog(r, func(err error) { t.Error(err) })
		for range lineBurst + 50 {
			log.add(hclog.Info, "x")
		}
		time.Sleep(time.Second)
		log.add(hclog.Info, "last")
	})
	var got []string
	for l, err := range r.lines(context.Background(), false) {
		must(t, err)
		got = append(got, l)
	}
	if n := len(got); n != lineBurst+2 || !strings.Contains(got[n-2], "50 lines were left out") || !strings.HasSuffix(got[n-1], "last") {
		t.Errorf("%d lines, the last ones %q", n, got[max(0, n-3):])
	}
}

func TestLogThatCannotBeWrittenIsSaidOnce(t *testing.T) {
	t.Parallel()
	said := 0
	log := newModuleLog(newRing(filepath.Join(t.TempDir(), "missing", "log")), func(error) { said++ })
	log.say("one")
	log.say("two")
	if said != 1 {
		t.Errorf("said %d times", said)
	}
}

// endless is a stream that always has a message.
type endless struct {
	grpc.ClientStream
	ctx      context.Context
	received int
}

func (e *endless) Context() context.Context { return e.ctx }
func (e *endless) RecvMsg(any) error        { e.received++; return nil }

func TestBrokerMessagesAreTakenSlowly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for method, slow := range map[string]bool{brokerStream: true, "/plugin.GRPCStdio/StreamStdio": false} {
			e := &endless{ctx: ctx}
			s, err := guardStreams(ctx, nil, nil, method, func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
				return e, nil
			})
			must(t, err)
			began := time.Now()
			for range brokerBurst + 10*brokerRate {
				must(t, s.RecvMsg(nil))
			}
			if took := time.Since(began); took != map[bool]time.Duration{true: 10 * time.Second}[slow] {
				t.Errorf("%s: %d messages in %v", method, e.received, took)
			}
		}
	})
}

func TestResidentMemory(t *testing.T) {
	t.Parallel()
	if got := residentMemory(os.Getpid()); got < 1<<20 || got > 1<<34 {
		t.Errorf("%d bytes", got)
	}
	if got := residentMemory(0); got != 0 {
		t.Errorf("process 0 has %d bytes", got)
	}
}
