package tunnel

import (
	"strings"
	"testing"
)

func TestParseServer(t *testing.T) {
	for text, want := range map[string]Server{
		"site.example.org":                    {"site.example.org", 22, "root"}, // R12, R13
		"site.example.org:2222":               {"site.example.org", 2222, "root"},
		"sop001@234.56.78.90:2222":            {"234.56.78.90", 2222, "sop001"}, // R98
		"root@localhost":                      {"localhost", 22, "root"},
		`CORP\svc pbx@dc1`:                    {"dc1", 22, `CORP\svc pbx`},
		"svc@corp.local@dc1:22":               {"dc1", 22, "svc@corp.local"}, // at the last @
		"Jürgen@dc1":                          {"dc1", 22, "Jürgen"},
		"[2001:DB8::1]:65535":                 {"2001:db8::1", 65535, "root"},
		"a@[::1]":                             {"::1", 22, "a"},
		"a_b-c.example.":                      {"a_b-c.example.", 22, "root"},
		strings.Repeat("a", 63) + ".b":        {strings.Repeat("a", 63) + ".b", 22, "root"},
		"u0189AZaz@h":                         {"h", 22, "u0189AZaz"},
		"h:1":                                 {"h", 1, "root"},
		strings.Repeat("a.", 126) + "a":       {strings.Repeat("a.", 126) + "a", 22, "root"},
		strings.Repeat("u", 255) + "@example": {"example", 22, strings.Repeat("u", 255)},
	} {
		got, fs := ParseServer(text)
		if len(fs) > 0 || got != want {
			t.Errorf("%q: got %+v %v, want %+v", text, got, fs, want)
		}
		if again, fs := ParseServer(got.String()); len(fs) > 0 || again != got {
			t.Errorf("%q prints as %q, which reads as %+v %v", text, got, again, fs)
		}
	}
}

func TestParseServerRefuses(t *testing.T) {
	for text, want := range map[string][]string{
		"":                          {"required host"},
		"@":                         {"required user", "required host"},
		"@h":                        {"required user"},
		"root@":                     {"required host"},
		":22":                       {"required host"},
		"h:":                        {"required port"},
		"h:0":                       {"out-of-range port 0"},
		"h:65536":                   {"out-of-range port 65536"},
		"h:99999999999999999999999": {"out-of-range port 99999999999999999999999"},
		"h:022":                     {"malformed port 022"},
		"h:+22":                     {"malformed port +22"},
		"h:-1":                      {"malformed port -1"},
		"h: 22":                     {"malformed port  22"},
		"h:22 ":                     {"malformed port 22"},
		"h:1e3":                     {"malformed port 1e3"},
		"h:0x50":                    {"malformed port 0x50"},
		"h:２２":                      {"malformed port ２２"},
		"h:22\n":                    {`malformed port 22\n`},
		"-oProxyCommand=x":          {"malformed host -oProxyCommand=x"},
		"-h:0":                      {"out-of-range port 0", "malformed host -h"}, // all at once
		"-u@-h:x":                   {"malformed user -u", "malformed port x", "malformed host -h"},
		"`id`":                      {"malformed host `id`"},
		"$(id)":                     {"malformed host $(id)"},
		"a b":                       {"malformed host a b"},
		"a\x1b[2J":                  {`malformed host a\x1b[2J`},
		"a\u202eb":                  {`malformed host a\u202eb`},
		"a\xff":                     {`malformed host a\xff`},
		"a..b":                      {"malformed host a..b"},
		".":                         {"malformed host ."},
		"büro.example":              {"malformed host büro.example"},
		"a/b":                       {"malformed host a/b"},
		"a,b":                       {"malformed host a,b"},
		"::1":                       {"malformed host ::1"},
		"fe80::1%eth0":              {"malformed host fe80::1%eth0"},
		"[fe80::1%eth0]":            {"malformed host [fe80::1%eth0]"},
		"[::1":                      {"malformed host [::1"},
		"[127.0.0.1]":               {"malformed host [127.0.0.1]"},
		"[h]":                       {"malformed host [h]"},
		"[]":                        {"malformed host []"},
		"[[::1]]":                   {"malformed host [[::1]]"},
		"a]:22":                     {"malformed host a]"},
		"[::1]x":                    {"malformed host [::1]x"},
		"0.0.0.0":                   {"malformed host 0.0.0.0"},
		"[::]":                      {"malformed host ::"},
		"127.1":                     {"malformed host 127.1"},
		"2130706433":                {"malformed host 2130706433"},
		"0x7f000001":                {"malformed host 0x7f000001"},
		"256.1.1.1":                 {"malformed host 256.1.1.1"},
		"010.0.0.1":                 {"malformed host 010.0.0.1"},
		"-root@h":                   {"malformed user -root"},
		" root@h":                   {"malformed user  root"},
		"root @h":                   {"malformed user root"},
		"ro\tot@h":                  {`malformed user ro\tot`},
		"root;id@h":                 {"malformed user root;id"},
		"ro\u00a0ot@h":              {`malformed user ro\u00a0ot`},
		"root:secret@h":             {"malformed user root:***"},
		"ssh://root:secret@h":       {"malformed  ssh://"},
		strings.Repeat("u", 256) + "@h": {
			"too-long user " + strings.Repeat("u", shown) + "…"},
		strings.Repeat("a", 254): {"too-long host " + strings.Repeat("a", shown) + "…"},
		strings.Repeat("a", 64):  {"malformed host " + strings.Repeat("a", 64)},
		strings.Repeat("@", 5000): {
			"too-long  " + strings.Repeat("@", shown) + "…"},
	} {
		v, fs := ParseServer(text)
		t.Run(Clean(text, 40), func(t *testing.T) { expect(t, fs, want...) })
		if v != (Server{}) {
			t.Errorf("%q: a Server came back with findings: %+v", text, v)
		}
		if strings.Contains(fs.Error(), "secret") {
			t.Errorf("%q: a password is shown: %v", text, fs)
		}
	}
}

func TestServerWarnings(t *testing.T) {
	if ws := (Server{"h", 22, "pbx"}).Warnings(); len(ws) != 0 {
		t.Errorf("got %q", ws)
	}
	v, _ := ParseServer("h.example.org")
	if ws := v.Warnings(); len(ws) != 1 || !strings.Contains(ws[0], "root at h.example.org") {
		t.Errorf("got %q", ws)
	}
}

func TestServerString(t *testing.T) {
	for want, v := range map[string]Server{
		"":                 {},
		"pbx@h":            {"h", 22, "pbx"},
		"pbx@[::1]:2222":   {"::1", 2222, "pbx"},
		"root@h.example.d": {"h.example.d", 0, "root"},
	} {
		if got := v.String(); got != want {
			t.Errorf("%+v: got %q, want %q", v, got, want)
		}
	}
}
