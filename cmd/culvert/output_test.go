package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/host/control/controltest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// hostile is what a server, plugin or file might say to drive a terminal.
const hostile = "\x1b[2J\x1b]0;owned\x07\r\nculvert: hint: rm -rf /\u202e\u009b31m\xff"

// full is a testbed in which every name and text is as long and hostile as it may be.
func full(t *testing.T) testbed {
	b := newTestbed(t)
	name := "hello/" + strings.Repeat("n", tunnel.MaxTunnelName)
	mapping := strings.Repeat("m", tunnel.MaxName)
	host := strings.Repeat("h", 60) + "." + strings.Repeat("x", 60)
	b.must("tunnel", "add", name, "--server", strings.Repeat("u", 200)+"@"+host+":2222", "--key", "host", "--comment", strings.Repeat("c", 1000),
		"--reach-gateway", mapping+"=1389:"+host+":389")
	said := tunnel.Statement{State: tunnel.Down, Reason: tunnel.Reason(hostile), Message: strings.Repeat("a long sentence ", 30) + hostile, At: time.Now()}
	diagnosis := &tunnel.Diagnosis{Cause: tunnel.Cause(hostile), Evidence: slices.Repeat([]string{strings.Repeat("e", 400), hostile}, 10),
		Fixes: slices.Repeat([]tunnel.Fix{{Where: hostile, Line: hostile}, {Where: strings.Repeat("w", 400), Line: strings.Repeat("l", 1000)}}, 10)}
	b.report(name, tunnel.Status{State: tunnel.Degraded, ServerVersion: hostile, Since: time.Now(), Diagnosis: diagnosis, Link: said, Mappings: []tunnel.MappingStatus{
		{Name: mapping, State: tunnel.Down, Reason: tunnel.TargetUnreachable, Message: strings.Repeat("a long sentence ", 30) + hostile, Remedy: hostile,
			Diagnosis: diagnosis, Listener: said, Target: said, Connections: 1 << 30, Total: 1 << 63, Refused: 1 << 63, BytesIn: 1 << 63, BytesOut: 999_999,
			Callers: slices.Repeat([]tunnel.Caller{{Address: strings.Repeat("f", 200), Open: 1 << 30, Total: 1 << 63, Last: time.Now()}, {Address: hostile}}, 20)},
	}})
	b.SetModules(control.ModuleStatus{Name: "hello", Version: hostile, State: "failed", SHA256: strings.Repeat("f", 64), Reason: tunnel.Crashed, Message: hostile + strings.Repeat(" word", 60), Remedy: hostile,
		Pending: &control.Candidate{Face: control.Face{Version: hostile}, Described: true}})
	b.Events.Add(tunnel.Event{Time: time.Now(), Type: tunnel.Refused, Actor: "module:x", Subject: name, Message: hostile, Fields: map[string]string{hostile: hostile}})
	b.Lines = []string{hostile}
	raw := control.Diagnosis{Evidence: []string{hostile}, Fixes: []control.Fix{{Where: hostile, Line: hostile}}}
	b.Steps = []control.Step{{Name: hostile, State: control.StepFailed, Message: hostile, Remedy: hostile, Diagnosis: raw}}
	b.Shown = hostile
	return b
}

var shows = []string{
	"status", "tunnel list", "tunnel list --as hello", "tunnel show hello/" + strings.Repeat("n", tunnel.MaxTunnelName), "module list", "module show hello",
	"module accept hello", "module log hello", "config list", "config show hello/default", "events", "key show", "check --server a@b --key host",
	"tunnel why hello/" + strings.Repeat("n", tunnel.MaxTunnelName), "key show hello/" + strings.Repeat("n", tunnel.MaxTunnelName),
}

// Nothing from outside reaches the terminal as it is, in any format.
func TestHostileTextIsEscaped(t *testing.T) {
	b := full(t)
	for _, line := range shows {
		for _, format := range []string{"table", "json"} {
			r := b.run("", append(strings.Fields(line), "-o", format)...)
			for _, c := range r.out + r.err {
				if c != '\n' && !unicode.IsPrint(c) {
					t.Errorf("culvert %s -o %s: %q comes out: %q", line, format, c, r.out+r.err)
					break
				}
			}
			if strings.Contains(r.out, "\nculvert: hint: rm") || strings.Contains(r.err, "\nculvert: hint: rm") {
				t.Errorf("culvert %s: forged line", line)
			}
		}
	}
}

// Tables fit a terminal of 80 columns, whatever the names.
func TestTablesFit80Columns(t *testing.T) {
	b := full(t)
	mapping := strings.Repeat("r", tunnel.MaxName)
	b.must("tunnel", "add", "hello/fine", "--server", "pbx@192.0.2.1", "--key", "host", "--reach", mapping+"=1390:389")
	b.report("hello/fine", tunnel.Status{State: tunnel.Up, Since: time.Now(), Mappings: []tunnel.MappingStatus{
		{Name: mapping, State: tunnel.Up, ProvedAt: time.Now(), TargetProvedAt: time.Now(), Target: tunnel.Statement{State: tunnel.Up, Message: strings.Repeat("a long banner ", 30)}}}})
	for _, line := range []string{"tunnel why hello/fine", "tunnel list", "tunnel list --as hello", "tunnel show hello/" + strings.Repeat("n", tunnel.MaxTunnelName), "module list", "module show hello", "module accept hello", "config list"} {
		for l := range strings.Lines(b.onTerminal(60, strings.Fields(line)...)) {
			l = strings.TrimRight(l, "\n")
			if w := text.StringWidth(l); w > 80 && strings.Contains(l, "  ") && !strings.Contains(l, ": ") {
				t.Errorf("culvert %s: %d columns: %q", line, w, l)
			}
			if strings.HasSuffix(l, " ") {
				t.Errorf("culvert %s: trailing blanks: %q", line, l)
			}
		}
	}
}

// A wider terminal is used, and nothing is wrapped that another program reads.
func TestNamesAreWhole(t *testing.T) {
	b := full(t)
	name, server := "hello/"+strings.Repeat("n", tunnel.MaxTunnelName), strings.Repeat("x", 60)+":2222"
	for what, out := range map[string]string{
		"a wide terminal": b.onTerminal(600, "tunnel", "list"),
		"a pipe":          b.must("tunnel", "list"),
	} {
		if !strings.Contains(out, name+gap) || !strings.Contains(out, server+gap) {
			t.Errorf("%s: %q", what, out)
		}
	}
}

// onTerminal runs what must go well on a terminal that is that wide and returns what it shows.
func (b testbed) onTerminal(columns uint16, args ...string) string {
	b.t.Helper()
	keyboard, tty := openTerminal(b.t)
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
		b.t.Fatal(err)
	}
	shown := make(chan string)
	go func() {
		var out strings.Builder
		_, _ = io.Copy(&out, keyboard) // ends with an error once the other end is closed
		shown <- strings.ReplaceAll(out.String(), "\r\n", "\n")
	}()
	var errOut safeBuffer
	code := run(b.t.Context(), append([]string{"--socket", b.Socket}, args...), strings.NewReader(""), tty, &errOut)
	tty.Close()
	if out := <-shown; code == 0 {
		return out
	}
	b.t.Fatalf("culvert %s: exit %d: %s", strings.Join(args, " "), code, errOut.String())
	return ""
}

// Whatever is shown: that it could not be written is said, and is exit code 1.
func TestFullDisk(t *testing.T) {
	b := full(t)
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer f.Close()
	lines := append(slices.Clone(shows), "--help", "--version", "help tunnel", "tunnel", "completion bash", "tunnel list --watch", "events -f", "module log hello -f",
		"tunnel set hello/"+strings.Repeat("n", tunnel.MaxTunnelName)+" --comment c")
	for _, line := range lines {
		for _, format := range []string{"table", "json"} {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			var errOut safeBuffer
			code := run(ctx, append([]string{"--socket", b.Socket, "-o", format}, strings.Fields(line)...), strings.NewReader(""), f, &errOut)
			cancel()
			if code != exitFailed || !strings.Contains(errOut.String(), "no space left on device") {
				t.Errorf("culvert %s -o %s: exit %d: %s", line, format, code, errOut.String())
			}
		}
	}
}

// An error is JSON too where JSON is wanted, and standard output stays empty.
func TestErrorsAsJSON(t *testing.T) {
	b := newTestbed(t)
	b.add("hello/x", "1389:389")
	for _, tt := range []struct {
		line, code string
		exit       int
		field      string
	}{
		{"tunnel show hello/absent", "not-found", exitFailed, "tunnel"},
		{"tunnel show", "usage", exitUsage, ""},
		{"tunnel show hello/A", "malformed", exitUsage, "OWNER/NAME"},
		{"status --frob", "usage", exitUsage, ""},
		{"tunnel add hello/x --server a@b --key host", "exists", exitRefused, ""},
		{"tunnel enable hello/x --wait=50ms", "not-up", exitNotUp, ""},
		{"--socket /nonexistent/s tunnel list", "unreachable", exitUnreachable, ""},
		{"tunnel nonsense", "usage", exitUsage, ""},
	} {
		r := b.run("", append(strings.Fields(tt.line), "-o", "json")...)
		var e map[string]any
		last := r.err[strings.LastIndex(strings.TrimSuffix(r.err, "\n"), "\n")+1:]
		if err := json.Unmarshal([]byte(last), &e); err != nil || r.code != tt.exit || e["code"] != tt.code || e["message"] == "" {
			t.Errorf("culvert %s: exit %d, %v: %q", tt.line, r.code, err, r.err)
			continue
		}
		findings, ok := e["findings"].([]any)
		if _, hint := e["hint"].(string); !hint || !ok || tt.field != "" && findings[0].(map[string]any)["field"] != tt.field {
			t.Errorf("culvert %s: %q", tt.line, r.err)
		}
		if r.out != "" && tt.exit != exitNotUp {
			t.Errorf("culvert %s: output %q", tt.line, r.out)
		}
	}
}

// The same names in the program's output as in the API.
func TestJSONOutput(t *testing.T) {
	b := full(t)
	for _, line := range shows {
		r := b.run("", append(strings.Fields(line), "-o", "json")...)
		for l := range strings.Lines(r.out) {
			if strings.HasPrefix(line, "events") || strings.HasPrefix(line, "module log") {
				if !json.Valid([]byte(l)) {
					t.Errorf("culvert %s: no JSON line: %q", line, l)
				}
			}
		}
		if !json.Valid([]byte(r.out)) {
			t.Errorf("culvert %s: no JSON: %q", line, r.out)
		}
	}
}

func TestJSONOfTunnelList(t *testing.T) {
	b := newTestbed(t)
	if out := b.must("tunnel", "list", "-o", "json"); out != "[]\n" {
		t.Errorf("no tunnels: %q", out)
	}
	b.must("tunnel", "add", "hello/x", "--server", "b:2222", "--key", "host", "--expose-gateway", "web=8080:80", "--reach", ":389")
	got := b.tunnels()["hello/x"]
	if got.Server != (control.SSHServer{Host: "b", Port: 2222, User: "root"}) || got.Auth != "key" || got.Pin != "none" || !got.Enabled || got.ManagedBy != "operator" || got.Revision == 0 {
		t.Errorf("%+v", got)
	}
	if got.Mappings[0].Remote != (control.Endpoint{Host: "*", Port: 80}) || !got.Mappings[0].Gateway || got.Mappings[1].Local != nil {
		t.Errorf("%+v", got.Mappings)
	}
}

// With -o json each line of standard error is JSON, whatever comes there: warnings, notes, stages of a wait, an error.
func TestStandardErrorIsJSON(t *testing.T) {
	b := newTestbed(t)
	b.Unsafe = errors.New("the plugin directory is writable by others")
	for _, c := range []struct {
		line string
		exit int
		want []string // keys, one of each line at least
	}{
		{"tunnel add hello/x --server b --key host --expose 22:222", 0, []string{"warning"}},
		{"tunnel add hello/x --server b --key host --expose 22:222", exitRefused, []string{"code"}},
		{"check --server root@b --key host", exitNotUp, []string{"warning", "code"}},
		{"tunnel enable hello/x --wait=300ms", exitNotUp, []string{"note", "code"}},
		{"config set hello/default bind_password=s number=3", 0, []string{"warning"}},
		{"tunnel nonsense", exitUsage, []string{"code"}},
	} {
		b.report("hello/x", tunnel.Status{State: tunnel.Connecting, Message: "logging in", Mappings: mapping(tunnel.Down, "")})
		r := b.run("", append(strings.Fields(c.line), "-o", "json")...)
		seen := map[string]bool{}
		for line := range strings.Lines(r.err) {
			var said map[string]any
			if err := json.Unmarshal([]byte(line), &said); err != nil {
				t.Errorf("culvert %s: %q: %v", c.line, line, err)
			}
			for key := range said {
				seen[key] = true
			}
		}
		for _, key := range c.want {
			if !seen[key] || r.code != c.exit {
				t.Errorf("culvert %s: exit %d, no %s in %q", c.line, r.code, key, r.err)
			}
		}
	}
}

func TestWarningsGoBeside(t *testing.T) {
	b := newTestbed(t)
	r := b.run("", "tunnel", "add", "hello/x", "--server", "b", "--key", "host", "--expose", "22:222", "-o", "json")
	var got control.Tunnel
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || r.code != 0 {
		t.Fatalf("exit %d %v: %s", r.code, err, r.out)
	}
	for _, want := range []string{"root", "222"} {
		if !strings.Contains(r.err, want) || !strings.Contains(strings.Join(got.Warnings, "\n"), want) {
			t.Errorf("no warning of %s in %q and %q", want, r.err, got.Warnings)
		}
	}
	if !strings.HasPrefix(r.err, `{"warning":"`) {
		t.Errorf("%q", r.err)
	}
	r = b.run("", "tunnel", "add", "hello/y", "--server", "b", "--key", "host", "--expose", "22:223")
	if r.code != 0 || !strings.HasPrefix(r.err, "culvert: warning: ") {
		t.Errorf("exit %d: %q", r.code, r.err)
	}
}

func TestTunnelPage(t *testing.T) {
	b := newTestbed(t)
	b.add("hello/x", "1389:389")
	b.report("hello/x", tunnel.Status{State: tunnel.Degraded, Since: time.Now(), Mappings: []tunnel.MappingStatus{
		{Name: "reach-389", State: tunnel.Down, Reason: tunnel.TargetRefused, Message: "nobody listens there", Remedy: "start the service"}}})
	out := b.must("tunnel", "show", "hello/x")
	for _, want := range []string{"tunnel      hello/x", "state       degraded since ", "server      pbx@192.0.2.1", "reach-389  reach  127.0.0.1:1389  localhost:389  down", "reach-389: nobody listens there", "what to do: start the service"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// Who else gets access stands out (R35).
func TestGatewaysAreHighlighted(t *testing.T) {
	b := newTestbed(t)
	b.must("tunnel", "add", "hello/x", "--server", "a@b", "--key", "host", "--reach-gateway", "dc=1389:10.0.0.9:389", "--expose-gateway", "web=8080:80", "--reach", "x=1:2")
	out := b.must("tunnel", "show", "hello/x")
	for _, want := range []string{"reach-gateway !", "! dc: hosts connected to the telephone system get access to 10.0.0.9:389", "! web: hosts connected to the SSH server get access to 127.0.0.1:8080"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if n := strings.Count(out, "\n! "); n != 2 {
		t.Errorf("%d notes in\n%s", n, out)
	}
}

func TestTimesAreTheCallers(t *testing.T) {
	a := &app{zone: time.FixedZone("east", 5*3600+1800)}
	at := time.Date(2026, 3, 4, 20, 0, 0, 0, time.UTC)
	if s := a.when(&at); s != "2026-03-05 01:30:00" {
		t.Error(s)
	}
	if s := a.when(nil); s != "-" {
		t.Error(s)
	}
}

func TestKeyStandsAlone(t *testing.T) {
	b := newTestbed(t)
	if out := b.must("key", "show"); out != controltest.AuthorizedKey+"\n" {
		t.Errorf("%q", out)
	}
}

func TestWatchAsJSONLines(t *testing.T) {
	b := newTestbed(t)
	b.add("hello/x", "1389:389")
	b.add("office/y", "1390:389")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out safeBuffer
	done := make(chan int)
	go func() {
		done <- run(ctx, []string{"--socket", b.Socket, "tunnel", "list", "--watch", "-o", "json", "--owner", "hello"}, strings.NewReader(""), &out, &safeBuffer{})
	}()
	lines := func(n int) []listed {
		eventually(t, fmt.Sprintf("%d lines", n), func() bool { return strings.Count(out.String(), "\n") >= n })
		var all []listed
		for l := range strings.Lines(out.String()) {
			var v listed
			if err := json.Unmarshal([]byte(l), &v); err != nil {
				t.Fatal(err)
			}
			all = append(all, v)
		}
		return all
	}
	lines(1)
	b.report("hello/x", tunnel.Status{State: tunnel.Up, Mappings: []tunnel.MappingStatus{{Name: "reach-389", State: tunnel.Up}}})
	b.report("office/y", tunnel.Status{State: tunnel.Waiting, Reason: tunnel.Unreachable})
	lines(2)
	b.must("tunnel", "remove", "hello/x")
	got := lines(3)
	if len(got) != 3 || got[0].State != "connecting" || got[1].State != "up" || !got[2].Removed || got[2].State != "up" || got[2].Ref() != "hello/x" {
		t.Errorf("%+v", got)
	}
	cancel()
	if code := <-done; code != 0 {
		t.Errorf("exit %d", code)
	}
}
