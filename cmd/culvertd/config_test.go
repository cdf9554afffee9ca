package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/culvert-pbx/culvert/host"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestFlagBeforeFileBeforeDefault(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.toml")
	if err := os.WriteFile(file, []byte("log_level = 'debug'\nstate_dir = '/a'\nallow_own_plugins = true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := parseFlags([]string{"--config", file, "--state-dir", "/b"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	c, err := load(o)
	if err != nil {
		t.Fatal(err)
	}
	want := host.Defaults()
	want.LogLevel, want.StateDir, want.AllowOwnPlugins = "debug", "/b", true
	want.File = file
	if c != want {
		t.Errorf("got %+v, want %+v", c, want)
	}
}

func TestAFileNamedOnTheCommandLineMustExist(t *testing.T) {
	o, err := parseFlags([]string{"--config", filepath.Join(t.TempDir(), "absent.toml")}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := load(o); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestBadFiles(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/usr/share", link); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text, field, value string
		code               tunnel.Code
	}{
		{"port = 22", "port", "22", tunnel.UnknownKey},
		{"[web]\nport = 1", "web", "", tunnel.UnknownKey},
		{"log_level = 3", "log_level", "3", tunnel.Malformed},
		{"allow_own_plugins = 'yes'", "allow_own_plugins", "'yes'", tunnel.Malformed},
		{"state_dir = [1]", "state_dir", "[1]", tunnel.Malformed},
		{"state_dir = '/a'\nstate_dir = '/b'", "state_dir", "", tunnel.Malformed},
		{"log_level = 'loud'", "log_level", "loud", tunnel.OutOfRange},
		{"http = ':80'", "http", ":80", tunnel.OutOfRange},
		{"log_format = 'xml'", "log_format", "xml", tunnel.OutOfRange},
		{"language = 'de'", "language", "de", tunnel.OutOfRange},
		{"timezone = 'Mars/Base'", "timezone", "Mars/Base", tunnel.Malformed},
		{"state_dir = 'relative'", "state_dir", "relative", tunnel.Malformed},
		{"socket = ''", "socket", "", tunnel.Required},
		{"plugin_dir = \"/a\\u001b[31m\"", "plugin_dir", `\x1b`, tunnel.Malformed},
		{"socket = '/" + strings.Repeat("x", 50) + "/s'", "socket", "xxx", tunnel.TooLong},
		{"state_dir = '/usr/local/culvert'", "state_dir", "/usr/local/culvert", tunnel.PolicyRefused},
		{"key_file = '/lib/culvert/key'", "key_file", "/lib/culvert/key", tunnel.PolicyRefused}, // a link to /usr/lib
		{"socket = '/usr/culvert.sock'", "socket", "/usr/culvert.sock", tunnel.PolicyRefused},
		{"state_dir = '" + link + "/state'", "state_dir", link, tunnel.PolicyRefused},
	} {
		t.Run(c.text, func(t *testing.T) {
			cfg := host.Defaults()
			err := parse("culvert.toml", []byte(c.text), &cfg)
			if err == nil {
				err = cfg.Check().Err()
			}
			var fs tunnel.Findings
			if !errors.As(err, &fs) {
				t.Fatalf("got %v, want findings", err)
			}
			f := fs[0]
			if f.Code != c.code || !strings.HasPrefix(f.Field, c.field) || !strings.Contains(f.Value, c.value) || f.WayOut == "" {
				t.Errorf("got %+v", f)
			}
			if strings.ContainsRune(err.Error(), 0x1b) {
				t.Error("a terminal escape came through")
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("state_dir = '/a'\n[x]\ny=1"))
	f.Add([]byte("log_level = \"\\u0000\""))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := host.Defaults()
		if err := parse("f", text, &c); err == nil {
			c.Check()
		}
	})
}
