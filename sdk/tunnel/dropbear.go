package tunnel

import (
	"slices"
	"strconv"
	"strings"
)

// IsDropbear tells a Dropbear by what the server calls itself, as it sent it.
func IsDropbear(version string) bool { return strings.Contains(strings.ToLower(version), "dropbear") }

// KeyOptions is the option list of t's authorized_keys line in the words of the server that calls itself version, "" where
// that is not known: AuthorizedOptions for OpenSSH and whatever is like it. Dropbear lets no key in whose line has an option
// that it does not know, and its restrict switches forwarding off for good; so its line says what it can. It has no word for
// where the login may listen, and before 2022.83 none for where it may connect. t has passed Check.
func KeyOptions(t Tunnel, version string) string {
	if !IsDropbear(version) {
		return AuthorizedOptions(t)
	}
	options := []string{"no-pty", "no-agent-forwarding", "no-X11-forwarding", noShell}
	if len(t.Mappings) == 0 {
		options = append(options, "no-port-forwarding")
	}
	if permitsOpen(version) {
		options = append(options, targets(t)...)
	}
	return strings.Join(options, ",")
}

// targets are the permitopen options of t's line.
func targets(t Tunnel) []string {
	return slices.DeleteFunc(strings.Split(AuthorizedOptions(t), ","), func(o string) bool { return !strings.HasPrefix(o, "permitopen=") })
}

// permitsOpen reports whether a Dropbear of that version knows permitopen, which one that hides its version may.
func permitsOpen(version string) bool {
	_, number, _ := strings.Cut(strings.ToLower(version), "dropbear_")
	v, err := strconv.ParseFloat(strings.Fields(number + " -")[0], 64)
	return err != nil || v >= 2022.83
}
