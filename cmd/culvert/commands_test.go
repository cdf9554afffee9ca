package main

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// every yields the paths of all commands, hidden ones and cobra's own included.
func every(cmd *cobra.Command, path []string, f func(path []string, cmd *cobra.Command)) {
	f(path, cmd)
	for _, c := range cmd.Commands() {
		every(c, append(slices.Clone(path), c.Name()), f)
	}
}

func commands() *cobra.Command {
	root := newRoot(&app{out: &output{to: io.Discard}})
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	return root
}

// Every command run bare does its work or says what is missing.
func TestEveryCommandRunsBare(t *testing.T) {
	b := newTestbed(t)
	if n := bare(t.Context(), b.Socket, t.Errorf); n < 35 {
		t.Errorf("only %d commands", n)
	}
}

// bare runs every command without arguments and says which of them neither did its work nor said what is missing.
func bare(ctx context.Context, socket string, wrong func(format string, args ...any)) (n int) {
	every(commands(), nil, func(path []string, _ *cobra.Command) {
		n++
		name := "culvert " + strings.Join(path, " ")
		r := runAt(ctx, socket, "", path...)
		if r.code != 0 && r.code != exitUsage {
			wrong("%s: exit %d: %s", name, r.code, r.err)
		}
		if r.code == exitUsage && (!strings.HasPrefix(r.err, "culvert: error: ") || !strings.Contains(r.err, "\nculvert: hint: ")) {
			wrong("%s: %q", name, r.err)
		}
		if all := strings.ToLower(r.out + r.err); strings.Contains(all, "not implemented") || strings.Contains(all, "not built") {
			wrong("%s: %s", name, all)
		}
	})
	return n
}

func TestEveryCommandHasHelpAndExamples(t *testing.T) {
	b := newTestbed(t)
	every(commands(), nil, func(path []string, cmd *cobra.Command) {
		if slices.Contains(path, "completion") || slices.Contains(path, "help") {
			return
		}
		name := "culvert " + strings.Join(path, " ")
		if cmd.Short == "" || cmd.Example == "" {
			t.Errorf("%s has no short help or no example", name)
		}
		for line := range strings.Lines(cmd.Example) {
			if !strings.HasPrefix(line, "  "+strings.TrimSpace(name)) && len(path) > 0 && !strings.HasPrefix(line, "  culvert "+path[0]) {
				t.Errorf("%s: example %q", name, line)
			}
		}
		if r := b.run("", append(path, "--help")...); r.code != 0 || !strings.Contains(r.out, cmd.Example[:10]) {
			t.Errorf("%s --help: exit %d: %s%s", name, r.code, r.out, r.err)
		}
		for line := range strings.Lines(cmd.Long + "\n" + cmd.Example) {
			if len(line) > 81 && !strings.Contains(cmd.Example, line) || len(line) > 101 {
				t.Errorf("%s: a line of %d: %q", name, len(line), line)
			}
		}
	})
}

// The commands that there are: what is not built is absent.
func TestCommands(t *testing.T) {
	var got []string
	every(commands(), nil, func(path []string, cmd *cobra.Command) {
		if len(path) > 0 && path[0] != "help" && path[0] != "completion" && !cmd.HasSubCommands() {
			got = append(got, strings.Join(path, " "))
		}
	})
	want := strings.Split(`action list
action run
check
config add
config disable
config enable
config list
config remove
config set
config show
config test
events
job list
job run
job show
key show
module accept
module grant
module list
module log
module new
module restart
module revoke
module settings
module show
status
template list
tunnel accept-key
tunnel add
tunnel disable
tunnel enable
tunnel explain
tunnel list
tunnel log
tunnel remove
tunnel restart
tunnel secret
tunnel set
tunnel show
tunnel why`, "\n")
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("commands: %q, not %q", got, want)
	}
}

func TestExitCodes(t *testing.T) {
	b := newTestbed(t)
	b.add("hello/x", "1389:389")
	for _, tt := range []struct {
		line string
		code int
		says string
	}{
		{"tunnel show hello/x", 0, ""},
		{"tunnel list", 0, ""},
		{"--version", 0, ""},
		{"help tunnel", 0, ""},
		{"tunnel show hello/absent", exitFailed, "no tunnel hello/absent"},
		{"tunnel remove hello/absent", exitFailed, "hello/absent"},
		{"tunnel log hello/absent", exitFailed, "hello/absent"},
		{"module show absent", exitFailed, "absent"},
		{"module restart absent", exitFailed, "absent"},
		{"module log absent", exitFailed, "absent"},
		{"config show hello/absent", exitFailed, "hello/absent"},
		{"config enable hello/absent", exitFailed, "hello/absent"},
		{"tunnel set hello/x --drop absent", exitFailed, "absent"},
		{"tunnel show", exitUsage, "OWNER/NAME is missing"},
		{"tunnel show hello", exitUsage, "OWNER/NAME"},
		{"tunnel show hello/../x", exitUsage, "OWNER/NAME"},
		{"tunnel show hello/x more", exitUsage, "more"},
		{"tunnel shwo hello/x", exitUsage, "did you mean culvert tunnel show"},
		{"tunel", exitUsage, "did you mean culvert tunnel"},
		{"status --frob", exitUsage, "--frob"},
		{"status -o yaml", exitUsage, "yaml"},
		{"tunnel list --owner ../x", exitUsage, "--owner"},
		{"tunnel set hello/x", exitUsage, "nothing to change"},
		{"tunnel set hello/x --if-revision no", exitUsage, "--if-revision"},
		{"tunnel enable hello/x --wait=soon", exitUsage, "soon"},
		{"config set hello/default", exitUsage, "nothing to change"},
		{"config set hello/default nonsense", exitUsage, "nonsense"},
		{"config set hello/default nothing=1", exitUsage, "nothing"},
		{"config add hello/default number=99 --disabled", exitRefused, "already"},
		{"config add hello/other number=99", exitUsage, "number"},
		{"config add nomodule/x", exitRefused, "nomodule"},
		{"tunnel add nomodule/x --server a@b --key host", exitRefused, "nomodule"},
		{"tunnel add hello/x --server a@b --key host", exitRefused, "hello/x"},
		{"tunnel add hello/y --server a@b --key host --reach 1389:1", exitRefused, "1389"},
		{"tunnel set hello/x --comment c --if-revision 99", exitRefused, "revision"},
		{"status", exitNotUp, "hello/x"},
		{"tunnel list --owner hello", 0, "hello/x"},
		{"tunnel list --owner office", 0, "office has no tunnels"},
		{"tunnel list --owner operator", 0, "operator has no tunnels"},
		{"tunnel list --owner nosuch", exitFailed, "there is no owner nosuch"},
		{"tunnel list --owner nosuch --watch", exitFailed, "there is no owner nosuch"},
		{"completion bash", 0, "bash"},
		{"help", 0, "culvert status"},
		{"help tunnel show", 0, "--help"},
		{"help nosuch", exitUsage, "no help on \"nosuch\""},
		{"help tunnel nosuch", exitUsage, "no help on \"nosuch\""},
		{"completion nosuch", exitUsage, "nosuch"},
		{"tunnel set hello/x --comment c --if-revision 0", exitUsage, "--if-revision: \"0\" is no revision"},
		{"tunnel set hello/x --comment c --if-revision 0x10", exitUsage, "--if-revision: \"0x10\" is no revision"},
		{"tunnel set hello/x --comment c --if-revision +1", exitUsage, "--if-revision: \"+1\" is no revision"},
		{"config set hello/default number=2 --if-revision 0", exitUsage, "--if-revision: \"0\" is no revision"},
		{"config set hello/default number=2 --if-revision 0b1", exitUsage, "--if-revision"},
		{"config set hello/default number=2 --if-revision 99", exitRefused, "revision"},
		{"tunnel enable hello/x --wait=soon", exitUsage, "--wait: \"soon\" is no time to wait"},
		{"tunnel enable hello/x --wait=-1s", exitUsage, "--wait: \"-1s\" is no time to wait"},
		{"tunnel enable hello/x --wait 5s", exitUsage, "write --wait=5s"},
		{"tunnel enable --wait 5s hello/x", exitUsage, "write --wait=5s"},
		{"config set hello/default number=2 --wait 5s", exitUsage, "write --wait=5s"},
		{"tunnel add hello/y --server a@b --key host --disabled --wait", exitUsage, "--disabled, --wait: "},
		{"tunnel add hello/y --server a@b --key host --disabled=perhaps", exitUsage, "neither true nor false"},
		{"tunnel add hello/y --server a@b --key host --key host", exitUsage, "--key is given twice"},
		{"tunnel add hello/y --server a@b --server a@c --key host", exitUsage, "--server is given twice"},
		{"tunnel set hello/x --comment c --comment d", exitUsage, "--comment is given twice"},
		{"tunnel secret hello/x", exitUsage, "give --password-stdin or --password-file FILE"},
		{"tunnel secret hello/x --password-file /dev/null", exitUsage, "/dev/null is empty"},
		{"tunnel enable hello/x --wait=99999h", exitUsage, "wait 24h at most"},
		{"tunnel list --as nosuch", exitFailed, "there is no owner nosuch"},
		{"tunnel list --as operator", 0, "hello/x"},
		{"tunnel show hello/x/reach-389", exitUsage, "culvert tunnel why hello/x/reach-389"},
		{"tunnel show hello/x/A", exitUsage, "is not a name"},
		{"tunnel why", exitUsage, "OWNER/NAME[/MAPPING] is missing"},
		{"tunnel why hello", exitUsage, "OWNER/NAME[/MAPPING]"},
		{"tunnel why hello/x/A", exitUsage, "OWNER/NAME[/MAPPING]"},
		{"tunnel why hello/x/", exitUsage, "OWNER/NAME[/MAPPING]"},
		{"tunnel why hello/x/reach-389/more", exitUsage, "OWNER/NAME[/MAPPING]"},
		{"tunnel why hello/absent", exitFailed, "no tunnel hello/absent"},
		{"tunnel why hello/x/absent", exitFailed, "hello/x has no mapping absent"},
		{"tunnel why hello/x", exitNotUp, "hello/x is connecting"},
		{"key show hello", exitUsage, "OWNER/NAME"},
		{"key show hello/x more", exitUsage, "one argument too many"},
		{"key show hello/absent", exitFailed, "no tunnel hello/absent"},
		{"tunnel set hello/x --via proxy:3128", exitUsage, "--via: "},
		{"tunnel set hello/x --via http://proxy", exitUsage, "--via: the proxy's port is missing"},
		{"tunnel set hello/x --via http://a@p:1 --via http://b@p:1", exitUsage, "--via is given twice"},
		{"tunnel set hello/x --via-password-file /nonexistent", exitUsage, "--via-password-file: /nonexistent cannot be read"},
		{"tunnel set hello/x --via-password-stdin", exitUsage, "--via-password-stdin: the proxy's password is empty"},
		{"tunnel set hello/x --via-password-stdin --password-stdin", exitUsage, "standard input cannot hold two secrets"},
		{"tunnel set hello/x --via-password-stdin --via-password-file f", exitUsage, "given in two ways"},
		{"check --server a@b --key host --via ftp://p:1", exitUsage, "--via: "},
		{"tunnel set hello/x --server-lan office", exitUsage, "--server-lan: \"office\" is not an IP address"},
		{"tunnel set hello/x --lane reach-389", exitUsage, "--lane reach-389: it is not NAME=bulk"},
		{"tunnel set hello/x --lane reach-389=fast", exitUsage, "--lane reach-389=fast: "},
		{"tunnel set hello/x --lane reach-389=bulk --lane reach-389=main", exitUsage, "has two lanes"},
		{"tunnel set hello/x --lane absent=bulk", exitFailed, "there is no mapping absent"},
		{"tunnel add hello/y --server a@b --key host --lane absent=bulk", exitUsage, "--lane absent: "},
		{"tunnel set hello/x --accept-wider absent", exitFailed, "there is no mapping absent"},
		{"tunnel set hello/x --accept-wider reach-389 --refuse-wider reach-389", exitUsage, "accepted and refused"},
	} {
		r := b.run("", strings.Fields(tt.line)...)
		if r.code != tt.code || !strings.Contains(r.out+r.err, tt.says) {
			t.Errorf("culvert %s: exit %d, not %d; %q lacks %q", tt.line, r.code, tt.code, r.out+r.err, tt.says)
		}
		if (r.code != 0) != strings.Contains(r.err, "culvert: error: ") {
			t.Errorf("culvert %s: %q", tt.line, r.err)
		}
		for _, raw := range []string{"strconv", "json: ", "invalid argument", "Go value"} {
			if strings.Contains(r.err, raw) {
				t.Errorf("culvert %s: raw text %q", tt.line, r.err)
			}
		}
	}
}

func TestSocketThatCannotBe(t *testing.T) {
	for _, socket := range []string{"", "/" + strings.Repeat("s", 107)} {
		if r := runAt(t.Context(), socket, "", "status"); r.code != exitUsage || !strings.Contains(r.err, "--socket: ") {
			t.Errorf("exit %d: %s", r.code, r.err)
		}
	}
	if r := runAt(t.Context(), "/"+strings.Repeat("s", 106), "", "status"); r.code != exitUnreachable {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

func TestNoDaemonIsExit5(t *testing.T) {
	r := runAt(t.Context(), t.TempDir()+"/s", "", "tunnel", "list")
	if r.code != exitUnreachable || !strings.Contains(r.err, "culvert: hint: ") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

// A stopped reader of an endless stream ends well; a stopped wait does not.
func TestInterrupted(t *testing.T) {
	b := newTestbed(t)
	b.add("hello/x", "1389:389")
	b.Lines = []string{"a line of the module"}
	b.Events.Add(tunnel.Event{Time: time.Now(), Type: tunnel.TunnelState, Actor: "host", Subject: "hello/x", Message: "an event of the tunnel"})
	reading := func(said string) func(string) bool {
		return func(out string) bool { return strings.Contains(out, said) }
	}
	for _, c := range []struct {
		line  string
		code  int
		begun func(out string) bool
	}{
		{"events -f", 0, reading("an event of the tunnel")},
		{"tunnel log hello/x -f", 0, reading("an event of the tunnel")},
		{"module log hello -f", 0, reading("a line of the module")},
		{"tunnel list --watch", 0, reading("hello/x")},
		{"tunnel enable hello/x --wait=1m", exitFailed, func(string) bool { return b.Watchers() > 0 }},
	} {
		t.Run(c.line, func(t *testing.T) {
			eventually(t, "earlier watches end", func() bool { return b.Watchers() == 0 })
			ctx, interrupt := context.WithCancel(t.Context())
			var out, errOut safeBuffer
			code := make(chan int, 1)
			go func() {
				code <- run(ctx, append([]string{"--socket", b.Socket}, strings.Fields(c.line)...), strings.NewReader(""), &out, &errOut)
			}()
			defer interrupt()
			eventually(t, "it waits", func() bool { return c.begun(out.String()) })
			select {
			case got := <-code:
				t.Fatalf("it ended by itself: exit %d: %s", got, errOut.String())
			default:
			}
			interrupt()
			if got := <-code; got != c.code {
				t.Errorf("exit %d: %s", got, errOut.String())
			}
		})
	}
}
