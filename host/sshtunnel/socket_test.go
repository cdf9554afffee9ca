package sshtunnel_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
)

// TestSocketIsNeverGivenUpByTheKernel reads back what the kernel was told about the connection beneath SSH.
func TestSocketIsNeverGivenUpByTheKernel(t *testing.T) {
	s := serve(t, echo)
	c := dial(t, "127.0.0.1", s.port)
	must(t, sshtunnel.Prepare(c))
	raw, err := c.SyscallConn()
	must(t, err)
	for name, o := range map[string]struct{ level, option, want int }{
		"keepalive":    {unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		"idle":         {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 4},
		"interval":     {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 3},
		"probes":       {unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 127},
		"unsent":       {unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, 128 << 10},
		"user timeout": {unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 2 * 60 * 60 * 1000},
		"repetitions":  {unix.IPPROTO_TCP, unix.TCP_RTO_MAX_MS, 3000},
	} {
		if name == "repetitions" && !sshtunnel.HurriesData() {
			continue
		}
		must(t, raw.Control(func(fd uintptr) {
			got, err := unix.GetsockoptInt(int(fd), o.level, o.option)
			if err != nil || got != o.want {
				t.Errorf("%s: %d (%v), want %d", name, got, err, o.want)
			}
		}))
	}
}
