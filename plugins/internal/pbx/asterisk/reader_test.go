package asterisk

import (
	"strings"
)

// The other side, written from how Asterisk reads its files: lines of at most 8191 bytes, comments, sections, values.

type section struct {
	name, templates string
	lines           []line
}

type line struct{ key, value string }

// parse reads a configuration file. odd is what was neither a section nor a value.
func parse(text string) (sections []section, odd []string) {
	commented := 0
	for text != "" {
		raw := text[:min(len(text), 8191)]
		if i := strings.IndexByte(raw, '\n'); i >= 0 {
			raw = raw[:i+1]
		}
		text = text[len(raw):]
		l := strings.TrimFunc(uncomment(raw, &commented), func(r rune) bool { return r > 0 && r <= ' ' })
		switch key, value, ok := strings.Cut(l, "="); {
		case l == "":
		case l[0] == '[' && strings.Contains(l, "]"):
			name, rest, _ := strings.Cut(l[1:], "]")
			sections = append(sections, section{name: name, templates: rest})
		case l[0] != '#' && ok && len(sections) > 0:
			s := &sections[len(sections)-1]
			s.lines = append(s.lines, line{strings.TrimSpace(key), strings.TrimSpace(strings.TrimPrefix(value, ">"))})
		default:
			odd = append(odd, l)
		}
	}
	return sections, odd
}

// uncomment takes comments off, those of several lines too, and the backslash before a semicolon.
func uncomment(l string, depth *int) string {
	out := ""
	for l != "" {
		i := strings.IndexByte(l, ';')
		switch {
		case i < 0:
			if *depth == 0 {
				out += l
			}
			return out
		case i > 0 && l[i-1] == '\\':
			if *depth == 0 {
				out += l[:i-1] + ";"
			}
			l = l[i+1:]
		case strings.HasPrefix(l[i:], ";--") && !strings.HasPrefix(l[i:], ";---"):
			if *depth == 0 {
				out += l[:i]
			}
			*depth++
			l = l[i+3:]
		case *depth > 0 && strings.HasSuffix(l[:i], "--"):
			*depth--
			l = l[i+1:]
		case *depth > 0:
			l = l[i+1:]
		default:
			return out + l[:i]
		}
	}
	return out
}

// parts takes a caller's name and number apart.
func parts(callerid string) (name, number string) {
	ls := strings.IndexByte(callerid, '<')
	if ls < 0 {
		return "", callerid
	}
	le := strings.IndexByte(callerid[ls:], '>')
	if le < 0 {
		return "", callerid
	}
	name, number = callerid[:ls], callerid[ls+1:ls+le]
	if ns := strings.IndexByte(name, '"'); ns >= 0 {
		if ne := strings.IndexByte(name[ns+1:], '"'); ne >= 0 {
			return cut(name[ns+1 : ns+1+ne]), number
		}
	}
	return cut(strings.TrimSpace(name)), number
}

// cut is what there is room for.
func cut(s string) string { return s[:min(len(s), 79)] }
