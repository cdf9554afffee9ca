package asterisk

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx/export"
)

// maxLine is half of what Asterisk reads as one line; what is longer would go on as a line of its own.
const maxLine = 4000

// conf is a configuration file of Asterisk being written.
type conf struct{ bytes.Buffer }

// section begins a section. Names and templates are words or digits that were checked.
func (c *conf) section(name string, templates ...string) {
	fmt.Fprintf(c, "\n[%s]", name)
	if len(templates) > 0 {
		fmt.Fprintf(c, "(%s)", strings.Join(templates, ","))
	}
	c.WriteByte('\n')
}

// set writes a line of a section, or nothing where Asterisk would not read the value as it is.
func (c *conf) set(key, value string) bool {
	v, ok := escape(value)
	if ok = ok && len(key)+len(v)+4 <= maxLine; ok {
		fmt.Fprintf(c, "%s = %s\n", key, v)
	}
	return ok
}

// exten writes a line of the dialplan. what is made of digits and words of ours.
func (c *conf) exten(number, priority, what string) {
	fmt.Fprintf(c, "exten => %s,%s,%s\n", number, priority, what)
}

// escape makes value mean itself behind "key = ": a semicolon, which begins a comment, gets a backslash. There is no way to
// write a line break or spaces at an end, nor a backslash before a semicolon that every version reads alike.
func escape(value string) (string, bool) {
	switch {
	case !utf8.ValidString(value), strings.ContainsFunc(value, unicode.IsControl), strings.ContainsAny(value, "\u2028\u2029"):
		return "", false
	case value != strings.TrimSpace(value), strings.Contains(value, `\;`):
		return "", false
	}
	return strings.ReplaceAll(value, ";", `\;`), true
}

// callerID is a name and a number as Asterisk takes them apart.
func callerID(name, number string) (string, bool) {
	if !export.CallerName(name) {
		return "", false
	}
	return `"` + name + `" <` + number + `>`, true
}
