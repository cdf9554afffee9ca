package phone

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// karlsruhe is the plan of most cases: twelve hundred numbers, one of them the main number.
func karlsruhe(t testing.TB) *Plan {
	t.Helper()
	p, fs := New(Settings{Country: "49", Area: "721", Trunk: "0", International: "00", Line: "0", MinExtension: 2, MaxExtension: 4,
		Main: []string{"0721 12345-0"}, Blocks: []string{"+49 721 12345 100-199", "(0721) 9876 0000-0999"}})
	if len(fs) > 0 {
		t.Fatal(fs)
	}
	return p
}

func TestParse(t *testing.T) {
	own := func(e164, ext string) Number { return Number{Kind: Own, E164: e164, Extension: ext} }
	foreign := func(e164 string) Number { return Number{Kind: Foreign, E164: e164} }
	service := Number{Kind: Service}
	for text, want := range map[string]Number{
		"+49 721 12345-101": own("+4972112345101", "101"), "+49 (0)721 12345-101": own("+4972112345101", "101"),
		"0721/12345101": own("+4972112345101", "101"), "0049 721 12345.101": own("+4972112345101", "101"),
		"12345-101": own("+4972112345101", "101"), "tel:+4972112345101": own("+4972112345101", "101"),
		"\u202a+49\u00a0721\u201112345101\u202c": own("+4972112345101", "101"),
		"98760042":                               own("+4972198760042", "0042"), "0721 123450": own("+49721123450", ""),
		"101": {Kind: Extension, Extension: "101"}, "12": {Kind: Extension, Extension: "12"}, "4-2": {Kind: Extension, Extension: "42"},
		"0171 2345678": foreign("+491712345678"), "+1 212 555 2368": foreign("+12125552368"), "00 33 1 42 68 53 00": foreign("+33142685300"),
		"+39 06 69812345": foreign("+390669812345"), "0721 608-0": foreign("+497216080"),
		"110": service, "112": service, "0110": service, "0112": service, "115": service, "116117": service, "+49 116117": service, "11833": service,
		"+49110": service, "0721 110": service, "0721-112": service, "+49721112": service, "911": service, "1 1 2": service,
	} {
		n, err := karlsruhe(t).Parse(text)
		if err != nil || n != want {
			t.Errorf("%q is %+v, %v; want %+v", text, n, err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"", " ", "+", "anonymous", "0800-PIZZA", "101;1", "101\n102", "+49 721 12345101 x7", "++4972112345101", "49+721", "1234567890123456789",
		"+0721", "+999 12345678", "+49 1", "101&PJSIP/102", "${EXTEN}", "\x00101", "１０１", strings.Repeat("1", 10_000), "+49 721 1", "sip:101@example.com",
	} {
		n, err := karlsruhe(t).Parse(text)
		var f tunnel.Finding
		if !errors.As(err, &f) || n != (Number{}) || f.Message == "" || f.WayOut == "" || len(f.Value) > 100 {
			t.Errorf("%.40q is %+v, %v", text, n, err)
		}
	}
}

func TestMayAssign(t *testing.T) {
	for text, may := range map[string]bool{
		"101": true, "+49 721 12345-101": true, "98760000": true, "0721 12345-0": false, "110": false, "0721 116117": false, "0171 2345678": false,
	} {
		n, err := karlsruhe(t).Parse(text)
		if err != nil {
			t.Fatal(text, err)
		}
		if err := karlsruhe(t).MayAssign(n); (err == nil) != may {
			t.Errorf("%q (%s): %v", text, n.Kind, err)
		}
	}
}

func TestDialling(t *testing.T) {
	p := karlsruhe(t)
	for e164, want := range map[string][3]string{
		"+4972112345101": {"072112345101", "101", "+49 721 12345101"},
		"+497216080":     {"07216080", "007216080", "+49 721 6080"},
		"+33142685300":   {"0033142685300", "00033142685300", "+33 1 42 68 53 00"},
	} {
		if got := [3]string{p.National(e164), p.FromInside(e164), Written(e164)}; got != want {
			t.Errorf("%s is dialled %q, want %q", e164, got, want)
		}
	}
	if e164, ok := p.Outside("0042"); e164 != "+4972198760042" || !ok {
		t.Errorf("extension 0042 is %q outside", e164)
	}
	if e164, ok := p.Outside("42"); ok {
		t.Errorf("extension 42 is %q outside", e164)
	}
}

func TestCountriesWithoutTrunkPrefix(t *testing.T) {
	p, fs := New(Settings{Country: "45", International: "00", MinExtension: 2, MaxExtension: 4, Blocks: []string{"+45 3312 00-99"}})
	if len(fs) > 0 {
		t.Fatal(fs)
	}
	for text, want := range map[string]Number{
		"33 12 42": {Kind: Own, E164: "+45331242", Extension: "42"}, "32 12 34 56": {Kind: Foreign, E164: "+4532123456"}, "112": {Kind: Service},
	} {
		if n, err := p.Parse(text); err != nil || n != want {
			t.Errorf("%q is %+v, %v", text, n, err)
		}
	}
}

func TestSettingsThatMeanNothing(t *testing.T) {
	fine := Settings{Country: "49", International: "00", Trunk: "0", MinExtension: 2, MaxExtension: 4}
	for field, change := range map[string]func(*Settings){
		"country":       func(s *Settings) { s.Country = "999" },
		"area":          func(s *Settings) { s.Area = "7x" },
		"international": func(s *Settings) { s.International = "0" },
		"max_extension": func(s *Settings) { s.MaxExtension = 1 },
		"main[0]":       func(s *Settings) { s.Main = []string{"42"} },
		"blocks[1]":     func(s *Settings) { s.Blocks = []string{"+49721 0-9", "+49 721 99-10"} },
		"blocks[0]":     func(s *Settings) { s.Blocks = []string{"+49721123450"} },
	} {
		s := fine
		change(&s)
		if _, fs := New(s); len(fs) != 1 || fs[0].Field != field {
			t.Errorf("%s: %v", field, fs)
		}
	}
	if _, fs := New(fine); len(fs) > 0 {
		t.Error(fs)
	}
}

// Whatever comes in, digits come out, and what comes out means the same when it comes in again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"+49 (0)721 12345-101", "0721 110", "12", "00", "0", "+", "anonymous", "+1(0)2125552368", "000049", "\u202a1\u202c"} {
		f.Add(s)
	}
	p := karlsruhe(f)
	e164Form, ext := regexp.MustCompile(`^\+[1-9][0-9]{3,14}$`), regexp.MustCompile(`^[0-9]{1,15}$`)
	f.Fuzz(func(t *testing.T, text string) {
		n, err := p.Parse(text)
		if err != nil || n.Kind == Service {
			return
		}
		if n.E164 == "" && n.Extension == "" || n.E164 != "" && !e164Form.MatchString(n.E164) || n.Extension != "" && !ext.MatchString(n.Extension) {
			t.Fatalf("%q is %+v", text, n)
		}
		again := n.E164
		if again == "" {
			again = n.Extension
		}
		if m, err := p.Parse(again); err != nil || m != n {
			t.Fatalf("%q is %+v, but that is %+v, %v", text, n, m, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	p := karlsruhe(b)
	for b.Loop() {
		p.Parse("+49 (0)171 2345678")
	}
}
