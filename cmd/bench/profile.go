package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/host"
	"github.com/culvert-pbx/culvert/host/pluginhost"
	"github.com/culvert-pbx/culvert/host/sshtunnel"
)

// asDaemon is the first argument of a bench that is to be a daemon, which profiles itself.
const asDaemon = "culvertd"

// profiledDaemon is culvertd, writing a CPU profile of its life: FILE STATE PLUGINS SOCKET.
func profiledDaemon(args []string) int {
	pluginhost.LaunchIfAsked()
	if err := runProfiled(args); err != nil {
		fmt.Fprintln(os.Stderr, "bench: error:", err)
		return 1
	}
	return 0
}

func runProfiled(args []string) error {
	if len(args) != 4 {
		return errors.New("not for use by hand")
	}
	f, err := os.Create(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	defer sshtunnel.Tune()()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	c := host.Defaults()
	c.StateDir, c.PluginDir, c.Socket, c.AllowOwnPlugins = args[1], args[2], args[3], true
	return host.Run(ctx, c, "bench", hclog.NewNullLogger(), func() {})
}

// takeProfile runs each kind of stream for a while through a daemon that profiles itself.
func (b *bench) takeProfile(ctx context.Context) error {
	r, err := newSite(ctx)
	if err != nil {
		return err
	}
	defer r.close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if r.daemon, err = r.start(self, asDaemon, b.profile, r.path("state"), r.path("plugins"), r.path("s")); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{r.letIn, r.addTunnel} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		load load
		port int
	}{{send(1), r.culvertR}, {receive(1), r.culvertR}, {send(1), r.culvertL}, {receive(1), r.culvertL}} {
		if _, _, err := f.load(ctx, f.port, 5*b.length); err != nil {
			return err
		}
	}
	if err := r.stopDaemon(); err != nil {
		return err
	}
	fmt.Printf("go tool pprof -top %s %s\n", self, b.profile)
	return nil
}
