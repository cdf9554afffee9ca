package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/control/controltest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.Local)

// lock is a login that a server refused, as the engine tells it.
var lock = tunnel.Status{
	State: tunnel.Blocked, Reason: tunnel.LoginRefused, Message: "the server refused the key", Remedy: "put the key there", NextAttempt: time.Now().Add(time.Minute),
	Link: tunnel.Statement{State: tunnel.Down, Reason: tunnel.LoginRefused, At: noon},
	Diagnosis: &tunnel.Diagnosis{Cause: tunnel.KeyRefused, Evidence: []string{"the server offers publickey", "our key was refused"},
		Fixes: []tunnel.Fix{{Where: "~pbx/.ssh/authorized_keys at the server", Line: "restrict ssh-ed25519 AAAA pbx"}, {Where: "this machine", Line: "culvert tunnel set hello/x --key FILE"}}},
}

// held is a tunnel of which one mapping is up, the port of another is held by somebody, and a third was opened to all.
var held = tunnel.Status{
	State: tunnel.Degraded, Since: noon, Link: tunnel.Statement{State: tunnel.Up, At: noon.Add(time.Hour)},
	Mappings: []tunnel.MappingStatus{
		{Name: "ldap", State: tunnel.Up, ProvedAt: noon.Add(time.Minute), TargetProvedAt: noon.Add(2 * time.Minute), Bound: tunnel.BoundLoopback,
			Listener: tunnel.Statement{State: tunnel.Up, At: noon}, Target: tunnel.Statement{State: tunnel.Up, At: noon, Message: "220 mail.example.org ESMTP"},
			Connections: 2, Total: 17, Refused: 3, BytesIn: 1_234_567, BytesOut: 999,
			Callers: []tunnel.Caller{{Address: "192.0.2.9", Open: 2, Total: 16, Last: noon}, {Address: "192.0.2.10", Total: 1, Last: noon}}},
		{Name: "web", State: tunnel.Down, Reason: tunnel.RemotePortHeld, Message: "port 8443 of the server is held by another program", Remedy: "end it",
			Diagnosis: &tunnel.Diagnosis{Cause: tunnel.HeldByStranger, Evidence: []string{"it answered: SSH-2.0-x"}, Fixes: []tunnel.Fix{{Where: "the server", Line: "ss -ltnp sport = :8443"}}},
			Listener:  tunnel.Statement{State: tunnel.Down, Reason: tunnel.RemotePortHeld, Message: "another program answers"}},
		{Name: "open", State: tunnel.Down, Reason: tunnel.WiderThanDeclared, Message: "every host can connect to port 9000", Remedy: "culvert tunnel set hello/x --accept-wider open", Bound: tunnel.BoundAll,
			Diagnosis: &tunnel.Diagnosis{Fixes: []tunnel.Fix{{Where: "sshd_config", Line: "GatewayPorts clientspecified"}, {Where: "the PBX", Line: "culvert tunnel restart hello/x"}}}},
	},
}

func (b testbed) addThree() {
	b.t.Helper()
	b.must("tunnel", "add", "hello/x", "--server", "pbx@192.0.2.1", "--key", "host", "--reach", "ldap=1389:389", "--expose", "web=443:8443", "--expose", "open=9001:9000")
}

// Of what is wrong one sentence, then what was seen, then each line to paste alone on its line, then what comes.
func TestWhyOfATunnel(t *testing.T) {
	b := newTestbed(t)
	b.addThree()
	b.report("hello/x", lock)
	for _, subject := range []string{"hello/x", "hello/x/web"} {
		r := b.run("", "tunnel", "why", subject)
		state := map[string]string{"hello/x": "blocked", "hello/x/web": "down"}[subject]
		want := subject + " is " + state + `: the server refused the key (login-refused, key-refused)

What was seen:
  - the server offers publickey
  - our key was refused

What to do:
  put the key there

Lines to paste, the likeliest first:

  # ~pbx/.ssh/authorized_keys at the server:

restrict ssh-ed25519 AAAA pbx

  # this machine:

culvert tunnel set hello/x --key FILE

`
		rest := regexp.MustCompile(`\n\nWhat happens next:\n  the next attempt is in [0-9ms]+, by itself, and at once after a change\n$`)
		if r.code != exitNotUp || !strings.HasPrefix(r.out, want) || !rest.MatchString(r.out) {
			t.Errorf("exit %d, not\n%s...\n%s", r.code, want, r.out)
		}
		three := map[string]string{"hello/x": "\nweb      down  unknown  unknown\n", "hello/x/web": "\nport     not known yet\n"}[subject]
		if !strings.Contains(r.out, three) {
			t.Errorf("no %q in\n%s", three, r.out)
		}
		if r.err != "culvert: error: "+subject+" is "+state+"\n" {
			t.Errorf("%q", r.err)
		}
	}
}

// Of a mapping that is not up link, port and service are said apart; what is up is not spoken of.
func TestWhyOfMappings(t *testing.T) {
	b := newTestbed(t)
	b.addThree()
	b.report("hello/x", held)
	r := b.run("", "tunnel", "why", "hello/x")
	parts := []string{
		"hello/x is degraded since 2026-03-04 12:00:00: 2 mappings are not up.\n\n",
		"hello/x/web is down: port 8443 of the server is held by another program (remote-port-held, held-by-stranger)\n\nWhat was seen:\n  - it answered: SSH-2.0-x\n",
		"\n  # the server:\n\nss -ltnp sport = :8443\n",
		"\nlink     up, seen at 2026-03-04 13:00:00\nport     down (remote-port-held): another program answers\nservice  not known yet\n",
		"\nWhat happens next:\n  it is tried again by itself; culvert tunnel restart hello/x tries it at once",
		"\n\nhello/x/open is down: every host can connect to port 9000 (wider-than-declared)\n",
		"\n  # the PBX:\n\nculvert tunnel restart hello/x\n",
		"\n  the port is not asked for again by itself, and the standing session does not learn of what is changed at the server; when that is done, culvert tunnel restart hello/x begins another, and ends the tunnel's connections\n",
	}
	rest := r.out
	for _, part := range parts {
		_, after, ok := strings.Cut(rest, part)
		if !ok {
			t.Fatalf("no\n%s\nin its place in\n%s", part, r.out)
		}
		rest = after
	}
	if r.code != exitNotUp || strings.Contains(r.out, "ldap") {
		t.Errorf("exit %d\n%s", r.code, r.out)
	}
	if one := b.run("", "tunnel", "why", "hello/x/open"); one.code != exitNotUp || !strings.HasPrefix(one.out, "hello/x/open is down: ") || strings.Contains(one.out, "web") {
		t.Errorf("exit %d\n%s", one.code, one.out)
	}
}

// A second link that met another host key is tried again by itself, in a session that begins with what the server shows then.
func TestWhyOfAnotherKeyBesideALink(t *testing.T) {
	b := newTestbed(t)
	b.addThree()
	other := tunnel.MappingStatus{Name: "web", State: tunnel.Down, Reason: tunnel.HostKeyMismatch, Message: "the tunnel's second link: another key",
		Diagnosis: &tunnel.Diagnosis{Fixes: []tunnel.Fix{{Where: "the PBX", Line: "culvert tunnel restart hello/x"}}}}
	b.report("hello/x", tunnel.Status{State: tunnel.Degraded, Since: noon, Mappings: []tunnel.MappingStatus{other}})
	const next = "\nWhat happens next:\n  it is tried again by itself; culvert tunnel restart hello/x tries it at once"
	if r := b.run("", "tunnel", "why", "hello/x/web"); r.code != exitNotUp || !strings.Contains(r.out, next) {
		t.Errorf("exit %d\n%s", r.code, r.out)
	}
}

// Where nothing is wrong it says so, and since when that is proved.
func TestWhyOfWhatIsFine(t *testing.T) {
	b := newTestbed(t)
	b.addThree()
	b.report("hello/x", held)
	if out := b.must("tunnel", "why", "hello/x/ldap"); out != `hello/x/ldap is up: nothing is wrong.
link  up, seen at 2026-03-04 13:00:00
ldap  proved at 2026-03-04 12:01:00, the service behind it answered at 2026-03-04 12:02:00: 220 mail.example.org ESMTP
` {
		t.Error(out)
	}
	fine := tunnel.Status{State: tunnel.Up, Since: noon}
	for _, name := range []string{"ldap", "web", "open"} {
		fine.Mappings = append(fine.Mappings, tunnel.MappingStatus{Name: name, State: tunnel.Up, ProvedAt: noon})
	}
	b.report("hello/x", fine)
	out := b.must("tunnel", "why", "hello/x")
	for _, want := range []string{"hello/x is up since 2026-03-04 12:00:00: nothing is wrong.\n", "link  up, seen at 2026-03-04 12:00:00\n", "web   proved at 2026-03-04 12:00:00\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestWhyOfWhatIsOff(t *testing.T) {
	b := newTestbed(t)
	b.addThree()
	b.must("tunnel", "disable", "hello/x")
	r := b.run("", "tunnel", "why", "hello/x")
	for _, want := range []string{"hello/x is disabled: it is switched off (suspended)\n", "What to do:\n\n  # a shell on the PBX:\n\nculvert tunnel enable hello/x\n", "What happens next:\n  nothing, until that is done\n"} {
		if r.code != exitNotUp || !strings.Contains(r.out, want) {
			t.Errorf("exit %d, no %q in\n%s", r.code, want, r.out)
		}
	}
	b.must("tunnel", "add", "hello/bare", "--server", "pbx@192.0.2.1", "--key", "host")
	b.report("hello/bare", tunnel.Status{State: tunnel.Degraded, Reason: tunnel.ServerBusy, Message: "the server does not answer"})
	if r := b.run("", "tunnel", "why", "hello/bare"); r.code != exitNotUp || !strings.HasPrefix(r.out, "hello/bare is degraded: the server does not answer (server-busy)\n") {
		t.Errorf("exit %d\n%s", r.code, r.out)
	}
}

func TestWhyAsJSON(t *testing.T) {
	b := newTestbed(t)
	b.addThree()
	b.report("hello/x", held)
	read := func(subject string) (v map[string]any) {
		r := b.run("", "tunnel", "why", subject, "-o", "json")
		if err := json.Unmarshal([]byte(r.out), &v); err != nil || r.code != exitNotUp {
			t.Fatalf("exit %d, %v: %s", r.code, err, r.out)
		}
		for _, name := range strings.Fields("subject state reason cause message remedy evidence fixes link since next_attempt mappings") {
			if _, ok := v[name]; !ok {
				t.Errorf("%s: no %q", subject, name)
			}
		}
		for _, m := range v["mappings"].([]any) {
			for _, name := range strings.Fields("name subject state reason cause message remedy evidence fixes listener target bound proved_at target_proved_at") {
				if _, ok := m.(map[string]any)[name]; !ok {
					t.Errorf("%s: a mapping has no %q", subject, name)
				}
			}
		}
		return v
	}
	whole, web := read("hello/x"), read("hello/x/web")
	if whole["subject"] != "hello/x" || whole["reason"] != nil || len(whole["mappings"].([]any)) != 3 {
		t.Errorf("%v", whole)
	}
	fix := web["fixes"].([]any)[0].(map[string]any)
	if web["subject"] != "hello/x/web" || web["cause"] != "held-by-stranger" || fix["where"] != "the server" || fix["line"] != "ss -ltnp sport = :8443" || len(web["mappings"].([]any)) != 1 {
		t.Errorf("%v", web)
	}
	b.report("hello/x", lock)
	if m := read("hello/x/web"); m["cause"] != "key-refused" || len(m["fixes"].([]any)) != 2 {
		t.Errorf("without a link the cause is the tunnel's: %v", m)
	}
}

// Everything about a mapping on one screen.
func TestTunnelPageOfMappings(t *testing.T) {
	b := newTestbed(t)
	b.addThree()
	b.must("tunnel", "set", "hello/x", "--accept-wider", "open", "--lane", "ldap=bulk", "--via", "socks5://u@proxy.lan:1080", "--server-lan", "192.168.1.10")
	b.report("hello/x", held)
	out := b.must("tunnel", "show", "hello/x")
	for _, want := range []string{
		"\nlink        up, seen at 2026-03-04 13:00:00\n", "\nproxy       socks5://u@proxy.lan:1080\n", "\nin its LAN  192.168.1.10\n",
		"\nldap\n  port     up, seen at 2026-03-04 12:00:00\n  open to  this machine alone (loopback)\n  service  up, seen at 2026-03-04 12:00:00: 220 mail.example.org ESMTP\n",
		"  traffic  1.2 MB from the site, 999 bytes to it; 2 connections now, 17 in all; 3 refused: too many at a time, or waited in vain\n",
		"  lane     bulk: a second link carries it\n",
		"  callers  192.0.2.9  2 now, 16 in all, last at 2026-03-04 12:00:00\n           192.0.2.10  0 now, 1 in all, last at 2026-03-04 12:00:00\n",
		"  open to  WIDER than declared, and accepted: hosts connected to the SSH server too (all addresses)\n",
		"  open to  not measured\n", "web: port 8443 of the server is held by another program (remote-port-held)", "  what was seen: culvert tunnel why hello/x/web\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// The line stands alone on standard output; where it goes stands beside.
func TestKeyOfATunnel(t *testing.T) {
	b := newTestbed(t)
	b.must("tunnel", "add", "hello/x", "--server", `CORP\pbx@office.example`, "--key", "host", "--reach", "ldap=1389:dc1.corp:389")
	r := b.run("", "key", "show", "hello/x")
	least := tunnel.AuthorizedOptions(tunnel.Tunnel{Server: tunnel.Server{Host: "office.example", Port: 22}, Mappings: []tunnel.Mapping{{Kind: tunnel.Reach, Remote: tunnel.Endpoint{Host: "dc1.corp", Port: 389}}}})
	if r.out != least+" "+controltest.AuthorizedKey+"\n" || !strings.Contains(least, `permitopen="dc1.corp:389"`) || strings.Count(r.out, "\n") != 1 {
		t.Errorf("exit %d: %q", r.code, r.out)
	}
	for _, want := range []string{`for the user CORP\pbx at office.example`, `Linux: ~CORP\pbx/.ssh/authorized_keys`, `Windows: C:\Users\pbx\.ssh\authorized_keys`,
		`C:\ProgramData\ssh\administrators_authorized_keys`, "\nicacls.exe \"C:\\ProgramData\\ssh\\administrators_authorized_keys\" /inheritance:r /grant \"*S-1-5-32-544:F\" /grant \"*S-1-5-18:F\"\n"} {
		if !strings.Contains(r.err, want) {
			t.Errorf("no %q in %s", want, r.err)
		}
	}
	if strings.Contains(r.err, "warning") || strings.Contains(r.err, "password") {
		t.Errorf("%s", r.err)
	}
	// with the same key, user and server there is one line for two
	b.must("tunnel", "add", "hello/y", "--server", `CORP\pbx@OFFICE.example`, "--key", "host")
	if r := b.run("", "key", "show", "hello/x"); !strings.Contains(r.err, "culvert: warning: hello/y log in there with this key too") {
		t.Errorf("%s", r.err)
	}
	b.report("hello/x", tunnel.Status{State: tunnel.Up, ServerVersion: "SSH-2.0-dropbear_2022.83"})
	if r := b.run("", "key", "show", "hello/x"); !strings.Contains(r.err, "culvert: warning: the server calls itself SSH-2.0-dropbear_2022.83: ") ||
		!strings.HasPrefix(r.out, "no-pty,") || !strings.Contains(r.out, `,permitopen="dc1.corp:389" `) || strings.Contains(r.out, "permitlisten") {
		t.Errorf("%s%s", r.out, r.err)
	}
	var k struct {
		AuthorizedKey string `json:"authorized_key"`
		Shared        []string
		Own           bool
	}
	r = b.run("", "key", "show", "hello/x", "-o", "json")
	if err := json.Unmarshal([]byte(r.out), &k); err != nil || len(k.Shared) != 1 || k.Own || r.err != "" || !strings.HasPrefix(k.AuthorizedKey, "no-pty,") {
		t.Errorf("%v: %s%s", err, r.out, r.err)
	}
}

// The key is the tunnel's own where it has one, and a tunnel that has none yet is told how it comes to use it.
func TestKeyOfATunnelWithItsOwn(t *testing.T) {
	b := newTestbed(t)
	b.must("tunnel", "add", "hello/x", "--server", "pbx@office.example", "--key", file(t, "a key"))
	if out := b.must("key", "show", "hello/x"); out != tunnel.AuthorizedOptions(tunnel.Tunnel{})+" "+controltest.OwnAuthorizedKey+"\n" {
		t.Errorf("%q", out)
	}
	r := b.run("secret", "tunnel", "add", "hello/y", "--server", "pbx@office.example", "--password-stdin")
	if r.code != 0 {
		t.Fatal(r.err)
	}
	if r := b.run("", "key", "show", "hello/y"); !strings.Contains(r.err, "\nculvert tunnel set hello/y --key host\n") {
		t.Errorf("%s", r.err)
	}
}
