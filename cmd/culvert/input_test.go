package main

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/host/control"
)

// Every field of `tunnel add`, wrong in type, range, length or intent: the error names it and says the way out, and
// nothing is stored.
func TestBadInputOfTunnelAdd(t *testing.T) {
	b := newTestbed(t)
	before := b.tunnels()
	long := strings.Repeat("n", 300)
	key := []string{"--server", "pbx@192.0.2.1", "--key", "host"}
	with := func(more ...string) []string {
		if more[0] == "--server" {
			return append([]string{"hello/x", "--key", "host"}, more...)
		}
		return append([]string{"hello/x"}, append(slices.Clone(key), more...)...)
	}
	named := func(name string) []string { return append([]string{name}, key...) }
	for _, tt := range []struct {
		field string
		args  []string
	}{
		{"OWNER/NAME", named("hello/")}, {"OWNER/NAME", named("/x")}, {"OWNER/NAME", named("hello/../x")}, {"OWNER/NAME", named("hello/" + long)},
		{"OWNER/NAME", named("hello/a b")}, {"OWNER/NAME", named("hello/\x07")}, {"OWNER/NAME", named("Hello/x")}, {"OWNER/NAME", named("hello/１")}, {"name", named("hello/a.b")},
		{"--server", []string{"hello/x", "--key", "host"}},
		{"--server", with("--server", "")}, {"--server", with("--server", "root@-oProxyCommand=x:22")}, {"--server", with("--server", "a b")},
		{"--server", with("--server", "h\nPermitOpen")}, {"--server", with("--server", "`id`")}, {"--server", with("--server", "[::1")},
		{"--server", with("--server", "\x1b[31mred")}, {"--server", with("--server", "h:0")}, {"--server", with("--server", "h:65536")},
		{"--server", with("--server", "h:８０")}, {"--server", with("--server", strings.Repeat("a", 300))}, {"--server", with("--server", "@h")},
		{"--server", with("--server", "-x@h")}, {"--server", with("--server", long+"@h")},
		{"--fingerprint", with("--fingerprint", "zz:zz")}, {"--fingerprint", with("--fingerprint", "SHA256:AAAA")}, {"--fingerprint", with("--fingerprint", long)},
		{"error: --comment: ", with("--comment", strings.Repeat("c", 1001))}, {"error: --comment: ", with("--comment", "a\x1b]0;title\x07b")}, {"error: --comment: ", with("--comment", "a\u202eb")},
		{"--disabled", with("--disabled=perhaps")},
		{"--wait", with("--wait=soon")},
		{"--key", []string{"hello/x", "--server", "a@b"}}, {"--key", []string{"hello/x", "--server", "a@b", "--key", "/nonexistent/key"}}, {"--key", with("--password-stdin")},
		{"--passphrase-stdin", with("--passphrase-stdin")}, {"--key", []string{"hello/x", "--server", "a@b", "--key", t.TempDir()}},
		{"--password-file", []string{"hello/x", "--server", "a@b", "--password-file", "/nonexistent"}},
		{"password", []string{"hello/x", "--server", "a@b", "--password-stdin"}},
		{"--password-file", []string{"hello/x", "--server", "a@b", "--password-file", ""}}, {"--key", []string{"hello/x", "--server", "a@b", "--key", ""}},
		{"is empty", []string{"hello/x", "--server", "a@b", "--key", "/dev/null"}}, {"is empty", []string{"hello/x", "--server", "a@b", "--key", file(t, "\n")}},
		{"is empty", []string{"hello/x", "--server", "a@b", "--password-file", "/dev/null"}},
		{"--key: ", []string{"hello/x", "--server", "a@b", "--key", file(t, "\x30\x82\xff")}},
		{"--key, --password-file: ", with("--password-file", "/dev/null")}, {"--key, --password-stdin: ", with("--password-stdin")},
		{"--password-file: the secret is not UTF-8", []string{"hello/x", "--server", "a@b", "--password-file", file(t, "gr\xfc\xdf\n")}},
		{"--password-file: the secret holds a line break", []string{"hello/x", "--server", "a@b", "--password-file", file(t, "a\nb\n")}},
		{"--comment: the bytes are not UTF-8", with("--comment", "f\xfcr")}, {"--server: ", with("--server", "f\xfcr")}, {"--reach", with("--reach", "f\xfcr=1:2")},
		{"error: --key /", []string{"hello/x", "--server", "a@b", "--key", file(t, "broken")}},
		{"--key", []string{"hello/x", "--server", "a@b", "--key", file(t, strings.Repeat("k", 64<<10+1))}},
		{"--reach", with("--reach", "")}, {"--reach", with("--reach", "389")}, {"--reach", with("--reach", "0:389")}, {"--reach", with("--reach", "65536:389")},
		{"--reach", with("--reach", "-1:389")}, {"--reach", with("--reach", "80 :389")}, {"--reach", with("--reach", "0x50:389")}, {"--reach", with("--reach", "1e3:389")},
		{"--reach", with("--reach", "99999999999999999999:389")}, {"--reach", with("--reach", "A=1:2")}, {"--reach", with("--reach", "=1:2")},
		{"--reach", with("--reach", "1:-oX:2")}, {"--reach", with("--reach", "1:[fe80::1%eth0]:2")}, {"--reach", with("--reach", strings.Repeat("1", 5000))},
		{"--reach-gateway", with("--reach-gateway", ":389")}, {"--expose", with("--expose", "389:")}, {"--expose", with("--expose", "389:８０")},
		{"--expose-gateway", with("--expose-gateway", "1:2:3:4")}, {"mappings", with("--reach", "1:2", "--reach", "1:3")},
		{"name", with("--reach", "a=1:2", "--reach", "a=3:4")},
	} {
		r := b.run("", append([]string{"tunnel", "add"}, tt.args...)...)
		what := strings.Join(tt.args, " ")
		what = what[:min(len(what), 100)]
		if r.code != exitUsage && r.code != exitRefused {
			t.Errorf("%q: exit %d: %s", what, r.code, r.err)
		}
		if !strings.Contains(r.err, tt.field) || !strings.Contains(r.err, "culvert: hint: ") {
			t.Errorf("%q: %q does not name %s with a way out", what, r.err, tt.field)
		}
		if strings.ContainsAny(r.err, "\x1b\x07\u202e") || len(r.err) > 4000 {
			t.Errorf("%q: hostile text comes back: %q", what, r.err)
		}
	}
	if after := b.tunnels(); !maps.EqualFunc(before, after, func(a, b control.Tunnel) bool { return reflect.DeepEqual(a, b) }) {
		t.Errorf("stored: %+v", after)
	}
}

// All that is wrong is said at once.
func TestEveryFindingIsSaid(t *testing.T) {
	b := newTestbed(t)
	r := b.run("", "tunnel", "add", "hello/A", "--server", "h:99999", "--fingerprint", "zz", "--reach", "x:1", "--expose", "1")
	if n := strings.Count(r.err, "culvert: error: "); r.code != exitUsage || n != 6 {
		t.Errorf("exit %d, %d errors: %s", r.code, n, r.err)
	}
}

// In the same way where a tunnel is changed, or a connection tried.
func TestBadLogins(t *testing.T) {
	b := newTestbed(t)
	b.add("hello/x", "1389:389")
	before := b.tunnels()
	for _, command := range [][]string{{"tunnel", "set", "hello/x"}, {"check", "--server", "a@b"}, {"tunnel", "add", "hello/y", "--server", "a@b"}} {
		for _, tt := range []struct {
			stdin, says string
			flags       []string
		}{
			{"", "is empty", []string{"--key", "/dev/null"}},
			{"", "--password-file: no file is named", []string{"--password-file", ""}},
			{"", "--key, --password-stdin: ", []string{"--key", "host", "--password-stdin"}},
			{"", "--passphrase-stdin: --key names", []string{"--key", "host", "--passphrase-stdin"}},
			{"", "--passphrase-stdin: --key names", []string{"--passphrase-stdin"}},
			{"gr\xfc\xdf\n", "--password-stdin: the secret is not UTF-8", []string{"--password-stdin"}},
			{"a\x00b", "--password-stdin: the secret holds", []string{"--password-stdin"}},
			{"\xff", "--passphrase-stdin: the secret is not UTF-8", []string{"--key", file(t, "PEM"), "--passphrase-stdin"}},
		} {
			r := b.run(tt.stdin, append(slices.Clone(command), tt.flags...)...)
			if r.code != exitUsage || !strings.Contains(r.err, tt.says) || !strings.Contains(r.err, "culvert: hint: ") {
				t.Errorf("culvert %q %q: exit %d: %s", command, tt.flags, r.code, r.err)
			}
		}
	}
	if after := b.tunnels(); !maps.EqualFunc(before, after, func(a, b control.Tunnel) bool { return reflect.DeepEqual(a, b) }) {
		t.Errorf("stored: %+v", after)
	}
}

// file is a temporary file with that text.
func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
