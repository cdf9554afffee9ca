package host

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/culvert-pbx/culvert/host/pluginhost"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Config is everything the daemon is told at start. There is no reload but the log level's.
type Config struct {
	File string `toml:"-"` // where it was read from, "" where from no file

	StateDir        string `toml:"state_dir"`         // registry, keys, logs: 0700
	PluginDir       string `toml:"plugin_dir"`        // one file a module
	Socket          string `toml:"socket"`            // the control socket; module sockets live beside it
	HTTP            string `toml:"http"`              // only "off" until it has a login
	LogLevel        string `toml:"log_level"`         // trace, debug, info, warn, error
	LogFormat       string `toml:"log_format"`        // text or json
	KeyFile         string `toml:"key_file"`          // master key of the sealed secrets; "" is STATE_DIR/key
	Timezone        string `toml:"timezone"`          // IANA name for modules' schedules; "" is the machine's
	Language        string `toml:"language"`          // only "en" yet
	AllowOwnPlugins bool   `toml:"allow_own_plugins"` // plugins may belong to the daemon's user, not only to root
}

// Defaults are the values where neither a flag nor the file says otherwise.
func Defaults() Config {
	return Config{
		StateDir:  "/var/lib/culvert",
		PluginDir: "/usr/lib/culvert/plugins",
		Socket:    "/run/culvert/culvert.sock",
		HTTP:      "off",
		LogLevel:  "info",
		LogFormat: "text",
		Language:  "en",
	}
}

// A unix socket's path holds 107 bytes; modules' sockets lie two names below the control socket's directory.
const maxSocketDir = 40

// What the system takes as a path, and as a socket's.
const (
	maxPath   = 4095
	maxSocket = 107
)

// Check returns all that is wrong with c, in the words of the configuration file.
func (c Config) Check() tunnel.Findings {
	var fs tunnel.Findings
	paths := []location{
		{field: "state_dir", path: c.StateDir, dir: true}, {field: "plugin_dir", path: c.PluginDir, dir: true},
		{field: "socket", path: c.Socket}, {field: "key_file", path: c.KeyFile, optional: true},
	}
	for _, p := range paths {
		fs = append(fs, p.check()...)
	}
	fs = append(fs, checkSocket(c.Socket)...)
	fs = append(fs, c.checkClosed()...)
	fs = append(fs, oneOf("http", c.HTTP, "the web console is not built yet: use off", "off")...)
	fs = append(fs, oneOf("log_level", c.LogLevel, "info is a good start", "trace", "debug", "info", "warn", "error")...)
	fs = append(fs, oneOf("log_format", c.LogFormat, "text is for people, json for machines", "text", "json")...)
	fs = append(fs, oneOf("language", c.Language, "more languages come later", "en")...)
	if _, err := time.LoadLocation(c.Timezone); err != nil {
		fs = append(fs, wrong(tunnel.Malformed, "timezone", c.Timezone,
			fmt.Sprintf("there is no time zone %q", tunnel.Clean(c.Timezone, 60)), "use a name such as Europe/Berlin"))
	}
	return fs
}

// location is a path of the configuration: of a directory or of something in one.
type location struct {
	field, path   string
	dir, optional bool
}

func (p location) check() tunnel.Findings {
	one := func(code tunnel.Code, message, wayOut string) tunnel.Findings {
		return tunnel.Findings{wrong(code, p.field, p.path, message, wayOut)}
	}
	info, err := os.Stat(p.path) // what is not there yet is made, or missed at start
	switch {
	case p.path == "" && p.optional:
		return nil
	case p.path == "":
		return one(tunnel.Required, "a path is needed", "leave the key out for the default")
	case !filepath.IsAbs(p.path):
		return one(tunnel.Malformed, fmt.Sprintf("%q is not an absolute path", tunnel.Clean(p.path, 120)), "begin it with /")
	case len(p.path) > maxPath:
		return one(tunnel.TooLong, fmt.Sprintf("the path has %d bytes, at most %d are possible", len(p.path), maxPath), "choose a shorter one")
	case strings.ContainsFunc(p.path, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return one(tunnel.Malformed, "the path holds a control character", "give a plain path")
	case err == nil && p.dir && !info.IsDir():
		return one(tunnel.Malformed, "there is something else in place of a directory", "name a directory")
	case err == nil && !p.dir && info.IsDir():
		return one(tunnel.Malformed, "there is a directory in place of a file", "name something in it")
	}
	return nil
}

// checkClosed keeps what is secret out of the places that every module may read. The plugin directory may lie there.
func (c Config) checkClosed() (fs tunnel.Findings) {
	for _, p := range []struct{ field, value, place, wayOut string }{
		{"state_dir", c.StateDir, c.StateDir, "/var/lib/culvert"},
		{"key_file", c.KeyFile, c.KeyFile, "/etc/culvert/key"},
		{"socket", c.Socket, filepath.Dir(c.Socket), "/run/culvert/culvert.sock"},
	} {
		if !filepath.IsAbs(p.value) {
			continue // none, or said already
		}
		if open := pluginhost.ReadableByModules(p.place); open != "" {
			fs = append(fs, wrong(tunnel.PolicyRefused, p.field, p.value,
				fmt.Sprintf("it leads into %s, which every module may read: what lies there is no secret", open),
				"put it elsewhere, such as "+p.wayOut))
		}
	}
	return fs
}

// checkSocket holds the control socket's path to what a unix socket's can hold, the modules' sockets included.
func checkSocket(path string) tunnel.Findings {
	if dir := filepath.Dir(path); len(dir) > maxSocketDir {
		return tunnel.Findings{wrong(tunnel.TooLong, "socket", path,
			fmt.Sprintf("its directory has %d bytes, at most %d leave room for the modules' sockets below it", len(dir), maxSocketDir),
			"choose a shorter directory, such as /run/culvert")}
	}
	if len(path) > maxSocket {
		return tunnel.Findings{wrong(tunnel.TooLong, "socket", path,
			fmt.Sprintf("it has %d bytes, a socket's path holds %d", len(path), maxSocket), "choose a shorter name, such as culvert.sock")}
	}
	return nil
}

func oneOf(field, value, wayOut string, allowed ...string) tunnel.Findings {
	if slices.Contains(allowed, value) {
		return nil
	}
	return tunnel.Findings{wrong(tunnel.OutOfRange, field, value,
		fmt.Sprintf("%q is not one of %s", tunnel.Clean(value, 60), strings.Join(allowed, ", ")), wayOut)}
}

func wrong(code tunnel.Code, field, value, message, wayOut string) tunnel.Finding {
	return tunnel.Finding{Code: code, Field: field, Value: tunnel.Clean(value, 120), Message: message, WayOut: wayOut}
}
