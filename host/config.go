package host

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Config is everything the daemon is told at start. There is no reload but the log level's.
type Config struct {
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
	add := func(code tunnel.Code, field, value, message, wayOut string) {
		fs = append(fs, tunnel.Finding{Code: code, Field: field, Value: tunnel.Clean(value, 120), Message: message, WayOut: wayOut})
	}
	for _, p := range []struct{ field, value string }{
		{"state_dir", c.StateDir}, {"plugin_dir", c.PluginDir}, {"socket", c.Socket}, {"key_file", c.KeyFile},
	} {
		switch {
		case p.value == "" && p.field != "key_file":
			add(tunnel.Required, p.field, p.value, "a path is needed", "leave the key out for the default")
		case p.value != "" && !filepath.IsAbs(p.value):
			add(tunnel.Malformed, p.field, p.value, fmt.Sprintf("%q is not an absolute path", tunnel.Clean(p.value, 120)), "begin it with /")
		case len(p.value) > maxPath:
			add(tunnel.TooLong, p.field, p.value, fmt.Sprintf("the path has %d bytes, at most %d are possible", len(p.value), maxPath), "choose a shorter one")
		case strings.ContainsFunc(p.value, func(r rune) bool { return r < ' ' || r == 0x7f }):
			add(tunnel.Malformed, p.field, p.value, "the path holds a control character", "give a plain path")
		}
	}
	if dir := filepath.Dir(c.Socket); len(dir) > maxSocketDir {
		add(tunnel.TooLong, "socket", c.Socket,
			fmt.Sprintf("its directory has %d bytes, at most %d leave room for the modules' sockets below it", len(dir), maxSocketDir),
			"choose a shorter directory, such as /run/culvert")
	} else if len(c.Socket) > maxSocket {
		add(tunnel.TooLong, "socket", c.Socket, fmt.Sprintf("it has %d bytes, a socket's path holds %d", len(c.Socket), maxSocket), "choose a shorter name, such as culvert.sock")
	}
	for _, p := range []struct {
		field, value string
		dir          bool
	}{{"state_dir", c.StateDir, true}, {"plugin_dir", c.PluginDir, true}, {"socket", c.Socket, false}} {
		switch info, err := os.Stat(p.value); {
		case err != nil: // what is not there yet is made, or missed at start
		case p.dir && !info.IsDir():
			add(tunnel.Malformed, p.field, p.value, "there is something else in place of a directory", "name a directory")
		case !p.dir && info.IsDir():
			add(tunnel.Malformed, p.field, p.value, "there is a directory in place of a socket", "name a file in it, such as culvert.sock")
		}
	}
	choice := func(field, value, wayOut string, allowed ...string) {
		if !slices.Contains(allowed, value) {
			add(tunnel.OutOfRange, field, value, fmt.Sprintf("%q is not one of %s", tunnel.Clean(value, 60), strings.Join(allowed, ", ")), wayOut)
		}
	}
	choice("http", c.HTTP, "the web console is not built yet: use off", "off")
	choice("log_level", c.LogLevel, "info is a good start", "trace", "debug", "info", "warn", "error")
	choice("log_format", c.LogFormat, "text is for people, json for machines", "text", "json")
	choice("language", c.Language, "more languages come later", "en")
	if _, err := time.LoadLocation(c.Timezone); err != nil {
		add(tunnel.Malformed, "timezone", c.Timezone, fmt.Sprintf("there is no time zone %q", tunnel.Clean(c.Timezone, 60)), "use a name such as Europe/Berlin")
	}
	return fs
}
