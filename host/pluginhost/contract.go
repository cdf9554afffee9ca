package pluginhost

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// spokenVersion is where go-plugin says which version of the contract a plugin speaks that speaks none of ours.
var spokenVersion = regexp.MustCompile(`incompatible API version with plugin\. Plugin version: ([0-9]{1,9})\b`)

// otherContract refuses a module whose contract with the host is another one, said by go-plugin in that line (R88).
func otherContract(line string) *unusable {
	ours := wire.Versions()
	oldest, newest := ours[0], ours[len(ours)-1]
	m := spokenVersion.FindStringSubmatch(line)
	if m == nil {
		return &unusable{
			tunnel.ContractUnsupported, "it speaks another contract: " + tunnel.Clean(line, 200),
			"put a module's binary there, built with this version's SDK",
		}
	}
	theirs, _ := strconv.Atoi(m[1]) // at most nine digits
	remedy := "update culvertd, or install the module in a build for this version of it"
	if theirs < oldest {
		remedy = "update the module: its version of the contract has ended"
	}
	return &unusable{
		tunnel.ContractUnsupported,
		fmt.Sprintf("it speaks version %d of the contract, this culvertd speaks %d to %d", theirs, oldest, newest), remedy,
	}
}

// noteContract tells a module's log that its version of the contract is an older one: one day it ends.
func (r *running) noteContract(log *moduleLog) {
	if v := r.client.NegotiatedVersion(); v < wire.Version {
		log.say("it speaks version %d of the contract, %d is the newest: it runs, and its next build should be with a newer SDK", v, wire.Version)
	}
}
