package pluginhost

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// listeningPorts are the ports at which something answers whoever connects to 127.0.0.1 here; nil where the kernel does
// not tell. It connects to none of them: a service is not to be woken for being looked at.
func listeningPorts() map[int]bool {
	ports, err := readListening("/proc/net/tcp", nil)
	if err != nil {
		return nil
	}
	ports, _ = readListening("/proc/net/tcp6", ports) // absent without IPv6
	return ports
}

// Addresses of listeners that a connection to 127.0.0.1 meets, as /proc/net has them.
var meetLoopback = map[string]bool{
	"0100007F": true, "00000000": true, // 127.0.0.1, and all
	"00000000000000000000000000000000": true, "0000000000000000FFFF00000100007F": true, "0000000000000000FFFF000000000000": true,
}

const listenState = "0A"

func readListening(path string, ports map[int]bool) (map[int]bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return ports, err
	}
	defer f.Close()
	if ports == nil {
		ports = map[int]bool{}
	}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || fields[3] != listenState {
			continue
		}
		host, port, _ := strings.Cut(fields[1], ":")
		if n, err := strconv.ParseUint(port, 16, 16); err == nil && meetLoopback[host] {
			ports[int(n)] = true
		}
	}
	return ports, lines.Err()
}
