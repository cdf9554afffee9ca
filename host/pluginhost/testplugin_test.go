package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// serveTestPlugin is the test binary as a plugin. How it starts is said by its name, what its runs do by their settings.
func serveTestPlugin() {
	name, _, _ := strings.Cut(filepath.Base(os.Args[0]), "-x")
	switch name {
	case "exits":
		return
	case "crashes":
		fmt.Fprintln(os.Stderr, "panic: on purpose")
		os.Exit(3)
	case "killed":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		forever()
	case "hangs":
		forever()
	case "prints":
		fmt.Println("welcome to \x1b[31mprints")
	case "other-contract":
		plugin.Serve(&plugin.ServeConfig{
			HandshakeConfig:  wire.Handshake,
			VersionedPlugins: map[int]plugin.PluginSet{99: {}},
			GRPCServer:       plugin.DefaultGRPCServer,
		})
		return
	case "mute": // it listens and never answers
		l, err := net.Listen("unix", os.Getenv("PLUGIN_UNIX_SOCKET_DIR")+"/plugin1")
		if err != nil {
			panic(err)
		}
		fmt.Printf("1|1|unix|%s|grpc|\n", l.Addr())
		forever()
	case "foreign-address":
		fmt.Println("1|1|unix|/run/dbus/system_bus_socket|grpc|")
		forever()
	}
	wire.Serve(testPlugin{}, hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: os.Stderr, JSONFormat: true}))
}

// forever is a wait that the runtime does not take for a deadlock.
func forever() {
	for {
		time.Sleep(time.Hour)
	}
}

type testPlugin struct{}

func (testPlugin) Describe() (tunnel.Description, error) {
	d := tunnel.Description{Name: os.Args[0], Version: version(), Policy: tunnel.Anything, Capabilities: []string{tunnel.CapabilityTester, tunnel.CapabilityValidator}}
	switch os.Args[0] {
	case "worker":
		describeWorker(&d)
	case "untested":
		d.Capabilities = nil
	case "greedy", "greedier":
		d.Grants = map[string][]tunnel.Grant{"greedy": {"write /proc"}, "greedier": {"write /proc", "everything"}}[d.Name]
	case "misnamed":
		d.Name = "monitoring"
	case "slow-describe":
		forever()
	case "rude":
		return d, tunnel.Findings{{Code: tunnel.Malformed, Field: "slots", Message: "on purpose"}}
	}
	return d, nil
}

// version is what was appended to the binary, so that a test can have several.
func version() string {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	tail := make([]byte, 16)
	if _, err := f.Seek(-int64(len(tail)), io.SeekEnd); err != nil {
		return err.Error()
	}
	if _, err := io.ReadFull(f, tail); err != nil {
		return err.Error()
	}
	if v, ok := strings.CutPrefix(string(tail), "VERSION="); ok {
		return strings.TrimSpace(v)
	}
	return "1.0.0"
}

// Validate has something to say of what is to be refused.
func (testPlugin) Validate(settings json.RawMessage) (tunnel.Findings, error) {
	var o orders
	if err := json.Unmarshal(settings, &o); err != nil {
		return nil, err
	}
	switch what, arg, _ := strings.Cut(o.Do, " "); what {
	case "refuse":
		return tunnel.Findings{{Code: tunnel.Malformed, Field: "do", Message: "no " + arg, WayOut: "do something else"}}, nil
	case "crash":
		os.Exit(3)
	}
	return nil, nil
}

// orders are the settings of the test plugin.
type orders struct {
	Do string `json:"do"`
}

func (testPlugin) Run(ctx context.Context, r wire.Run) error {
	var o orders
	if err := json.Unmarshal(r.Settings, &o); err != nil {
		return err
	}
	note := func(file, text string) { os.WriteFile(filepath.Join(r.Dir, file), []byte(text), 0o600) }
	note("started", fmt.Sprint(os.Getpid()))
	what, arg, _ := strings.Cut(o.Do, " ")
	switch what {
	case "done":
		return nil
	case "fail":
		before, _ := os.ReadFile(filepath.Join(r.Dir, "tries"))
		note("tries", string(before)+"+")
		return errors.New("no luck with \x1b[31m" + arg)
	case "fail-at-length":
		return errors.New("no luck \x1b[31m\n" + strings.Repeat("and again ", 1<<17))
	case "fail-in-many-ways":
		long := strings.Repeat("x", 1<<14)
		return fmt.Errorf("no luck: %w", slices.Repeat(tunnel.Findings{{Code: tunnel.Malformed, Field: long, Value: long, Message: long, WayOut: long}}, 64))
	case "collide":
		return tunnel.Findings{{Code: tunnel.PortCollision, Field: "mappings[a]", Message: "port 80 is taken"}}
	case "crash":
		os.Exit(3)
	case "panic": // as in a goroutine of the module's own
		go panic("at the disco\x1b[31m" + strings.Repeat("!", 1000))
		forever()
	case "deadlock":
		syscall.Write(2, []byte("fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [chan receive]:\n")) // where the runtime writes
		os.Exit(2)
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGABRT)
		forever()
	case "stubborn":
		forever()
	case "declare":
		note("said", fmt.Sprint(r.Host.Declare(ctx, r.Configuration, []tunnel.Declaration{{Ref: tunnel.Ref{Owner: tunnel.Owner(os.Args[0]), Name: "default.site"}, Settings: "site"}})))
	case "declare-foreign":
		err := r.Host.Declare(ctx, r.Configuration, []tunnel.Declaration{{Ref: tunnel.Ref{Owner: tunnel.Owner(arg), Name: "default.site"}, Settings: "site"}})
		note("said", fmt.Sprint(errors.Is(err, tunnel.ErrNotOwner), " ", err))
	case "dial-local", "serve-local":
		note("said", local(ctx, r.Host, what, arg))
	case "print":
		fmt.Println(arg)
		r.Log.Info(arg, "key", "a value")
	case "attack":
		return said(r.Dir, attackAll(arg))
	case "dial":
		return said(r.Dir, dialAll(arg))
	case "use":
		return said(r.Dir, useAll(arg))
	case "flood":
		for ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, strings.Repeat("x", 300))
		}
	case "threads":
		for range 48 { // each has a stack of 8 MiB, where C starts it
			go func() { runtime.LockOSThread(); forever() }()
		}
	case "sockets":
		for n := 0; ctx.Err() == nil; n++ {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: filepath.Join(arg, fmt.Sprint(n))})
			if err != nil {
				return err
			}
			l.SetUnlinkOnClose(false)
			l.Close()
		}
	case "tables":
		return fillTables()
	case "children":
		for range 200 {
			if err := exec.Command("/bin/sleep", "600").Start(); err != nil {
				return err
			}
		}
	case "grandchild":
		c := exec.Command("/bin/sleep", "600")
		c.Stdout, c.Stderr = os.NewFile(1, "stdout"), os.NewFile(2, "stderr")
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: arg == "away"}
		if err := c.Start(); err != nil {
			return err
		}
		note("grandchild", fmt.Sprint(c.Process.Pid))
	}
	<-ctx.Done()
	time.Sleep(50 * time.Millisecond) // a clean-up that takes a while
	note("stopped", "cleanly")
	return ctx.Err()
}

// fillTables has the kernel make tables for pages that hold nothing, which no limit of memory counts.
func fillTables() error {
	const step = 2 << 20 // what one table is for
	b, err := unix.Mmap(-1, 0, 1<<40, unix.PROT_READ, unix.MAP_ANONYMOUS|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return err
	}
	var sum byte
	for at := 0; at < len(b); at += step {
		sum += b[at]
	}
	return fmt.Errorf("it had its way, %d", sum)
}

// said leaves what came of something, whole at once.
func said(dir string, outcome map[string]string) error {
	b, err := json.Marshal(outcome)
	if err != nil {
		return err
	}
	next := filepath.Join(dir, "said.new")
	if err := os.WriteFile(next, b, 0o600); err != nil {
		return err
	}
	return os.Rename(next, filepath.Join(dir, "said"))
}
