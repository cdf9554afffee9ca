package tunnel

import (
	"strings"
	"testing"
)

func TestParseVia(t *testing.T) {
	for _, c := range []struct {
		text string
		want Via
	}{
		{"", Via{}},
		{"http://proxy.example.org:3128", Via{ViaHTTP, "proxy.example.org", 3128, ""}},
		{"SOCKS5://u@10.0.0.1:1080", Via{ViaSOCKS5, "10.0.0.1", 1080, "u"}},
		{`http://CORP\pbx@[2001:db8::7]:8080/`, Via{ViaHTTP, "2001:db8::7", 8080, `CORP\pbx`}},
		{"http://pr%40x@proxy:1", Via{ViaHTTP, "proxy", 1, "pr@x"}},
		{"http://pr@x@proxy:1", Via{ViaHTTP, "proxy", 1, "pr@x"}},
		{"socks5://a%2520b%c3%A4@proxy:1", Via{ViaSOCKS5, "proxy", 1, "a%20b\u00e4"}},
		{"http://50%25%@proxy:1", Via{ViaHTTP, "proxy", 1, "50%%"}},
		{"http://50%off%4@proxy:1", Via{ViaHTTP, "proxy", 1, "50%off%4"}},
	} {
		got, fs := ParseVia(c.text)
		if len(fs) > 0 || got != c.want {
			t.Errorf("%q: got %+v %v", c.text, got, fs)
		}
		if again, fs := ParseVia(got.String()); len(fs) > 0 || again != got {
			t.Errorf("%q: its text %q reads as %+v %v", c.text, got, again, fs)
		}
	}
}

func TestParseViaRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"proxy:3128", "malformed  proxy:3128"},
		{"https://proxy:3128", "malformed  https://"},
		{"http://proxy", "required port proxy"},
		{"http://proxy:0", "out-of-range port 0"},
		{"http://@proxy:1", "required user"},
		{"http://u:canary@proxy:1", "malformed user u:***"},
		{"ftp://u:canary@proxy:1", "malformed  ftp://"},
		{"u:canary@proxy:1", "malformed  ***@proxy:1"},
		{"socks5://u:canary", "malformed port ***"},
		{"http://proxy:3128@u:canary", "malformed user proxy:***|malformed port ***"},
		{"http://u:9876543210", "malformed port ***"},
		{"http://u:canary:3128", "required port u:***"},
		{"http://u:1:canary", "required port u:1:***"},
		{"http://proxy:70000", "out-of-range port 70000"},
		{"http://proxy:", "required port"},
		{"u:canary", "malformed  u:***"},
		{"u:canary://proxy:1", "malformed  u:***"},
		{"http://[u:canary", "required port [u:***"},
		{"http://[2001:db8::7]", "required port [2001:db8::7]"},
		{"u@proxy:canary", "malformed  ***@proxy:***"},
		{"u:canary" + strings.Repeat("x", 2000), "too-long  u:***"},
		{"http://-x:1", "malformed host -x"},
		{"http://a\nb@proxy:1", `malformed user a\nb`},
		{"http://a%0ab@proxy:1", `malformed user a\nb`},
		{"http://a%ff@proxy:1", `malformed user a\xff`},
		{"http://u%3Acanary@proxy:1", "malformed user u:***"},
		{"http://u%3acanary@proxy:1", "malformed user u:***"},
		{"http://u%3Acanary:3128", "malformed host ***"},
		{"http://u%3Acanary", "malformed host ***"},
		{"http://" + strings.Repeat("u", 300) + "@proxy:1", "too-long user"},
	} {
		got, fs := ParseVia(c.text)
		expect(t, fs, strings.Split(c.want, "|")...)
		if got != (Via{}) {
			t.Errorf("%q: came back as %+v", c.text, got)
		}
		if strings.Contains(fs.Error(), "canary") {
			t.Errorf("%q: the finding repeats the password: %v", c.text, fs)
		}
	}
}

func TestViaPasswordIsChecked(t *testing.T) {
	const http, socks = "http://u@proxy:3128", "socks5://u@proxy:1080"
	for _, c := range []struct {
		what, via, password, want string
	}{
		{"none", "http://proxy:3128", "", ""},
		{"as long as SOCKS5 can say", socks, strings.Repeat("p", 255), ""},
		{"longer", socks, strings.Repeat("p", 256), "too-long"},
		{"a token for an HTTP proxy", http, strings.Repeat("p", 4096), ""},
		{"longer than a header", http, strings.Repeat("p", 4097), "too-long"},
		{"of nobody", "http://proxy:3128", "canary", "malformed"},
		{"of no proxy", "", "canary", "malformed"},
		{"of two lines", http, "canary\ncanary", "malformed"},
	} {
		v, fs := ParseVia(c.via)
		expect(t, fs)
		fs = v.CheckPassword(Secret(c.password))
		switch {
		case c.want == "" && len(fs) > 0, c.want != "" && (len(fs) != 1 || string(fs[0].Code) != c.want || fs[0].Field != ""):
			t.Errorf("%s: %v, not %q", c.what, fs, c.want)
		case strings.Contains(fs.Error(), "canary") || strings.Contains(fs.Error(), "ppp"):
			t.Errorf("%s: the finding repeats the password: %v", c.what, fs)
		}
	}
}

func TestParseLAN(t *testing.T) {
	for _, c := range []struct{ text, want, finding string }{
		{"", "", ""},
		{"192.168.1.10", "192.168.1.10", ""},
		{"::ffff:10.0.0.1", "10.0.0.1", ""},
		{"fe80::1%eth0", "", "malformed  fe80::1%eth0"},
		{"server", "", "malformed  server"},
		{"127.0.0.1", "", "malformed  127.0.0.1"},
		{"0.0.0.0", "", "malformed  0.0.0.0"},
		{"255.255.255.255", "", "malformed  255.255.255.255"},
		{"::ffff:255.255.255.255", "", "malformed  ::ffff:255.255.255.255"},
		{"::ffff:127.0.0.1", "", "malformed  ::ffff:127.0.0.1"},
	} {
		got, fs := ParseLAN(c.text)
		if got != c.want {
			t.Errorf("%q reads as %q", c.text, got)
		}
		if c.finding == "" {
			expect(t, fs)
		} else {
			expect(t, fs, c.finding)
		}
	}
}

func TestParseLane(t *testing.T) {
	for text, want := range map[string]Lane{"": LaneMain, "main": LaneMain, "bulk": LaneBulk} {
		if got, fs := ParseLane(text); got != want || len(fs) > 0 {
			t.Errorf("%q: %q %v", text, got, fs)
		}
	}
	_, fs := ParseLane("fast")
	expect(t, fs, "malformed lane fast")
}
