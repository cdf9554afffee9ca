package tunnel

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// LoopbackProbe is an address at which a Linux server answers on all its ports that are bound to all addresses, and on
// none that is bound to localhost: how the host tells the two apart.
const LoopbackProbe = "127.66.77.88"

// ProofHosts are the host strings with which the host asks the SSH server of t to connect to an exposed port: both
// families of localhost for the proof, and for who else may connect LoopbackProbe and the server's address in its own
// network, where that is known: LAN, else the server's where it is given as an address.
func ProofHosts(t Tunnel) []string {
	hosts := []string{"localhost", "127.0.0.1", "::1", LoopbackProbe}
	outer := t.LAN
	if outer == "" {
		outer = t.Server.Host
	}
	if a, err := netip.ParseAddr(outer); err == nil && !a.IsLoopback() {
		hosts = append(hosts, outer)
	}
	return hosts
}

// ListenHost is the host string with which the host asks for the port of an expose mapping. Key lines and sshd_config
// match it literally.
func (m Mapping) ListenHost() string {
	if m.Kind == ExposeGateway {
		return ""
	}
	return "localhost"
}

// noListen begins what stands in a key line where nothing may be exposed: authorized_keys has no word for none, and without
// any permitlisten all would be allowed. Nobody asks for that host string; whoever has the key could, see noListenPort.
const noListen = `permitlisten="none:`

// noListenPort is a port that is of no use to anybody: 22 where sshd has it, for it is taken; elsewhere 22 would be somebody
// else's, and it is one that root alone may listen on and nobody connects to.
func noListenPort(t Tunnel) string {
	if t.Server.Port == DefaultPort {
		return "22"
	}
	return "1"
}

// noShell is run in place of whatever is asked for: restrict alone leaves the login its shell, and files by SFTP. It ends
// at once in every shell, those of Windows included.
const noShell = `command="exit 1"`

// AdministratorsKeys is where OpenSSH for Windows looks for the keys of all members of Administrators.
const AdministratorsKeys = `C:\ProgramData\ssh\administrators_authorized_keys`

// CloseAdministratorsKeys is the command after which nobody else may write that file: sshd ignores it while others may. It
// names the groups by number, for their names differ by language.
const CloseAdministratorsKeys = `icacls.exe "` + AdministratorsKeys + `" /inheritance:r /grant "*S-1-5-32-544:F" /grant "*S-1-5-18:F"`

// AuthorizedOptions is the option list of t's authorized_keys line that allows what t needs and nothing else (R65): to
// listen for each expose mapping by the very host string that is asked for, to prove those ports, and to connect to the
// target of each reach mapping. A tunnel without mappings needs no forwarding at all, and none a shell. t has passed Check.
// OpenSSH 7.8 and later read it, on Linux and Windows.
func AuthorizedOptions(t Tunnel) string {
	options := []string{"restrict", noShell}
	if len(t.Mappings) == 0 {
		return strings.Join(options, ",")
	}
	options = append(options, "port-forwarding")
	add := func(keyword, host string, port int) {
		o := keyword + `="` + hostText(host) + ":" + strconv.Itoa(port) + `"`
		if !slices.Contains(options, o) {
			options = append(options, o)
		}
	}
	exposes := false
	for _, m := range t.Mappings {
		if m.Kind.Reaches() {
			add("permitopen", cmp.Or(m.Remote.Host, "localhost"), m.Remote.Port)
			continue
		}
		exposes = true
		add("permitlisten", m.ListenHost(), m.Remote.Port)
		for _, host := range ProofHosts(t) {
			add("permitopen", host, m.Remote.Port)
		}
	}
	if !exposes {
		options = append(options, noListen+noListenPort(t)+`"`)
	}
	return strings.Join(options, ",")
}

// ConfigValues are the values of PermitListen and PermitOpen in sshd_config that allow what t needs. There a value allows a
// gateway's port at every host string, since it has no other word for the empty one. t has passed Check.
func ConfigValues(t Tunnel) (listen, open []string) {
	for _, option := range strings.Split(AuthorizedOptions(t), ",") {
		keyword, value, _ := strings.Cut(strings.ReplaceAll(option, `"`, ""), "=")
		switch {
		case strings.HasPrefix(option, noListen):
		case keyword == "permitlisten" && strings.HasPrefix(value, ":"):
			listen = append(listen, "*"+value)
		case keyword == "permitlisten":
			listen = append(listen, value)
		case keyword == "permitopen":
			open = append(open, value)
		}
	}
	return listen, open
}
