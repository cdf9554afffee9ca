package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/culvert-pbx/culvert/host"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

const (
	defaultFile = "/etc/culvert/culvert.toml"
	maxFile     = 1 << 20
)

// options is what the command line says.
type options struct {
	file      string // --config; "" is the default file, which may be absent
	checkOnly bool
	version   bool
	set       map[string]string // flags given, by name
}

func parseFlags(args []string, out io.Writer) (options, error) {
	o := options{set: map[string]string{}}
	f := flag.NewFlagSet("culvertd", flag.ContinueOnError)
	f.SetOutput(io.Discard) // the error is said once, by the caller
	f.Usage = func() {}
	f.Func("config", "", func(v string) error {
		if v == "" {
			return errors.New("a file is missing; leave the flag out for " + defaultFile)
		}
		o.file = v
		return nil
	})
	f.BoolVar(&o.checkOnly, "check-config", false, "")
	f.BoolVar(&o.version, "version", false, "")
	for _, name := range []string{"state-dir", "plugin-dir", "socket", "http", "log-level", "log-format"} {
		f.Func(name, "", func(v string) error { o.set[name] = v; return nil })
	}
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(out, usage)
		}
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q; culvertd takes flags only", tunnel.Clean(f.Arg(0), 60))
	}
	return o, nil
}

// load joins defaults, file and flags, each overriding what stands before it, and checks the whole.
func load(o options) (host.Config, error) {
	c := host.Defaults()
	if err := readFile(o.file, &c); err != nil {
		return c, err
	}
	for name, target := range map[string]*string{
		"state-dir": &c.StateDir, "plugin-dir": &c.PluginDir, "socket": &c.Socket,
		"http": &c.HTTP, "log-level": &c.LogLevel, "log-format": &c.LogFormat,
	} {
		if v, ok := o.set[name]; ok {
			*target = fromHere(name, v)
		}
	}
	return c, c.Check().Err()
}

// fromHere makes a path given on the command line absolute; one in the file is to be so already.
func fromHere(flag, v string) string {
	if v == "" || !slices.Contains([]string{"state-dir", "plugin-dir", "socket"}, flag) {
		return v
	}
	if abs, err := filepath.Abs(v); err == nil {
		return abs
	}
	return v
}

func readFile(path string, c *host.Config) error {
	name := path
	if name == "" {
		name = defaultFile
	}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) && path == "" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read the configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return fmt.Errorf("cannot read the configuration: %w", err)
	}
	if len(text) > maxFile {
		return fmt.Errorf("%s is larger than 1 MiB; this is no configuration of culvertd", name)
	}
	if c.File, err = filepath.Abs(name); err != nil {
		return err
	}
	return parse(name, text, c)
}

// parse reads TOML strictly: an unknown key, a wrong type or bad syntax is a finding with its place in the file.
func parse(name string, text []byte, c *host.Config) error {
	d := toml.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	err := d.Decode(c)
	var unknown *toml.StrictMissingError
	var wrong *toml.DecodeError
	switch {
	case errors.As(err, &unknown):
		var fs tunnel.Findings
		for _, e := range unknown.Errors {
			fs = append(fs, finding(name, text, tunnel.UnknownKey, &e, "there is no such key",
				"the keys are state_dir plugin_dir socket http log_level log_format key_file timezone language allow_own_plugins"))
		}
		return fs
	case errors.As(err, &wrong):
		return tunnel.Findings{finding(name, text, tunnel.Malformed, wrong, strings.TrimPrefix(wrong.Error(), "toml: "),
			"write text in quotes, and true or false without")}
	}
	return err
}

func finding(name string, text []byte, code tunnel.Code, e *toml.DecodeError, message, wayOut string) tunnel.Finding {
	row, column := e.Position()
	value, key := "", strings.Join(e.Key(), ".")
	if lines := strings.Split(string(text), "\n"); row >= 1 && row <= len(lines) {
		left, right, ok := strings.Cut(lines[row-1], "=")
		value = strings.TrimSpace(right)
		if !ok {
			value = strings.TrimSpace(left)
		}
		if key == "" {
			key = strings.TrimSpace(left)
		}
	}
	value = tunnel.Clean(value, 80)
	return tunnel.Finding{
		Code: code, Field: tunnel.Clean(key, 80), Value: value, WayOut: wayOut,
		Message: fmt.Sprintf("%s (%s, line %d, column %d: %s)", tunnel.Clean(message, 200), name, row, column, value),
	}
}
