package tunnel

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Where a right to a path gives more than it seems, whether it is of such a place, of something in it or of what holds it.
// What no grant opens is missing here, see Machinery.
var (
	// commanding are the places from which a machine takes what it runs, or who may do what.
	commanding = []string{
		"/etc", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/root", "/run/systemd",
		"/var/spool/cron", "/var/spool/at", "/var/spool/incron",
	}
	// secret are the places of passwords and private keys.
	secret = []string{
		"/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/ssh", "/etc/ssl/private", "/etc/pki/tls/private",
		"/etc/letsencrypt", "/etc/asterisk", "/root",
	}
)

// Warning is one full sentence about what the right gives beyond what it seems to, "" where it gives no more.
func (r Right) Warning() string {
	if place := placeOf(r.Path, commanding); r.Kind == GrantWrite && place != "" {
		return fmt.Sprintf("Warning: the machine runs what lies in %s, or decides rights by it: "+
			"this makes the module as mighty as root where the daemon is root.", place)
	}
	place := placeOf(r.Path, secret)
	if place == "" && holdsKeys(r.Path) {
		place = r.Path
	}
	if place == "" || r.Kind != GrantRead && r.Kind != GrantWrite {
		return ""
	}
	return fmt.Sprintf("Warning: %s holds secrets, passwords or private keys: who reads them can act as those they belong to.", place)
}

// placeOf is the first of places that a path is, lies in or holds, "" where there is none.
func placeOf(p string, places []string) string {
	i := slices.IndexFunc(places, func(place string) bool { return p != "" && overlapping(p, place) })
	if i < 0 {
		return ""
	}
	return places[i]
}

// holdsKeys reports whether a path is a user's directory, or all of them, or leads through one of SSH keys.
func holdsKeys(p string) bool {
	return p == "/home" || path.Dir(p) == "/home" || slices.Contains(strings.Split(p, "/"), ".ssh")
}
