package pluginhost

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// copyLog reads a module's standard error into its log until it ends: hclog's JSON from the SDK, or whatever else the
// module writes there, of which w is told. go-plugin would do it, but a line that is JSON of other types makes it panic,
// and with it the host.
func copyLog(stderr io.Reader, log *moduleLog, w *words) {
	in := bufio.NewReaderSize(stderr, 64<<10)
	crash := false // after "panic:" everything belongs to the trace
	for {
		line, err := readLine(in)
		if err != nil {
			return
		}
		level, text, ok := parseEntry(line)
		if !ok {
			text = string(line)
			w.wrote(text)
			crash = crash || crashLine.MatchString(text)
			level = guessLevel(text, crash)
		}
		if text != "" {
			log.add(level, text)
		}
	}
}

// readLine returns one line without its end, cut where it is longer than the reader's buffer.
func readLine(in *bufio.Reader) ([]byte, error) {
	line, more, err := in.ReadLine()
	line = bytes.Clone(line)
	for more && err == nil {
		_, more, err = in.ReadLine()
	}
	if len(line) > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return line, err
}

// parseEntry reads an entry of hclog's. An empty text means that nobody needs it.
func parseEntry(line []byte) (level hclog.Level, text string, ok bool) {
	var fields map[string]any
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if len(line) == 0 || line[0] != '{' || d.Decode(&fields) != nil {
		return 0, "", false
	}
	message, isText := fields["@message"].(string)
	if !isText {
		return 0, "", false
	}
	levelName, _ := fields["@level"].(string)
	if level = hclog.LevelFromString(levelName); level == hclog.NoLevel {
		level = hclog.Debug
	}
	if module, _ := fields["@module"].(string); strings.HasPrefix(module, "go-plugin") && level < hclog.Warn {
		return level, "", true // how it serves, at every start the same
	}
	return level, message + pairs(fields), true
}

// pairs are the fields of an entry that are not hclog's own, in the order of their names.
func pairs(fields map[string]any) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if strings.HasPrefix(key, "@") {
			continue
		}
		value := fmt.Sprint(fields[key])
		if value == "" || strings.ContainsAny(value, " =\"") {
			value = fmt.Sprintf("%q", value)
		}
		fmt.Fprintf(&b, " %s=%s", key, value)
	}
	return b.String()
}

// guessLevel is the level of a line that does not say it.
func guessLevel(text string, crash bool) hclog.Level {
	for prefix, level := range map[string]hclog.Level{"[TRACE]": hclog.Trace, "[DEBUG]": hclog.Debug, "[INFO]": hclog.Info, "[WARN]": hclog.Warn, "[ERROR]": hclog.Error} {
		if strings.HasPrefix(text, prefix) {
			return level
		}
	}
	if crash {
		return hclog.Error
	}
	return hclog.Info
}
