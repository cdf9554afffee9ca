package pluginhost

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/culvert-pbx/culvert/sdk/wire"
)

// TestMain makes the test binary all three: the host, its launcher, and the plugins, which are links to it.
func TestMain(m *testing.M) {
	LaunchIfAsked()
	if wire.Started(os.Getenv) {
		serveTestPlugin()
		return
	}
	if os.Getenv(hostEnv) != "" {
		hostUntilKilled(os.Getenv(hostEnv))
		return
	}
	code := m.Run()
	if code == 0 {
		code = leaks()
	}
	os.Exit(code)
}

// leaks says what the tests left behind: goroutines, but the one that lives for ever, and processes.
func leaks() int {
	err := goleak.Find(goleak.IgnoreAnyFunction("github.com/culvert-pbx/culvert/host/pluginhost.serveSpawns"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if left := children(os.Getpid()); len(left) > 0 {
		fmt.Fprintln(os.Stderr, "processes left:", left)
		return 1
	}
	return 0
}

// children are the processes whose parent is pid.
func children(pid int) []string {
	var found []string
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		b, err := os.ReadFile(stat)
		if err != nil {
			continue
		}
		after := string(b[strings.LastIndexByte(string(b), ')')+1:])
		if f := strings.Fields(after); len(f) > 1 && f[1] == fmt.Sprint(pid) {
			found = append(found, strings.TrimSpace(string(b)))
		}
	}
	return found
}
