package supervisor

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// holder is who listens on a port of this machine.
type holder struct {
	addr  netip.AddrPort
	uid   string
	inode string
	pid   int // 0 where this program may not see it
	name  string
}

// who is the holder in words.
func (h holder) who() string {
	switch {
	case h.pid == os.Getpid():
		return "this program itself, for another mapping"
	case h.pid != 0:
		return fmt.Sprintf("%s (process %d)", tunnel.Clean(h.name, 40), h.pid)
	}
	if u, err := user.LookupId(h.uid); err == nil {
		return "a program of user " + tunnel.Clean(u.Username, 40)
	}
	return "a program of user " + tunnel.Clean(h.uid, 20)
}

// maxHolders bounds who is looked for.
const maxHolders = 8

// holders are the listeners on a port, as the kernel lists them; whose they are as far as may be seen.
func holders(port int) []holder {
	var all []holder
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(f); lines.Scan() && len(all) < maxHolders; {
			if h, ok := parseListener(lines.Text()); ok && int(h.addr.Port()) == port {
				all = append(all, h)
			}
		}
		f.Close()
	}
	identify(all)
	return all
}

// parseListener reads a line of /proc/net/tcp, or tcp6, that is about a listener.
func parseListener(line string) (holder, bool) {
	const listening = "0A"
	f := strings.Fields(line)
	if len(f) < 10 || f[3] != listening {
		return holder{}, false
	}
	host, port, _ := strings.Cut(f[1], ":")
	b, err := hex.DecodeString(host)
	if err != nil || len(b)%4 != 0 {
		return holder{}, false
	}
	for w := 0; w < len(b); w += 4 { // words in the byte order of the machine, which is little-endian wherever this runs
		b[w], b[w+1], b[w+2], b[w+3] = b[w+3], b[w+2], b[w+1], b[w]
	}
	addr, ok := netip.AddrFromSlice(b)
	n, err := strconv.ParseUint(port, 16, 16)
	return holder{addr: netip.AddrPortFrom(addr, uint16(n)), uid: f[7], inode: f[9]}, ok && err == nil
}

// identify finds the processes that have the holders' sockets open.
func identify(all []holder) {
	if len(all) == 0 {
		return
	}
	open, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, path := range open {
		to, err := os.Readlink(path)
		if err != nil || !strings.HasPrefix(to, "socket:[") {
			continue
		}
		for i := range all {
			if to == "socket:["+all[i].inode+"]" {
				dir := filepath.Dir(filepath.Dir(path))
				all[i].pid, _ = strconv.Atoi(filepath.Base(dir))
				name, _ := os.ReadFile(filepath.Join(dir, "comm"))
				all[i].name = strings.TrimSpace(string(name))
			}
		}
	}
}
