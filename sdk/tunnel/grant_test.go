package tunnel

import (
	"fmt"
	"strings"
	"testing"
)

func manyGrants(n int) []Grant {
	out := make([]Grant, n)
	for i := range out {
		out[i] = Grant(fmt.Sprint("dial ", 5000+i))
	}
	return out
}

func TestParseGrant(t *testing.T) {
	for text, want := range map[Grant]Right{
		"dial 5038":                        {Kind: GrantDial, Port: 5038},
		"serve 65535":                      {Kind: GrantServe, Port: 65535},
		"programs":                         {Kind: GrantPrograms},
		"network":                          {Kind: GrantNetwork},
		"read /var/spool/asterisk/monitor": {Kind: GrantRead, Path: "/var/spool/asterisk/monitor"},
		"write /srv/Münster_1/a-b.c":       {Kind: GrantWrite, Path: "/srv/Münster_1/a-b.c"},
		"read /etc/asterisk":               {Kind: GrantRead, Path: "/etc/asterisk"},
		"read /var/lib/culverts":           {Kind: GrantRead, Path: "/var/lib/culverts"},
	} {
		r, fs := ParseGrant(text)
		if len(fs) > 0 || r != want || r.Grant() != text {
			t.Errorf("%q reads as %+v %v, and prints as %q", text, r, fs, r.Grant())
		}
	}
}

func TestParseGrantRefuses(t *testing.T) {
	for text, want := range map[Grant]string{
		"":                              "malformed",
		"everything":                    "malformed  everything",
		"Dial 5038":                     "malformed  Dial 5038",
		"dial":                          "required",
		"dial  5038":                    "malformed   5038",
		"dial 0":                        "out-of-range  0",
		"dial 05038":                    "malformed  05038",
		"serve 65536":                   "out-of-range  65536",
		"network 1":                     "malformed  network 1",
		"programs ":                     "malformed  programs",
		"read":                          "required",
		"read etc":                      "malformed  etc",
		"read /a/../etc":                "malformed  /a/../etc",
		"read /a/":                      "malformed  /a/",
		"read /a//b":                    "malformed  /a//b",
		"read /a b":                     "malformed  /a b",
		"read /a;rm":                    "malformed  /a;rm",
		"read /a\x00":                   `malformed  read /a\x00`,
		"write /":                       "policy-refused  /",
		"write /var":                    "policy-refused  /var",
		"read /etc/culvert":             "policy-refused  /etc/culvert",
		"read /etc":                     "policy-refused  /etc",
		"read /proc/1/mem":              "policy-refused  /proc/1/mem",
		"write /var/lib/culvert/key":    "policy-refused  /var/lib/culvert/key",
		"write /run/culvert/m/adsync":   "policy-refused  /run/culvert/m/adsync",
		"read /" + Grant(long(200)):     "too-long  read /" + long(74) + "…",
		"dial 5038\nserve 1":            `malformed  dial 5038\nserve 1`,
		"write /home/\u202egnp.exe/key": "malformed  write /home/\\u202egnp.exe/key",
	} {
		_, fs := ParseGrant(text)
		got := says(t, fs)
		if len(got) != 1 || got[0] != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func long(n int) string { return strings.Repeat("a", n) }

// Whoever grants reads one whole sentence with the port or path in it; a text that is no grant gives no right by its words.
func TestWordsOfGrants(t *testing.T) {
	for _, g := range []Grant{"dial 5038", "serve 8089", "programs", "network", "read /srv/a", "write /srv/a"} {
		w := g.Words()
		_, of, _ := strings.Cut(string(g), " ")
		if !strings.HasPrefix(w, "It may ") || !strings.HasSuffix(w, ".") || !strings.Contains(w, of) {
			t.Errorf("%s: %q", g, w)
		}
	}
	if w := Grant("all\x1b").Words(); !strings.HasPrefix(w, "Not a grant: ") || strings.Contains(w, "\x1b") {
		t.Errorf("%q", w)
	}
}

// What gives more than it seems says so, by the place itself, from within it and from above it; else nothing is said.
func TestWordsWarnOfWhatGivesMoreThanItSeems(t *testing.T) {
	const root, secrets = "as mighty as root where the daemon is root.", "can act as those they belong to."
	for g, want := range map[Grant]string{
		"write /etc/passwd": root, "write /etc/cron.d/x": root, "write /usr/bin": root, "write /lib64": root, "write /root/.ssh": root,
		"write /var/spool": root, "write /var/spool/cron": root, "write /opt/tool": root, "write /run/systemd/system": root,
		"read /etc/shadow": secrets, "read /root/.ssh": secrets, "read /etc/ssh": secrets, "read /etc/ssl": secrets, "read /etc/ssl/private/a.key": secrets,
		"read /home": secrets, "read /home/eve": secrets, "read /srv/eve/.ssh/id_rsa": secrets, "write /home/eve/.ssh": secrets,
		"read /etc/passwd": "", "read /usr/bin": "", "write /srv/etc": "", "write /home/eve/reports": "", "read /etc/sshd": "", "read /srv/a": "",
		"write /var/spool/asterisk/monitor": "", "dial 5038": "", "serve 8089": "", "programs": "", "network": "",
	} {
		r, fs := ParseGrant(g)
		if len(fs) > 0 {
			t.Errorf("%s: %v", g, fs)
		}
		if w := r.Warning(); !strings.HasSuffix(w, want) || (w == "") != (want == "") || !strings.HasSuffix(g.Words(), w) {
			t.Errorf("%s: %q, and %q", g, w, g.Words())
		}
	}
}

func TestOverlapping(t *testing.T) {
	for _, c := range []struct {
		path, dir string
		want      bool
	}{
		{"/srv/a", "/srv/a", true}, {"/srv/a", "/srv/a/b", true}, {"/srv/a/b", "/srv/a", true}, {"/srv/a", "/", true},
		{"/srv/a", "/srv/ab", false}, {"/srv/ab", "/srv/a", false},
	} {
		if got := overlapping(c.path, c.dir); got != c.want {
			t.Errorf("%q and %q: %v", c.path, c.dir, got)
		}
	}
}

func TestRefusalsOfGrants(t *testing.T) {
	f := NotGranted("tapi", Right{Kind: GrantDial, Port: 5038})
	if f.WayOut != "culvert module grant tapi dial 5038" || !f.Is(ErrPolicyRefused) {
		t.Errorf("%+v", f)
	}
	f = NotAskedFor("tapi", "network", []Grant{"dial 5038", "programs"})
	if f.WayOut != "it asks for dial 5038 or programs" || !strings.Contains(f.Message, "module tapi does not ask for") {
		t.Errorf("%+v", f)
	}
}

func FuzzParseGrant(f *testing.F) {
	for _, s := range []string{"", "dial 1", "serve 00", "network", "read /a", "write /a/../b", "programs x", "read /\u202e\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, fs := ParseGrant(Grant(s))
		if len(fs) > 0 {
			says(t, fs)
			return
		}
		if r.Grant() != Grant(s) {
			t.Errorf("%q reads as %+v, prints as %q", s, r, r.Grant())
		}
		if strings.Contains(r.Path, "..") && strings.Contains(r.Path, "/../") {
			t.Errorf("%q climbs", s)
		}
	})
}
