package pluginhost

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/culvert-pbx/culvert/sdk/wire"
)

// TestMain makes the test binary all three: the host, its launcher, and the plugins, which are links to it.
func TestMain(m *testing.M) {
	pluginLimits.Data += raceMemory
	moduleBounds.memory += raceMemory
	LaunchIfAsked()
	if wire.Started(os.Getenv) {
		serveTestPlugin()
		return
	}
	if os.Getenv(hostEnv) != "" {
		hostUntilKilled(os.Getenv(hostEnv))
		return
	}
	if dir, sockets, ok := strings.Cut(os.Getenv(prepareEnv), ","); ok {
		if err := prepareOnly(dir, sockets); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	if os.Getenv(siegeEnv) != "" {
		besieged(os.Getenv(siegeEnv))
		return
	}
	code := m.Run()
	if code == 0 {
		code = leaks()
	}
	os.Exit(code)
}

// pluginEnv has the test binary be a plugin.
var pluginEnv = []string{wire.Handshake.MagicCookieKey + "=" + wire.Handshake.MagicCookieValue}

// leaks says what the tests left behind: goroutines, but the one that lives for ever, and processes.
func leaks() int {
	err := goleak.Find(goleak.IgnoreAnyFunction("github.com/culvert-pbx/culvert/host/pluginhost.serveSpawns"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if left := childrenOf(os.Getpid()); len(left) > 0 {
		fmt.Fprintln(os.Stderr, "processes left:", left)
		return 1
	}
	return 0
}

// childrenOf are the processes whose parent is pid, zombies included.
func childrenOf(pid int) []int {
	var found []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		if err == nil && parentOf(child) == pid {
			found = append(found, child)
		}
	}
	return found
}

// parentOf is the parent of a process, 0 where there is none.
func parentOf(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	parent, _ := strconv.Atoi(fields[1])
	return parent
}
