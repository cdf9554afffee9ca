package tunnel

import (
	"strings"
	"testing"
)

func TestParseRef(t *testing.T) {
	long := "operator/" + strings.Repeat("n", MaxTunnelName)
	for _, text := range []string{"operator/office", "adsync/berlin.site", "a/b", "hello/x-1", long,
		"callrecording/" + strings.Repeat("c", MaxName) + "." + strings.Repeat("s", MaxSite)} {
		r, fs := ParseRef(text)
		if len(fs) > 0 || r.String() != text {
			t.Errorf("%s: got %s %v", text, r, fs)
		}
	}
	for text, want := range map[string][]string{
		"":                                  {"malformed"},
		"office":                            {"malformed  office"},
		"/":                                 {"required owner", "required name"},
		"operator/":                         {"required name"},
		"Operator/Office":                   {"malformed owner Operator", "malformed name Office"},
		"operator/a/b":                      {"malformed name a/b"},
		"operator/a.b.c":                    {"malformed name b.c"},
		"operator/.site":                    {"required name"},
		"operator/berlin.":                  {"required name"},
		"operator/-a":                       {"malformed name -a"},
		"../x":                              {"malformed owner .."},
		"a\x00b/c":                          {`malformed owner a\x00b`},
		"operator/bü":                       {"malformed name bü"},
		long + "n":                          {"too-long name " + strings.Repeat("n", MaxTunnelName+1)},
		"a/b." + strings.Repeat("s", 23):    {"too-long name " + strings.Repeat("s", 23)},
		strings.Repeat("o", 41) + "/b.site": {"too-long owner " + strings.Repeat("o", 41)},
	} {
		r, fs := ParseRef(text)
		t.Run(Clean(text, 40), func(t *testing.T) { expect(t, fs, want...) })
		if r != (Ref{}) {
			t.Errorf("%q: a Ref came back with findings: %v", text, r)
		}
	}
}

func TestParseConfigurationRef(t *testing.T) {
	if r, fs := ParseConfigurationRef("monitoring/default"); len(fs) > 0 || r.String() != "monitoring/default" {
		t.Errorf("got %v %v", r, fs)
	}
	for text, want := range map[string][]string{
		"monitoring":          {"malformed  monitoring"},
		"monitoring/a.b":      {"malformed name a.b"},
		"operator/default":    {"policy-refused module operator"},
		"/":                   {"required module", "required name"},
		"m/" + long41():       {"too-long name " + long41()},
		"monitoring/default/": {"malformed name default/"},
	} {
		_, fs := ParseConfigurationRef(text)
		t.Run(Clean(text, 40), func(t *testing.T) { expect(t, fs, want...) })
	}
}

func long41() string { return strings.Repeat("x", 41) }

func TestSettingsName(t *testing.T) {
	for path, want := range map[string]Name{
		"site": "berlin.site", "ldap.site": "berlin.site", "sites.rome": "berlin.rome", "branches.rome.site": "berlin.rome", "": "berlin.",
	} {
		if got := SettingsName("berlin", path); got != want {
			t.Errorf("%q: got %s, want %s", path, got, want)
		}
	}
	longest := SettingsName(strings.Repeat("c", MaxName), strings.Repeat("s", MaxSite))
	if fs := checkTunnelName(longest); len(fs) > 0 || len(longest) > MaxTunnelName {
		t.Errorf("%s: %v", longest, fs)
	}
}

func TestMayChange(t *testing.T) {
	ref := Ref{"adsync", "berlin.site"}
	for owner, want := range map[Owner]bool{"adsync": true, "": false, "Adsync": false, Operator: false, "adsync ": false, "tapi": false} {
		if MayChange(owner, ref) != want {
			t.Errorf("MayChange(%q) is %v", owner, !want)
		}
	}
	if MayChange("tapi", Ref{}) {
		t.Error("a tunnel of nobody is not everybody's")
	}
}
