package sshtunnel

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Where the lines of a fix go.
const (
	inShell = "a shell at the SSH server"
	onPBX   = "a shell on the PBX"
)

// isWindows tells OpenSSH for Windows by its version line.
func isWindows(version string) bool { return strings.Contains(version, "for_Windows") }

// advisor knows for whom the lines of a fix are: which server, user and tunnel.
type advisor struct {
	version string // of the server, "" where it is not known yet
	user    string
	label   string        // of the tunnel, OWNER/NAME, "" where there is none
	known   bool          // it has logged in at that server before
	options string        // of the key's line that allows what the whole tunnel needs, "" where that is not known
	whole   tunnel.Tunnel // without mappings where those are not known
}

// advisor knows the tunnel, and that the server calls itself version.
func (c Config) advisor(version string) advisor {
	a := advisor{version: version, user: c.Server.User, label: c.Label, known: c.Pin != tunnel.Pin{}, whole: tunnel.Tunnel{Server: c.Server, LAN: c.LAN}}
	if c.Mappings == nil {
		return a
	}
	if all := c.Mappings(); len(all) > 0 {
		a.whole.Mappings = all
		a.options = tunnel.KeyOptions(a.whole, version)
	}
	return a
}

func (l *Link) advisor() advisor { return l.config.advisor(l.ServerVersion()) }

func (l *Link) sshdConfig(line string) tunnel.Fix { return l.advisor().sshdConfig(line) }
func (l *Link) reload() tunnel.Fix                { return l.advisor().reload() }
func (l *Link) onPBX(verb string, options ...string) tunnel.Fix {
	return l.advisor().onPBX(verb, options...)
}

// keysFile is a line of the file that holds the user's keys.
func (a advisor) keysFile(line string) tunnel.Fix {
	user := cmp.Or(tunnel.Clean(a.user, 80), "USER")
	unix, windows := "~"+user+"/.ssh/authorized_keys", `C:\Users\`+user+`\.ssh\authorized_keys, for administrators `+tunnel.AdministratorsKeys
	switch {
	case isWindows(a.version):
		return tunnel.Fix{Where: windows, Line: line}
	case a.version == "":
		return tunnel.Fix{Where: unix + " (Windows: " + windows + ")", Line: line}
	}
	return tunnel.Fix{Where: unix, Line: line}
}

// onPBX is a command of ours about the tunnel.
func (a advisor) onPBX(verb string, options ...string) tunnel.Fix {
	line := append([]string{"culvert", verb, cmp.Or(a.label, "OWNER/NAME")}, options...)
	return tunnel.Fix{Where: onPBX, Line: strings.Join(line, " ")}
}

// thenRestart ends the sentence about what is to do where a rule of the server's is to change while a session stands.
const thenRestart = ", then culvert tunnel restart OWNER/NAME: the standing session does not learn of it"

// restart is the line for that: a server reads its configuration and the key's line when a session begins, and its process
// for that session keeps them to the end, however often it is asked.
func (a advisor) restart() tunnel.Fix {
	fix := a.onPBX("tunnel restart")
	fix.Where += ", when that is done at the server"
	return fix
}

// wholeLine is the command that prints the line of authorized_keys that allows all that the tunnel needs.
func (a advisor) wholeLine() tunnel.Fix { return a.onPBX("key show") }

// keyLines are the ways to change the key's line so that it allows what the tunnel needs: all of it, because a line that
// allows one mapping forbids the others.
func (a advisor) keyLines() []tunnel.Fix {
	fixes := []tunnel.Fix{a.wholeLine()}
	if a.options != "" {
		line := a.keysFile(a.options)
		line.Where += ", in place of what stands before the key"
		fixes = append(fixes, line)
	}
	return fixes
}

// newKeyLines are the ways to have the server take a key. One that is only tried, for no tunnel yet, needs no options.
func (a advisor) newKeyLines(key string) []tunnel.Fix {
	fixes := []tunnel.Fix{a.wholeLine()}
	if a.options != "" || a.label == "" {
		fixes = append(fixes, a.keysFile(strings.TrimSpace(a.options+" "+key)))
	}
	return fixes
}

// whereIsSSH are the ways to the port at which the SSH server is, where something else was met or nothing: the usual one,
// unless that was it. Where a login has worked before, the port was right.
func (a advisor) whereIsSSH() []tunnel.Fix {
	look := tunnel.Fix{Where: inShell, Line: "ss -ltnp | grep -E 'sshd|dropbear'"}
	server := a.whole.Server
	if server.Port == tunnel.DefaultPort {
		return []tunnel.Fix{look}
	}
	server.Port = tunnel.DefaultPort
	correct := a.onPBX("tunnel set", "--server", word(server.User+"@"+hostPort(server)))
	correct.Where += ", if the SSH server is at the usual port"
	if a.known {
		return []tunnel.Fix{look, correct}
	}
	return []tunnel.Fix{correct, look}
}

// nothingListens are the ways to have an SSH server listen at the port, or to go where it does.
func (a advisor) nothingListens() []tunnel.Fix {
	port := a.whole.Server.Port
	start := []tunnel.Fix{
		{Where: inShell, Line: fmt.Sprintf("systemctl enable --now ssh || systemctl enable --now sshd; ss -ltnp 'sport = :%d'", port)},
		a.sshdConfig(fmt.Sprintf("Port %d", port)),
		{Where: "PowerShell at the SSH server, as administrator", Line: "Set-Service sshd -StartupType Automatic; Start-Service sshd"},
		a.firewall(port)[0], // one that rejects looks the same
	}
	if a.known {
		return append(start, a.whereIsSSH()...)
	}
	return append(a.whereIsSSH(), start...)
}

// firewall opens the server's port to us.
func (a advisor) firewall(port int) []tunnel.Fix {
	return []tunnel.Fix{
		{Where: inShell, Line: fmt.Sprintf("iptables -I INPUT -p tcp --dport %d -j ACCEPT", port)},
		{Where: inShell + " (nftables)", Line: fmt.Sprintf("nft insert rule inet filter input tcp dport %d accept", port)},
		{Where: "PowerShell at the SSH server, as administrator",
			Line: fmt.Sprintf("New-NetFirewallRule -Name sshd -DisplayName sshd -Direction Inbound -Protocol TCP -Action Allow -LocalPort %d", port)},
	}
}

// unban lets this PBX in again where something at the server locks addresses out.
func (a advisor) unban() []tunnel.Fix {
	if isWindows(a.version) {
		return []tunnel.Fix{a.log()}
	}
	return []tunnel.Fix{
		{Where: inShell, Line: "fail2ban-client set sshd unbanip ADDRESS-OF-THIS-PBX"},
		a.log(),
	}
}

// log shows what the server itself says.
func (a advisor) log() tunnel.Fix {
	if isWindows(a.version) {
		return tunnel.Fix{Where: "PowerShell at the SSH server", Line: "Get-WinEvent OpenSSH/Operational -MaxEvents 20"}
	}
	return tunnel.Fix{Where: inShell, Line: "journalctl -n 30 -u ssh -u sshd || tail -n 30 /var/log/auth.log /var/log/secure"}
}
