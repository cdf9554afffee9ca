package sshtunnel

import (
	"fmt"
	"slices"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// The files of an OpenSSH server's configuration.
const (
	sshdConfigUnix    = "/etc/ssh/sshd_config"
	sshdConfigWindows = `C:\ProgramData\ssh\sshd_config`
)

// sshdConfig is a line of the server's configuration. sshd takes the first line of a keyword and ignores the others, and
// those beneath a Match are for whom that matches alone; so a line at the end does nothing.
func (a advisor) sshdConfig(line string) tunnel.Fix {
	keyword, _, _ := strings.Cut(line, " ")
	return a.configLine(line, "in place of the line that begins with "+keyword+", within a Match too, else above the first Match")
}

// configLine is a line of the server's configuration, and where in it.
func (a advisor) configLine(line, place string) tunnel.Fix {
	file := sshdConfigUnix
	switch {
	case isWindows(a.version):
		file = sshdConfigWindows
	case tunnel.IsDropbear(a.version):
		file = "dropbear has no such setting; OpenSSH: " + sshdConfigUnix
	case a.version == "":
		file = sshdConfigUnix + " (Windows: " + sshdConfigWindows + ")"
	}
	return tunnel.Fix{Where: file + ", " + place, Line: line}
}

// reload has the server read its configuration again.
func (a advisor) reload() tunnel.Fix {
	if isWindows(a.version) {
		return tunnel.Fix{Where: "PowerShell at the SSH server", Line: "Restart-Service sshd"}
	}
	return tunnel.Fix{Where: inShell, Line: "sshd -t && systemctl reload ssh || systemctl reload sshd"}
}

// forwardingOn are the lines that switch forwarding on; known is what the server told of its rules.
func (a advisor) forwardingOn(known rule) []tunnel.Fix {
	fixes := []tunnel.Fix{a.sshdConfig("AllowTcpForwarding yes")}
	if known != ruleDenies {
		fixes = append(fixes, a.sshdConfig("DisableForwarding no"))
	}
	return append(fixes, a.reload())
}

// hostKeyLine has sshd show a key of the type that we want. Of these lines all count.
func (a advisor) hostKeyLine() tunnel.Fix {
	return a.configLine("HostKey /etc/ssh/ssh_host_ed25519_key", "beside the lines that begin with HostKey, above the first Match")
}

// permitListen and permitOpen are the lines that allow the ports and the targets of the whole tunnel, and asked, where it
// is none of them. They are one line each, and in place of an old one, because sshd takes the first alone; and where there
// is none everything is allowed, which such a line would end.
func (a advisor) permitListen(asked tunnel.Mapping) tunnel.Fix {
	listen, _ := tunnel.ConfigValues(a.with(asked))
	return a.permit("PermitListen", listen)
}

func (a advisor) permitOpen(asked tunnel.Mapping) tunnel.Fix {
	_, open := tunnel.ConfigValues(a.with(asked))
	return a.permit("PermitOpen", open)
}

func (a advisor) permit(keyword string, values []string) tunnel.Fix {
	return a.configLine(keyword+" "+strings.Join(values, " "),
		"only if a line begins with "+keyword+": in its place, with those of its values added that others need")
}

// with is the whole tunnel, and asked.
func (a advisor) with(asked tunnel.Mapping) tunnel.Tunnel {
	t := a.whole
	t.Mappings = append(slices.Clone(t.Mappings), asked)
	return t
}

// dropbearWithout starts dropbear without the options of these letters.
func dropbearWithout(letters string) tunnel.Fix {
	return tunnel.Fix{
		Where: inShell + " (dropbear without -" + strings.Join(strings.Split(letters, ""), " and -") + ")",
		Line:  fmt.Sprintf(`sed -i -E '/^DROPBEAR_EXTRA_ARGS=/s/ ?-[%s]+\b//g' /etc/default/dropbear && systemctl restart dropbear`, letters),
	}
}

// dropbearWith starts dropbear with one more option.
func dropbearWith(letter string) tunnel.Fix {
	return tunnel.Fix{
		Where: inShell + " (dropbear with -" + letter + ")",
		Line:  fmt.Sprintf(`sed -i -E 's/^#? ?DROPBEAR_EXTRA_ARGS="?([^"]*)"?/DROPBEAR_EXTRA_ARGS="-%s \1"/' /etc/default/dropbear && systemctl restart dropbear`, letter),
	}
}
