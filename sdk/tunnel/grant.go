package tunnel

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// GrantKind says what a grant opens.
type GrantKind string

// The grants there are, as they are written: "dial 5038", "serve 8089", "programs", "network", "read /var/log/asterisk",
// "write /srv/reports".
const (
	GrantDial     GrantKind = "dial"     // 127.0.0.1:PORT, opened for the module by the host
	GrantServe    GrantKind = "serve"    // 127.0.0.1:PORT, listened on for the module by the host
	GrantPrograms GrantKind = "programs" // starting programs of this machine
	GrantNetwork  GrantKind = "network"  // sockets of its own to anywhere
	GrantRead     GrantKind = "read"     // a file, or a directory and all below it
	GrantWrite    GrantKind = "write"    // the same, to change as well
)

// grantForm is how a grant is written.
const grantForm = "dial PORT, serve PORT, read PATH, write PATH, programs or network"

// Right is a grant that was read: what the sandbox opens for it.
type Right struct {
	Kind GrantKind
	Port int    // of dial and serve
	Path string // of read and write: absolute and clean
}

// ParseGrant reads a grant. A Right comes back only without findings, and Right.Grant writes the same text again, so that
// a right has one spelling alone. Findings have no field.
func ParseGrant(g Grant) (Right, Findings) {
	if fs := checkLine(string(g), "", maxGrant); len(fs) > 0 {
		return Right{}, fs
	}
	word, of, more := strings.Cut(string(g), " ")
	r, fs := Right{Kind: GrantKind(word)}, Findings(nil)
	switch r.Kind {
	case GrantDial, GrantServe:
		r.Port, fs = parsePort(of, "")
	case GrantRead, GrantWrite:
		r.Path, fs = of, checkGrantPath(of)
	case GrantPrograms, GrantNetwork:
		if more {
			fs = one(Malformed, "", string(g), "nothing follows the grant "+word, "write "+word)
		}
	default:
		fs = one(Malformed, "", string(g), quoted(string(g))+" is not a grant", "write "+grantForm)
	}
	if len(fs) > 0 {
		return Right{}, fs
	}
	return r, nil
}

// Machinery are places that no grant opens, nor anything above or below them: the kernel's, and where a daemon that was
// told nothing else keeps its records, key and sockets. The host adds those that it really has.
func Machinery() []string {
	return []string{"/proc", "/sys", "/dev", "/boot", "/etc/culvert", "/var/lib/culvert", "/run/culvert", "/var/run", "/usr/lib/culvert"}
}

// checkGrantPath: a path that says by itself what it opens, without a link of dots, and that a pasted command repeats.
func checkGrantPath(p string) Findings {
	const wayOut = "give the whole path of a file or directory, like /var/spool/asterisk/monitor"
	switch {
	case p == "":
		return one(Required, "", p, "a path is missing", wayOut)
	case strings.ContainsFunc(p, notOfPath):
		return one(Malformed, "", p, "the path "+quoted(p)+" holds more than letters, digits and / . _ - + @", wayOut)
	case !path.IsAbs(p) || path.Clean(p) != p:
		return one(Malformed, "", p, quoted(p)+" is not a whole path in its shortest form", wayOut)
	}
	for _, m := range Machinery() {
		if overlapping(p, m) {
			return one(PolicyRefused, "", p, quoted(p)+" is or holds a place that no module may reach: "+m, "give a narrower path")
		}
	}
	return nil
}

func notOfPath(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("/._-+@", r)
}

// overlapping reports whether one of two absolute and clean paths is the other or holds it.
func overlapping(a, b string) bool { return within(a, b) || within(b, a) }

// within reports whether p is dir or lies below it.
func within(p, dir string) bool {
	return p == dir || strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/")
}

// Grant is the text that ParseGrant reads back.
func (r Right) Grant() Grant {
	switch r.Kind {
	case GrantDial, GrantServe:
		return Grant(string(r.Kind) + " " + strconv.Itoa(r.Port))
	case GrantRead, GrantWrite:
		return Grant(string(r.Kind) + " " + r.Path)
	}
	return Grant(r.Kind)
}

// Words tells an operator in full sentences what the right lets a module do, and with its Warning where that is more than it
// seems. No file is looked at for it.
func (r Right) Words() string {
	return strings.TrimSuffix(r.words()+" "+r.Warning(), " ")
}

// words is the sentence without the warning.
func (r Right) words() string {
	switch r.Kind {
	case GrantDial:
		return fmt.Sprintf("It may connect to port %d of this machine (127.0.0.1), and so use whatever service answers there.", r.Port)
	case GrantServe:
		return fmt.Sprintf("It may answer on port %d of this machine (127.0.0.1), to every program and user here.", r.Port)
	case GrantPrograms:
		return "It may start the programs of this machine, which run confined like the module itself."
	case GrantNetwork:
		return "It may connect to every address and port that this machine reaches, and listen on any port, " +
			"beside its tunnels and without being seen in them."
	case GrantRead:
		return fmt.Sprintf("It may read %s and, where that is a directory, everything below it.", r.Path)
	case GrantWrite:
		return fmt.Sprintf("It may read and change %s and, where that is a directory, read, change, add and delete everything below it.", r.Path)
	}
	return "It may do nothing more."
}

// Words are those of the right that a grant gives; one that does not parse says so.
func (g Grant) Words() string {
	r, fs := ParseGrant(g)
	if len(fs) > 0 {
		return "Not a grant: " + fs[0].Message + "."
	}
	return r.Words()
}

// NotAskedFor is the refusal of a grant that module's description does not ask for: no module can use it.
func NotAskedFor(module Owner, g Grant, asked []Grant) Finding {
	name := Clean(string(module), MaxName)
	wayOut := "it asks for nothing"
	if len(asked) > 0 {
		wayOut = "it asks for " + list(asked)
	}
	return find(PolicyRefused, "grant", string(g), fmt.Sprintf("module %s does not ask for %s", name, quoted(string(g))), wayOut)
}

// NotGranted is the refusal of what a module does without the grant for it, with the line that gives it.
func NotGranted(module Owner, r Right) Finding {
	name, g := Clean(string(module), MaxName), string(r.Grant())
	return find(PolicyRefused, "grant", g, fmt.Sprintf("module %s has not been granted %s", name, quoted(g)), GrantLine(module, r.Grant()))
}

// GrantLine is the command that gives a module a grant.
func GrantLine(module Owner, g Grant) string {
	return fmt.Sprintf("culvert module grant %s %s", Clean(string(module), MaxName), Clean(string(g), maxGrant))
}

// checkGrants: each is one of the grammar, and asked for once.
func (d Description) checkGrants() (fs Findings) {
	if n := len(d.Grants); n > maxGrants {
		return one(TooMany, "grants", strconv.Itoa(n), fmt.Sprintf("the module asks for %d grants", n), atMost(maxGrants))
	}
	for i, g := range d.Grants {
		_, gfs := ParseGrant(g)
		fs = append(fs, gfs.At(at("grants", i))...)
		if slices.Contains(d.Grants[:i], g) {
			fs = append(fs, find(Exists, at("grants", i), string(g), "the module asks twice for "+quoted(string(g)), "ask once"))
		}
	}
	return fs
}
