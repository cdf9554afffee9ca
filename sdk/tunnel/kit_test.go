package tunnel

import (
	"slices"
	"strings"
	"testing"
)

// says writes findings as "code field value", and holds each to what every finding owes its reader.
func says(t *testing.T, fs Findings) []string {
	t.Helper()
	var out []string
	for _, f := range fs {
		if f.Message == "" || f.WayOut == "" {
			t.Errorf("a finding says too little: %+v", f)
		}
		if len(f.Value) > 120+len("…")+10 || len(f.Message) > 400 {
			t.Errorf("a finding is too long: %+v", f)
		}
		if strings.ContainsFunc(f.Error(), unshowable) {
			t.Errorf("a finding can drive a terminal: %q", f.Error())
		}
		out = append(out, strings.TrimSpace(string(f.Code)+" "+f.Field+" "+f.Value))
	}
	return out
}

func expect(t *testing.T, fs Findings, want ...string) {
	t.Helper()
	if got := says(t, fs); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func mustMapping(t *testing.T, kind Kind, text string) Mapping {
	t.Helper()
	m, fs := ParseMapping(kind, text)
	if len(fs) > 0 {
		t.Fatalf("%s %s: %v", kind, text, fs)
	}
	return m
}

// sound is a tunnel without fault, with these mappings in "KIND MAPPING" text.
func sound(t *testing.T, ref string, mappings ...string) Tunnel {
	t.Helper()
	r, fs := ParseRef(ref)
	if len(fs) > 0 {
		t.Fatal(fs)
	}
	v := Tunnel{Ref: r, Server: Server{"site.example.org", 22, "pbx"}, Login: LoginKey}
	for _, text := range mappings {
		kind, spec, _ := strings.Cut(text, " ")
		v.Mappings = append(v.Mappings, mustMapping(t, Kind(kind), spec))
	}
	NameMappings(v.Mappings)
	return v
}
