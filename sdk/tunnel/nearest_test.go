package tunnel

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	words := []string{"server", "slots", "on", "password", "base_dn"}
	for s, want := range map[string]string{
		"serv": "server", "sevrer": "server", "Server": "server", "slot": "slots", "passwrod": "password", "baseDN": "base_dn",
		"no": "on", "x": "", "": "", "telephone": "", strings.Repeat("a", 1<<20): "",
	} {
		if got := Nearest(s, words); got != want {
			t.Errorf("%.20q is taken for %q, want %q", s, got, want)
		}
	}
}
