package sshtunnel

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Where the lines of a fix go.
const (
	sshdConfigUnix    = "/etc/ssh/sshd_config"
	sshdConfigWindows = `C:\ProgramData\ssh\sshd_config`
	adminKeysWindows  = `C:\ProgramData\ssh\administrators_authorized_keys`
	dropbearOptions   = "the command line of dropbear (/etc/default/dropbear)"
	inShell           = "a shell at the SSH server"
	onPBX             = "a shell on the PBX"
)

// isWindows tells OpenSSH for Windows by its version line.
func isWindows(version string) bool { return strings.Contains(version, "for_Windows") }

func isDropbear(version string) bool { return strings.Contains(strings.ToLower(version), "dropbear") }

// advisor knows for whom the lines of a fix are: which server, user and tunnel.
type advisor struct {
	version string // of the server, "" where it is not known yet
	user    string
	label   string // of the tunnel, OWNER/NAME, "" where there is none
}

func (l *Link) advisor() advisor {
	return advisor{version: l.ServerVersion(), user: l.config.Server.User, label: l.config.Label}
}

func (l *Link) sshdConfig(line string) tunnel.Fix { return l.advisor().sshdConfig(line) }
func (l *Link) reload() tunnel.Fix                { return l.advisor().reload() }
func (l *Link) onPBX(verb string, options ...string) tunnel.Fix {
	return l.advisor().onPBX(verb, options...)
}

// sshdConfig is a line of the server's configuration.
func (a advisor) sshdConfig(line string) tunnel.Fix {
	switch {
	case isWindows(a.version):
		return tunnel.Fix{Where: sshdConfigWindows, Line: line}
	case isDropbear(a.version):
		return tunnel.Fix{Where: "dropbear has no such setting; OpenSSH: " + sshdConfigUnix, Line: line}
	case a.version == "":
		return tunnel.Fix{Where: sshdConfigUnix + " (Windows: " + sshdConfigWindows + ")", Line: line}
	}
	return tunnel.Fix{Where: sshdConfigUnix, Line: line}
}

// reload has the server read its configuration again.
func (a advisor) reload() tunnel.Fix {
	if isWindows(a.version) {
		return tunnel.Fix{Where: "PowerShell at the SSH server", Line: "Restart-Service sshd"}
	}
	return tunnel.Fix{Where: inShell, Line: "sshd -t && systemctl reload ssh || systemctl reload sshd"}
}

// keysFile is a line of the file that holds the user's keys.
func (a advisor) keysFile(line string) tunnel.Fix {
	user := cmp.Or(tunnel.Clean(a.user, 80), "USER")
	unix, windows := "~"+user+"/.ssh/authorized_keys", `C:\Users\`+user+`\.ssh\authorized_keys, for administrators `+adminKeysWindows
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

// wholeLine is the command that prints the line of authorized_keys that allows all that the tunnel needs.
func (a advisor) wholeLine() tunnel.Fix { return a.onPBX("key show") }

// keyOptions are what the line of a key must hold for a mapping. Dropbear refuses a key with an option that it does not
// know, and knows no permitlisten.
func (l *Link) keyOptions(m tunnel.Mapping) string {
	c := l.config
	all := tunnel.AuthorizedOptions(tunnel.Tunnel{Server: c.Server, LAN: c.LAN, Mappings: []tunnel.Mapping{m}})
	if !isDropbear(l.ServerVersion()) {
		return all
	}
	known := slices.DeleteFunc(strings.Split(all, ","), func(o string) bool { return strings.HasPrefix(o, "permitlisten=") })
	return strings.Join(known, ",")
}

// keyLines are the ways to change the line of the key so that it holds options.
func (a advisor) keyLines(options string) []tunnel.Fix {
	line := a.keysFile(options)
	line.Where += ", in front of the key"
	if isDropbear(a.version) {
		return []tunnel.Fix{line}
	}
	return []tunnel.Fix{a.wholeLine(), line}
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
