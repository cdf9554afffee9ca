package main

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// How a secret comes in, and that it arrives as it was given: the line end goes, blanks stay.
func TestSecretsOnTheirWayIn(t *testing.T) {
	b := newTestbed(t)
	const secret = " pass word "
	for _, tt := range []struct {
		name, stdin string
		args        []string
		want        tunnel.Credential
	}{
		{"password on stdin", secret + "\n", []string{"--password-stdin"}, tunnel.Credential{Login: "password", Password: secret}},
		{"password on stdin, DOS", secret + "\r\n", []string{"--password-stdin"}, tunnel.Credential{Login: "password", Password: secret}},
		{"password on stdin, no line end", secret, []string{"--password-stdin"}, tunnel.Credential{Login: "password", Password: secret}},
		{"password in a file", "", []string{"--password-file", file(t, secret+"\n")}, tunnel.Credential{Login: "password", Password: secret}},
		{"own key", "", []string{"--key", "host"}, tunnel.Credential{Login: "key"}},
		{"key in a file", "", []string{"--key", file(t, "PEM\n")}, tunnel.Credential{Login: "key", PrivateKey: "PEM\n"}},
		{"key with passphrase", secret + "\n", []string{"--key", file(t, "PEM\n"), "--passphrase-stdin"}, tunnel.Credential{Login: "key", PrivateKey: "PEM\n", Passphrase: secret}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := b.run(tt.stdin, append([]string{"tunnel", "add", "office/x", "--server", "a@b"}, tt.args...)...)
			if r.code != 0 {
				t.Fatalf("exit %d: %s", r.code, r.err)
			}
			got := b.Credential(tunnel.Ref{Owner: "office", Name: "x"})
			if got.Login != tt.want.Login || got.Password.Reveal() != tt.want.Password.Reveal() ||
				got.PrivateKey.Reveal() != tt.want.PrivateKey.Reveal() || got.Passphrase.Reveal() != tt.want.Passphrase.Reveal() {
				t.Errorf("arrived: login %s, %q, %q, %q", got.Login, got.Password.Reveal(), got.PrivateKey.Reveal(), got.Passphrase.Reveal())
			}
			b.must("tunnel", "remove", "office/x")
		})
	}
}

// The password of a proxy's user goes in like others, and stays where the tunnel is changed otherwise.
func TestProxyPassword(t *testing.T) {
	b := newTestbed(t)
	ref := tunnel.Ref{Owner: "office", Name: "x"}
	for _, tt := range []struct {
		stdin, line, login, via string
	}{
		{"proxy pass\n", "add office/x --server a@b --key host --via http://u@proxy:3128 --via-password-stdin", "", "proxy pass"},
		{"", "set office/x --via-password-file " + file(t, "other\n"), "", "other"},
		{"", "set office/x --comment c", "", "other"},
		{"login\n", "set office/x --password-stdin --via socks5://u@proxy:1080 --via-password-file " + file(t, "third\r\n"), "", "third"},
	} {
		if r := b.run(tt.stdin, append([]string{"tunnel"}, strings.Fields(tt.line)...)...); r.code != 0 {
			t.Fatalf("%s: exit %d: %s", tt.line, r.code, r.err)
		}
		if got := b.Credential(ref).Via.Reveal(); got != tt.via {
			t.Errorf("%s: %q arrived", tt.line, got)
		}
	}
	if got := b.tunnels()["office/x"]; got.Via != "socks5://u@proxy:1080" {
		t.Errorf("%+v", got)
	}
	b.must("tunnel", "set", "office/x", "--via", "", "--server-lan", "10.0.0.1")
	if got := b.tunnels()["office/x"]; got.Via != "" || got.LAN != "10.0.0.1" {
		t.Errorf("%+v", got)
	}
}

// A password in the text of a proxy is refused by name and not repeated, whatever else is wrong with that text.
func TestPasswordInTheProxysText(t *testing.T) {
	b := newTestbed(t)
	b.add("office/x", "1389:389")
	const canary = "s3cr3t"
	long := strings.Repeat("x", 3000)
	for _, via := range []string{"http://u:s3cr3t@proxy:3128", "http://u:s3cr3t@proxy", "socks5://u:s3cr3t@proxy:99999", "ftp://u:s3cr3t@proxy:1", "u:s3cr3t@proxy:3128", "http://u:s3cr3t@", "http://u:s3cr3t@[::1", "http://u:s3cr3t@proxy:1/" + long, "http://u:s3cr3t" + long + "@proxy:1"} {
		for _, line := range []string{"tunnel add office/y --server a@b --key host", "tunnel set office/x", "check --server a@b --key host"} {
			for _, format := range []string{"table", "json"} {
				r := b.run("", append(strings.Fields(line), "--via", via, "-o", format)...)
				if r.code != exitUsage || strings.Contains(r.out+r.err, canary) || !strings.Contains(r.err, "--via") {
					t.Errorf("culvert %s --via %.40s: exit %d: %s", line, via, r.code, r.err)
				}
			}
		}
	}
	if r := b.run("", "tunnel", "set", "office/x", "--via", "http://u:s3cr3t@proxy:3128"); !strings.Contains(r.err, "a password has no place beside the user name") {
		t.Errorf("%s", r.err)
	}
}

func TestTunnelSecret(t *testing.T) {
	b := newTestbed(t)
	b.add("hello/x", "1389:389")
	if r := b.run("new\n", "tunnel", "secret", "hello/x", "--password-stdin"); r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	if got := b.Credential(tunnel.Ref{Owner: "hello", Name: "x"}).Password.Reveal(); got != "new" {
		t.Errorf("%q", got)
	}
	if r := b.run("", "tunnel", "secret", "hello/x", "--key", "host"); r.code != exitUsage {
		t.Errorf("a key as secret: exit %d", r.code)
	}
}

// A secret that went in stands in nothing that comes out.
func TestSecretsDoNotComeOut(t *testing.T) {
	b := newTestbed(t)
	const canary = "canary-0815"
	if r := b.run(canary, "config", "set", "hello/default", "base=x", "--secret-stdin", "bind_password"); r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	if r := b.run(canary, "tunnel", "add", "hello/x", "--server", "a@b", "--password-stdin"); r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	for _, line := range []string{"tunnel list", "tunnel show hello/x", "config list", "config show hello/default", "status", "events", "module show hello"} {
		for _, format := range []string{"table", "json"} {
			if r := b.run("", append(strings.Fields(line), "-o", format)...); strings.Contains(r.out+r.err, canary) {
				t.Errorf("culvert %s -o %s shows it: %s%s", line, format, r.out, r.err)
			}
		}
	}
	if out := b.must("config", "show", "hello/default"); !strings.Contains(out, `"bind_password": "***"`) {
		t.Errorf("%s", out)
	}
}

// A secret on the command line works, but somebody else may have read it there.
func TestSecretOnTheCommandLine(t *testing.T) {
	b := newTestbed(t)
	for line, warns := range map[string]bool{
		"config set hello/default bind_password=s3cret":                                  true,
		"config set hello/default --set bind_password=s3cret":                            true,
		"config set hello/default site.server=a@b site.login=password site.password=s3c": true,
		"config set hello/default bind_password=***":                                     false,
		"config set hello/default base=x":                                                false,
	} {
		r := b.run("", strings.Fields(line)...)
		if r.code != 0 || strings.Contains(r.err, "--secret-stdin") != warns || strings.Contains(r.out+r.err, "s3c") {
			t.Errorf("culvert %s: exit %d: %s", line, r.code, r.err)
		}
	}
}

func TestConfigSetTypesItsValues(t *testing.T) {
	b := newTestbed(t)
	document := file(t, `{"base": "dc=corp", "number": 2}`)
	for _, tt := range []struct {
		stdin, line, want string
	}{
		{"", "config set hello/default base=a=b number=7", `{"base":"a=b","number":7}`},
		{"", "config set hello/default --set number=8", `{"base":"a=b","number":8}`},
		{"", "config set hello/default --unset base", `{"number":8}`},
		{"", "config set hello/default --file " + document, `{"base":"dc=corp","number":2}`},
		{`{"base":"in"}`, "config set hello/default --file - number=3", `{"base":"in","number":3}`},
		{"s3cret\n", "config set hello/default --secret-stdin bind_password", `{"base":"in","bind_password":"***","number":3}`},
		{"", "config set hello/default base=out", `{"base":"out","bind_password":"***","number":3}`},
	} {
		r := b.run(tt.stdin, append(strings.Fields(tt.line), "-o", "json")...)
		if r.code != 0 {
			t.Fatalf("culvert %s: exit %d: %s", tt.line, r.code, r.err)
		}
		var got struct{ Settings map[string]any }
		if err := json.Unmarshal([]byte(r.out), &got); err != nil {
			t.Fatal(err)
		}
		if s, _ := json.Marshal(got.Settings); string(s) != tt.want {
			t.Errorf("culvert %s: %s, not %s", tt.line, s, tt.want)
		}
	}
	if doc := string(b.World.Settings(tunnel.ConfigurationRef{Module: "hello", Name: "default"})); !strings.Contains(doc, "s3cret") {
		t.Errorf("the secret did not outlive the next change: %s", doc)
	}
}

func TestBadSettings(t *testing.T) {
	b := newTestbed(t)
	for line, says := range map[string]string{
		"config set hello/default number=x":                                    "number",
		"config set hello/default number=11":                                   "number",
		"config set hello/default site.server=h:99999":                         "site.server",
		"config set hello/default site.slots.nothing.on=true":                  "nothing",
		"config set hello/default --file " + file(t, "{\"base\": \"f\xfcr\"}"): "--file: the bytes are not UTF-8",
		"config set hello/default --file " + file(t, "null"):                   "not a JSON object",
		"config set hello/default --file " + file(t, "{\n\"a\": x}"):           "not a JSON object: line 2: ",
		"config set hello/default base=f\xfcr":                                 "base: the bytes are not UTF-8",
		"config set hello/default --set base=f\xfcr":                           "--set: the bytes are not UTF-8",
		"config set hello/default bind_password=\xfc":                          "bind_password: the bytes are not UTF-8",
		"config set hello/default =x":                                          "KEY=VALUE",
		"config set hello/default --file /nonexistent":                         "/nonexistent",
		"config set hello/default --file " + file(t, "[1]"):                    "not a JSON object",
		"config set hello/default --file " + file(t, `{"a":`):                  "not a JSON object",
		"config set hello/default --file " + file(t, `{"nothing":1}`):          "nothing",
		"config set hello/default --file - --secret-stdin bind_password":       "--secret-stdin",
		"config set hello/default --unset base":                                "base",
		"config add hello/b --file " + strings.Repeat("x", 300):                "--file",
	} {
		r := b.run("", strings.Fields(line)...)
		if (r.code != exitUsage && r.code != exitFailed) || !strings.Contains(r.err, says) || !strings.Contains(r.err, "culvert: hint: ") {
			t.Errorf("culvert %s: exit %d: %s", line, r.code, r.err)
		}
	}
	if out := b.must("config", "show", "hello/default", "-o", "json"); !strings.Contains(out, `"revision": 1`) {
		t.Errorf("changed: %s", out)
	}
}

// A module's secrets obey the rule that a tunnel's do.
func TestBadSecretSettings(t *testing.T) {
	b := newTestbed(t)
	for _, key := range []string{"bind_password", "site.password"} {
		for secret, says := range map[string]string{"a\x00b": "control character", "a\x1b[2J": "control character", "a\rb\nc": "line break", "\xfc": "not UTF-8"} {
			r := b.run(secret, "config", "set", "hello/default", "--secret-stdin", key)
			if r.code != exitUsage || !strings.Contains(r.err, says) || strings.Contains(r.err, "a\\") {
				t.Errorf("%s %q: exit %d: %s", key, secret, r.code, r.err)
			}
		}
	}
	document := file(t, `{"bind_password": "a\u0000b"}`)
	if r := b.run("", "config", "set", "hello/default", "--file", document); r.code != exitUsage || !strings.Contains(r.err, "bind_password: the secret holds") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

// A key in PEM has lines; the password of a site has one.
func TestSecretSettingsOfSeveralLines(t *testing.T) {
	b := newTestbed(t)
	const pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n"
	if r := b.run(pem, "config", "set", "hello/default", "--secret-stdin", "bind_password"); r.code != 0 {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	b.must("config", "set", "hello/default", "--secret-file", "bind_password="+file(t, strings.ReplaceAll(pem, "\n", "\r\n")))
	if out := b.must("config", "show", "hello/default"); strings.Contains(out, "MC4C") || !strings.Contains(out, "***") {
		t.Errorf("shown as %s", out)
	}
	r := b.run(pem, "config", "set", "hello/default", "--secret-stdin", "site.password")
	if r.code != exitUsage || !strings.Contains(r.err, "site.password: the secret holds a line break") || strings.Contains(r.err, "MC4C") {
		t.Errorf("as a password: exit %d: %s", r.code, r.err)
	}
	if r := b.run(pem+strings.Repeat("x", 20_000), "config", "set", "hello/default", "--secret-stdin", "bind_password"); r.code != exitUsage || !strings.Contains(r.err, "use at most 16384") {
		t.Errorf("too long: exit %d: %s", r.code, r.err)
	}
}

func TestConfigLifecycle(t *testing.T) {
	b := newTestbed(t)
	b.must("config", "add", "hello/second", "base=x", "--disabled")
	if out := b.must("config", "list"); !strings.Contains(out, "hello/second   no       disabled") {
		t.Errorf("%s", out)
	}
	b.must("config", "enable", "hello/second")
	b.must("config", "disable", "hello/second")
	b.must("config", "remove", "hello/second", "--purge")
	who := " by operator:" + strconv.Itoa(os.Getuid())
	want := []string{"configure hello/second" + who, "enable hello/second false" + who, "enable hello/second true" + who, "enable hello/second false" + who, "remove hello/second purge true" + who}
	got := b.Calls()
	if s := strings.Join(got[len(got)-5:], "\n"); s != strings.Join(want, "\n") {
		t.Errorf("%s", s)
	}
}
