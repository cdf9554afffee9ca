// Command culvertd is the daemon on the PBX: it owns the registry of tunnels, keeps them up and runs the modules.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/host"
	"github.com/culvert-pbx/culvert/host/pluginhost"
	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

const usage = `culvertd keeps SSH tunnels of a PBX up and runs the modules that declare them.

  culvertd [flags]

  --config FILE      read FILE instead of /etc/culvert/culvert.toml; it must exist
  --check-config     check the configuration and end: exit 0 or 2
  --state-dir DIR    registry, keys, events, logs        (/var/lib/culvert)
  --plugin-dir DIR   one file a module                   (/usr/lib/culvert/plugins)
  --socket PATH      control socket                      (/run/culvert/culvert.sock)
  --http ADDR|off    web console; only off yet           (off)
  --log-level L      trace, debug, info, warn, error     (info)
  --log-format F     text or json                        (text)
  --version

A flag counts before the file, the file before the default. Keys of the file (TOML): state_dir plugin_dir socket http
log_level log_format key_file timezone language allow_own_plugins. SIGHUP reads the log level again; SIGTERM ends the
daemon and frees its ports. Exit codes: 0 ended as asked, 1 failed, 2 wrong in itself.

  culvertd --state-dir /tmp/cv/state --plugin-dir bin/plugins --socket /tmp/cv/culvert.sock    try it without root
`

// The exit codes.
const (
	fine   = 0
	failed = 1
	wrong  = 2
)

func main() {
	pluginhost.LaunchIfAsked()
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	o, err := parseFlags(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return fine
	case err != nil:
		complain(stderr, err, "culvertd --help lists the flags")
		return wrong
	case o.version:
		fmt.Fprintln(stdout, "culvertd", version())
		return fine
	}
	c, err := load(o)
	if err != nil {
		complain(stderr, err, "")
		return wrong
	}
	if o.checkOnly {
		fmt.Fprintln(stdout, "culvertd: the configuration is fine")
		return fine
	}
	return serve(o, c, stderr)
}

func serve(o options, c host.Config, stderr io.Writer) int {
	log := hclog.New(&hclog.LoggerOptions{
		Name: "culvertd", Level: hclog.LevelFromString(c.LogLevel), Output: stderr, JSONFormat: c.LogFormat == "json",
	})
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	go reloadLevel(ctx, hup, o, log)

	defer sshtunnel.Tune()()
	err := host.Run(ctx, c, version(), log, func() {
		if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
			log.Warn("tell systemd that the daemon is ready", "error", err)
		}
	})
	if err != nil {
		complain(stderr, err, "")
		return failed
	}
	return fine
}

// reloadLevel sets the log level anew at each SIGHUP: the one thing that is read again.
func reloadLevel(ctx context.Context, hup <-chan os.Signal, o options, log hclog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
		}
		c, err := load(o)
		if err != nil {
			log.Error("the log level stays: the configuration cannot be read", "error", err)
			continue
		}
		log.SetLevel(hclog.LevelFromString(c.LogLevel))
		log.Info("log level read again", "level", c.LogLevel)
	}
}

// complain says what is wrong and how to go on, each finding on lines of its own.
func complain(w io.Writer, err error, hint string) {
	var fs tunnel.Findings
	if errors.As(err, &fs) {
		for _, f := range fs {
			fmt.Fprintf(w, "culvertd: error: %s: %s\n", f.Field, f.Message)
			fmt.Fprintf(w, "culvertd: hint: %s\n", f.WayOut)
		}
		return
	}
	fmt.Fprintln(w, "culvertd: error:", tunnel.Clean(err.Error(), 2000))
	if hint != "" {
		fmt.Fprintln(w, "culvertd: hint:", hint)
	}
}

// version is the module's version that the binary was built from.
func version() string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "devel"
}
