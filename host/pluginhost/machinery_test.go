package pluginhost

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/host/pluginhost/sandbox"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// link makes a symbolic link and returns its path.
func link(t *testing.T, to, at string) string {
	t.Helper()
	must(t, os.Symlink(to, at))
	return at
}

func TestPlacesOfAPath(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	must(t, os.MkdirAll(dir+"/a/b", 0o700))
	first := link(t, "second", dir+"/first")
	second := link(t, dir+"/a", dir+"/second")
	up := link(t, "../a/./b", dir+"/a/up")
	loop := link(t, "loop", dir+"/loop")
	for path, want := range map[string][]string{
		dir + "/a/b": {dir + "/a/b"}, dir + "/a/none/x": {dir + "/a/none/x"}, "/": {"/"},
		first + "/b": {first, second, dir + "/a/b"}, first + "/up/none": {first, second, up, dir + "/a/b/none"},
	} {
		if got := places(path); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if got := places(loop); len(got) != maxLinks+1 {
		t.Errorf("a loop has %d places", len(got))
	}
}

// TestNoGrantOpensMachinery: neither the daemon's own nor anything in it or above it, by whatever name it is asked for.
func TestNoGrantOpensMachinery(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, d := range []string{"real/state/modules", "srv/sub", "keys/sub", "conf", "run", "home", "creds"} {
		must(t, os.MkdirAll(filepath.Join(dir, d), 0o700))
	}
	key, conf := filepath.Join(dir, "keys/culvert.key"), filepath.Join(dir, "conf/culvert.toml")
	write(t, key, "key", 0o600)
	write(t, conf, "", 0o600)
	write(t, filepath.Join(dir, "keys/other"), "", 0o600)
	r := newRig(t)
	r.cfg.StateDir = link(t, filepath.Join(dir, "real/state"), filepath.Join(dir, "srv/state"))
	r.cfg.SocketDir = filepath.Join(dir, "run")
	r.cfg.Own = []string{key, conf, "", filepath.Join(dir, "creds")}
	home := filepath.Join(dir, "home")
	must(t, os.Link(key, filepath.Join(home, "hardlink")))
	link(t, dir+"/real/state", home+"/state")
	link(t, dir+"/keys", home+"/keys")
	link(t, "/proc", home+"/proc")
	link(t, dir+"/srv/sub", home+"/sub")
	for _, c := range []struct {
		grant string
		opens bool
	}{
		{"read srv/sub", true}, {"write srv/sub", true}, {"write home/sub", true}, {"read keys/sub", true}, {"read keys/other", true},
		{"write home", true}, // nothing of the daemon's lies in it, whatever its links lead to
		{"read real/state", false}, {"read real/state/modules", false}, {"read real", false},
		{"read srv", false}, {"write srv", false}, // the way to the state leads through a link in it
		{"read keys/culvert.key", false}, {"read keys", false}, {"write keys", false}, {"read home/keys", false},
		{"read home/hardlink", false}, {"read home/state", false}, {"read home/state/modules", false}, {"read home/proc", false},
		{"read conf/culvert.toml", false}, {"read conf", false}, {"read run", false}, {"read creds", false}, {"read .", false},
	} {
		kind, path, _ := strings.Cut(c.grant, " ")
		f, err := r.openGranted(tunnel.Right{Kind: tunnel.GrantKind(kind), Path: filepath.Join(dir, path)})
		if (err == nil) != c.opens {
			t.Errorf("%s: %v", c.grant, err)
		}
		f.Close()
		r.refuses(t, tunnel.Grant(kind+" "+filepath.Join(dir, path)), !c.opens)
	}
	for grant, refused := range map[tunnel.Grant]bool{
		"network": false, "dial 5038": false, "read /proc/1": true, "read nowhere": true, "read /no/such/place": false,
		tunnel.Grant("read " + dir + "/home/later"): false, tunnel.Grant("read " + dir + "/srv/state/later"): true, tunnel.Grant("write " + dir + "/home/proc/later"): true,
	} {
		r.refuses(t, grant, refused)
	}
	for kind, opens := range map[tunnel.GrantKind]bool{tunnel.GrantRead: true, tunnel.GrantWrite: false} { // what runs there is no secret
		f, err := r.openGranted(tunnel.Right{Kind: kind, Path: r.cfg.Dir})
		if (err == nil) != opens {
			t.Errorf("%s the plugin directory: %v", kind, err)
		}
		f.Close()
	}
}

// refuses sees that the grant is refused before it is given, or is not.
func (r *rig) refuses(t *testing.T, g tunnel.Grant, refused bool) {
	t.Helper()
	_, err := r.Grantable("hello", g)
	if (err != nil) != refused || err != nil && !strings.HasPrefix(err.Error(), "grant: ") {
		t.Errorf("asked to grant %s: %v", g, err)
	}
}

// TestWhatIsSwappedInAfterTheJudgementIsNotOpened: the module gets what the path led to when it was judged, and nothing of
// what it leads to by the time the module starts.
func TestWhatIsSwappedInAfterTheJudgementIsNotOpened(t *testing.T) {
	t.Parallel()
	if sandbox.Detect().Level() != sandbox.Full {
		t.Skip("this machine confines no modules")
	}
	r := newRig(t)
	dir := shortDir(t)
	place, moved := filepath.Join(dir, "place"), filepath.Join(dir, "moved")
	for _, d := range []string{place, r.cfg.StateDir} {
		must(t, os.MkdirAll(d, 0o700))
		write(t, filepath.Join(d, "file"), "text\n", 0o600)
	}
	m := newModule(r.Host, "hello")
	t.Cleanup(m.log.ring.close)
	must(t, m.dirs())
	confined, granted := r.sandbox(m, r.sockets.Module("hello"), m.room([]tunnel.Grant{tunnel.Grant("read " + place)}))
	must(t, os.Rename(place, moved))
	link(t, r.cfg.StateDir, place)

	binary := filepath.Join(dir, "binary")
	write(t, binary, "#!/bin/sh\nread x <"+place+"/file; [ -n \"$x\" ] && echo reads the state >&2\nread x <"+moved+"/file; [ -n \"$x\" ] && echo reads what was judged >&2\n", 0o755)
	f, err := os.Open(binary)
	must(t, err)
	p := newProcess(t.Context(), plan{Name: "hello", Env: pluginEnv, Limit: pluginLimits, Support: r.support, Sandbox: confined}, f, "")
	p.granted, p.log, p.seen = granted, m.log, func(int, bool) {}
	must(t, p.Start(t.Context()))
	_ = p.Wait(t.Context())
	p.logged.Wait()
	var said strings.Builder
	for line := range m.log.ring.lines(t.Context(), false) {
		said.WriteString(line + "\n")
	}
	if s := said.String(); strings.Contains(s, "reads the state") || !strings.Contains(s, "reads what was judged") {
		t.Errorf("the log:\n%s", s)
	}
}
