package tunnel

import (
	"strings"
	"testing"
)

// What is read prints as text that reads the same, and what is refused says so fit for a terminal.

func FuzzParseServer(f *testing.F) {
	for _, s := range []string{"", "h", "a@h:1", `C\u x@h`, "u@x@[::1]:22", "[2001:DB8::1%z]", "a:b@h", "0x1.1", "\u202e@\xff:00", "::", "[]:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, fs := ParseServer(s)
		if len(fs) > 0 {
			says(t, fs)
			return
		}
		if again, fs := ParseServer(v.String()); len(fs) > 0 || again != v {
			t.Errorf("%q reads as %+v, prints as %q, reads as %+v %v", s, v, v, again, fs)
		}
		if fs := v.check(); len(fs) > 0 {
			t.Errorf("%q is read, but Check refuses it: %v", s, fs)
		}
		if strings.HasPrefix(v.Host, "-") || strings.HasPrefix(v.User, "-") {
			t.Errorf("%q could become an option", s)
		}
	})
}

func FuzzParseMapping(f *testing.F) {
	for _, s := range []string{"", ":", "1:2", ":3", "a=1:h:2", "1:[::1]:2", "x=:[::]:1", "h:1:2", "[::1]:1:2", "a=b=c", "[:]:1", "1:[]:]:2", "01:0x2"} {
		for k := range Kinds {
			f.Add(k, s)
		}
	}
	f.Fuzz(func(t *testing.T, k int, s string) {
		if k < 0 || k >= len(Kinds) {
			return
		}
		m, fs := ParseMapping(Kinds[k], s)
		if len(fs) > 0 {
			says(t, fs)
			return
		}
		if again, fs := ParseMapping(Kinds[k], m.String()); len(fs) > 0 || again != m {
			t.Errorf("%q reads as %+v, prints as %q, reads as %+v %v", s, m, m, again, fs)
		}
		ms := []Mapping{m}
		NameMappings(ms)
		if fs := ms[0].check("adsync"); len(fs) > 0 {
			t.Errorf("%q is read, but Check refuses it: %v", s, fs)
		}
	})
}

func FuzzParseRef(f *testing.F) {
	for _, s := range []string{"", "/", "a/b", "a/b.c", "a/b.c.d", "A/b", "a//b", "a/b\n", "ä/b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, fs := ParseRef(s)
		if len(fs) > 0 {
			says(t, fs)
			return
		}
		if r.String() != s {
			t.Errorf("%q prints as %q", s, r)
		}
	})
}

func FuzzParseFingerprint(f *testing.F) {
	for _, s := range []string{"", "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", "MD5:19:5b:3f:4f:1c:eb:eb:59:ee:a4:28:9a:25:59:fe:db",
		"195b3f4f1cebeb59eea4289a2559fedb", "md5::", "SHA256:="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		fp, fs := ParseFingerprint(s)
		if len(fs) > 0 {
			says(t, fs)
			return
		}
		if again, fs := ParseFingerprint(fp); len(fs) > 0 || again != fp {
			t.Errorf("%q reads as %q, which reads as %q %v", s, fp, again, fs)
		}
	})
}

func FuzzClean(f *testing.F) {
	f.Add("a\x1b[2Jb\u202e\xff\uFFFD…", 5)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		c := Clean(s, limit)
		if strings.ContainsFunc(c, unshowable) || limit >= 0 && len(c) > limit+len(`\U0010ffff`)+len("…") {
			t.Errorf("%q becomes %q", s, c)
		}
		if again := Clean(c, len(c)+1); again != c {
			t.Errorf("%q becomes %q, then %q", s, c, again)
		}
	})
}

func FuzzParseVia(f *testing.F) {
	for _, s := range []string{"", "http://p:1", "socks5://u@p:1", `HTTP://C\u x@[2001:DB8::1]:1/`, "http://u:canary@p:1", "://", "http://@:0", "http://\u202e@\xff:1", "u:p@h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, fs := ParseVia(s)
		if len(fs) > 0 {
			says(t, fs)
			if v != (Via{}) {
				t.Errorf("%q is refused and comes back as %+v", s, v)
			}
			return
		}
		if again, fs := ParseVia(v.String()); len(fs) > 0 || again != v {
			t.Errorf("%q reads as %+v, prints as %q, reads as %+v %v", s, v, v, again, fs)
		}
		if fs := v.check(); len(fs) > 0 {
			t.Errorf("%q is read, but Check refuses it: %v", s, fs)
		}
	})
}

func FuzzParseLAN(f *testing.F) {
	for _, s := range []string{"", "192.168.1.10", "::ffff:10.0.0.1", "fe80::1%eth0", "0.0.0.0", "::1", "224.0.0.1", "h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, fs := ParseLAN(s)
		if len(fs) > 0 {
			says(t, fs)
			return
		}
		if again, fs := ParseLAN(a); len(fs) > 0 || again != a {
			t.Errorf("%q reads as %q, which reads as %q %v", s, a, again, fs)
		}
	})
}

// Whatever a tunnel that passed Check holds, its key line has one option of each, no space and no quote out of place.
func FuzzAuthorizedOptions(f *testing.F) {
	f.Add("site.example.org", "", "dc1.example.org", 389, 0)
	f.Add("2001:db8::7", "::ffff:10.0.0.1", "[", 65535, 2)
	f.Add("h", "", `a",command="x`, 1, 3)
	f.Fuzz(func(t *testing.T, server, lan, target string, port, kind int) {
		if kind < 0 || kind >= len(Kinds) {
			return
		}
		m := Mapping{Name: "m", Kind: Kinds[kind], Local: Endpoint{Port: 1}, Remote: Endpoint{Host: target, Port: port}}
		v := Tunnel{Ref: Ref{Operator, "a"}, Server: Server{server, 22, "u"}, LAN: lan, Login: LoginKey, Mappings: []Mapping{m}}
		if len(Check(v)) > 0 {
			return
		}
		line := AuthorizedOptions(v)
		rest, ok := strings.CutPrefix(line, `restrict,command="exit 1",port-forwarding,`)
		if !ok || strings.Count(line, "command") != 1 && !strings.Contains(target+server, "command") {
			t.Fatalf("%q", line)
		}
		for o := range strings.SplitSeq(rest, ",") {
			keyword, value, _ := strings.Cut(o, "=")
			if keyword != "permitopen" && keyword != "permitlisten" || len(value) < 4 || strings.Trim(value, `"`) != value[1:len(value)-1] || strings.ContainsAny(value, " ,") {
				t.Errorf("option %q of %q", o, line)
			}
		}
	})
}
