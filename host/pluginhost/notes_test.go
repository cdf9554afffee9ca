package pluginhost

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/host/pluginhost/sandbox"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// notes waits until the notes about the module are these, each "ABOUT: MESSAGE" as far as it is given.
func (r *rig) notes(name tunnel.Owner, want ...string) []Note {
	r.t.Helper()
	var got []Note
	r.eventually(fmt.Sprintf("its notes are %q", want), func() bool {
		got = r.of(name).Notes
		return slices.EqualFunc(got, want, func(n Note, w string) bool { return strings.HasPrefix(n.About+": "+n.Message, w) })
	}, func() string { return fmt.Sprintf("they are %+v\n%s", got, r.logOf(name)) })
	return got
}

// TestAGrantThatOpensNothingIsSaid where the operator looks, with what to do, as long as it is so.
func TestAGrantThatOpensNothingIsSaid(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	spool := filepath.Join(t.TempDir(), "spool")
	dial, serve, read := tunnel.Grant(fmt.Sprint("dial ", port)), tunnel.Grant(fmt.Sprint("serve ", port)), tunnel.Grant("read "+spool)

	r := newRig(t)
	r.install("hello", "")
	r.catalog.grant("hello", dial, read)
	c := r.configure("hello/default", "run")
	r.run()
	r.note(c, "started")
	if n := r.notes("hello", fmt.Sprintf("%s: nothing lies at %s", read, spool)); n[0].Remedy != "make it, then culvert module restart hello" {
		t.Errorf("%+v", n)
	}
	must(t, os.Mkdir(spool, 0o755))
	if n := r.notes("hello", string(read)+": it could not be opened when the process started, and could now"); n[0].Remedy != "culvert module restart hello" {
		t.Errorf("%+v", n)
	}
	must(t, r.Restart("hello"))
	r.is("hello", Running, "")
	r.notes("hello")
	must(t, os.Rename(spool, spool+".old"))
	must(t, os.Mkdir(spool, 0o755))
	r.notes("hello", string(read)+": "+spool+" was replaced since the process started")

	r.catalog.grant("hello", serve)
	if n := r.notes("hello", fmt.Sprintf("%s: something else listens at port %d", serve, port)); !strings.Contains(n[0].Remedy, "culvert module restart hello") {
		t.Errorf("%+v", n)
	}
	must(t, l.Close())
	r.notes("hello")
	r.catalog.grant("hello", dial)
	r.notes("hello", fmt.Sprintf("%s: nothing listens at port %d of this machine", dial, port))

	r.catalog.grant("hello", "everything", tunnel.Grant("read "+r.cfg.StateDir))
	r.notes("hello", "everything: it is no grant", "read "+r.cfg.StateDir+": it opens nothing: it would open "+r.cfg.StateDir)
}

// TestAGrantThatOpensNothingIsSaidWhenItIsGiven, too, in one line and with what to do.
func TestAGrantThatOpensNothingIsSaidWhenItIsGiven(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	there := t.TempDir()
	absent := filepath.Join(there, "absent")
	r := newRig(t)
	r.install("hello", "")
	r.run()
	r.is("hello", Stopped, "")
	for g, want := range map[string]string{
		"read " + there: "", "network": "", fmt.Sprint("dial ", port): "",
		"read " + absent:           fmt.Sprintf("read %s: nothing lies at %[1]s: make it, then culvert module restart hello", absent),
		fmt.Sprint("serve ", port): fmt.Sprintf("serve %d: something else listens at port %[1]d of this machine, and the module cannot: end that (ss -ltnp shows it), then culvert module restart hello", port),
	} {
		if got, err := r.Grantable("hello", tunnel.Grant(g)); got != want || err != nil {
			t.Errorf("%s: %q, %v, and not %q", g, got, err, want)
		}
	}
	if got, err := r.Grantable("unknown", tunnel.Grant("write "+absent)); !strings.Contains(got, "nothing lies at "+absent) || err != nil {
		t.Errorf("of a module that nobody knows: %q, %v", got, err)
	}
}

// TestListeningPorts: of all addresses those count that a connection to 127.0.0.1 meets.
func TestListeningPorts(t *testing.T) {
	t.Parallel()
	for address, meets := range map[string]bool{"127.0.0.1:0": true, "0.0.0.0:0": true, "[::]:0": true, "127.0.0.9:0": false, "[::1]:0": false} {
		l, err := net.Listen("tcp", address)
		if err != nil && strings.HasPrefix(address, "[") {
			continue // no IPv6 here
		}
		must(t, err)
		port := l.Addr().(*net.TCPAddr).Port
		if got := listeningPorts()[port]; got != meets {
			t.Errorf("%s: %t", l.Addr(), got)
		}
		must(t, l.Close())
		if listeningPorts()[port] {
			t.Errorf("%s is closed, and said to listen", address)
		}
	}
}

// TestANetworkFollowsItsResolver: a process that can no longer read what it finds names by is started anew, once, and
// others are not.
func TestANetworkFollowsItsResolver(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	dir := t.TempDir()
	conf := filepath.Join(dir, "resolv.conf")
	replace := func() {
		must(t, os.WriteFile(conf+".new", []byte("nameserver 192.0.2.1\n"), 0o644))
		must(t, os.Rename(conf+".new", conf))
	}
	replace()
	r.resolver = []string{conf}
	r.install("hello", "")
	r.install("alone", "")
	r.catalog.grant("hello", "network")
	c, other := r.configure("hello/default", "run"), r.configure("alone/default", "run")
	r.run()
	r.note(c, "started")
	alone := r.note(other, "started")
	pid := r.is("hello", Running, "").PID
	replace()
	r.eventually("it is started anew", func() bool { now := r.Pid("hello"); return now != 0 && now != pid }, func() string { return r.logOf("hello") })
	if m := r.is("hello", Running, ""); m.Restarts != 0 {
		t.Errorf("%+v", m)
	}
	pid = r.Pid("hello")
	must(t, r.Look(t.Context()))
	r.renewProcesses()
	if got := fmt.Sprint(r.Pid("alone")); got != alone || r.Pid("hello") != pid {
		t.Errorf("once more, or of another: %d became %d, %s became %s", pid, r.Pid("hello"), alone, got)
	}
	told := r.told(func(e tunnel.Event) bool { return strings.Contains(e.Message, "resolv.conf was replaced") })
	if len(told) != 1 || told[0].Actor != "host" || told[0].Subject != "hello" {
		t.Errorf("told is %+v", told)
	}
	replace()
	r.renewProcesses()
	if r.Pid("hello") != pid {
		t.Error("again within a minute")
	}
}

// TestTrustIsTakenBack: a binary that may run unconfined is shown as that, and stopped when the operator says so.
func TestTrustIsTakenBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.support = sandbox.Support{}
	r.install("hello", "")
	c := r.configure("hello/default", "run")
	r.run()
	r.is("hello", Accept, tunnel.Unsandboxed)
	r.trust("hello")
	r.note(c, "started")
	pid := r.is("hello", Running, "").PID
	if m := r.of("hello"); !m.Trusted {
		t.Errorf("%+v", m)
	}
	if n := r.notes("hello", "unsandboxed: its binary was accepted to run where nothing confines it"); !strings.HasSuffix(n[0].Remedy, "culvert module revoke hello unsandboxed") {
		t.Errorf("%+v", n)
	}
	e, err := r.Distrust(t.Context(), by, "hello")
	must(t, err)
	if e.Process != Ended || !strings.Contains(e.Remedy, "--unsandboxed") || alivePid(pid) {
		t.Errorf("%+v, alive %t", e, alivePid(pid))
	}
	if m := r.is("hello", Accept, tunnel.Unsandboxed); m.Trusted || len(m.Notes) > 0 {
		t.Errorf("%+v", m)
	}
	if sha, _ := r.catalog.Unsandboxed(t.Context(), "hello"); sha != "" {
		t.Errorf("%s is kept", sha)
	}
	if _, err := r.Distrust(t.Context(), by, "hello"); err == nil {
		t.Error("it is taken back twice")
	}
}
